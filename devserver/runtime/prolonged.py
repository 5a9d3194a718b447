"""Calls that go on after they returned: coroutines and generators that a service gave."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from typing import Any

from devserver.runtime.gate import CURRENT, Flight


def prolonged(answer: Any, flight: Flight, leave: Callable[[], None]) -> Prolonged | None:
    """What stands for a coroutine or generator: it runs as `flight` and calls `leave()` at its
    end. None for anything else.

    Futures are work that the provider began by itself, and what can be entered with `async with`
    is more than a call: both are left as they are.
    """
    if isinstance(answer, AsyncGenerator):
        return ProlongedAsyncGenerator(answer, flight, leave)
    if isinstance(answer, Awaitable) or inspect.isawaitable(answer):
        if hasattr(answer, "add_done_callback") or hasattr(answer, "__aenter__"):
            return None
        steps = answer if hasattr(answer, "send") else answer.__await__()
        return ProlongedCoroutine(steps, flight, leave)
    if isinstance(answer, Generator):
        return ProlongedGenerator(answer, flight, leave)
    return None


class Prolonged:
    """Work of a flight that ends when it has run to its end, is closed, or is let go of.

    Where `may_stream` is true it follows the work that it is part of: once that has ended, is
    a stream itself, or where there is none, nobody waits for this work before a commit either.
    """

    may_stream = False

    def __init__(self, flight: Flight, leave: Callable[[], None]) -> None:
        self._flight: Flight | None = flight
        self._leave = leave
        self._follow(flight)

    def __del__(self) -> None:
        self._end()

    def _follow(self, flight: Flight) -> None:
        outer, generation = flight.outer, flight.generation
        if not self.may_stream or flight.id not in generation.flights:
            return
        if outer is None or outer.id not in outer.generation.flights:
            generation.streams[flight.id] = flight
            self._leave()

    def _end(self) -> None:
        # Whoever keeps this afterwards does not keep the generation.
        flight, self._flight = self._flight, None
        if flight is not None:
            flight.generation.streams.pop(flight.id, None)
            self._leave()
            self._leave = _nothing

    def step(self, function: Callable[..., Any], *arguments: Any, part: bool = False) -> Any:
        """Runs until the work yields. Any exception is its end, but for the StopIteration that
        carries the value of a `part` of it."""
        if self._flight is None:
            return function(*arguments)
        self._follow(self._flight)
        token = CURRENT.set(self._flight)
        try:
            return function(*arguments)
        except StopIteration:
            if not part:
                self._end()
            raise
        except BaseException:  # plugin code raises anything; raised again
            self._end()
            raise
        finally:
            CURRENT.reset(token)

    def finish(self, close: Callable[[], Any]) -> None:
        """Closes the work, which ends it."""
        try:
            self.step(close)
        finally:
            self._end()


class ProlongedCoroutine(Prolonged, Coroutine[Any, Any, Any]):
    """A call that is awaited. `steps` has send, throw and close, or is an iterator."""

    def __init__(self, steps: Any, flight: Flight, leave: Callable[[], None]) -> None:
        self._steps = steps
        super().__init__(flight, leave)

    @property
    def awaited(self) -> Any:
        """What the provider gave."""
        return self._steps

    def send(self, value: Any, /) -> Any:
        if value is None and not hasattr(self._steps, "send"):
            return self.step(next, self._steps)
        return self.step(self._steps.send, value)

    def throw(self, *error: Any) -> Any:
        return self.step(self._steps.throw, *error)

    def close(self) -> None:
        self.finish(getattr(self._steps, "close", _nothing))

    def __await__(self) -> Generator[Any, Any, Any]:
        return _Awaited(self)


class ProlongedGenerator(Prolonged, Generator[Any, Any, Any]):
    """A call whose parts are iterated."""

    may_stream = True

    def __init__(
        self, parts: Generator[Any, Any, Any], flight: Flight, leave: Callable[[], None]
    ) -> None:
        self._parts = parts
        super().__init__(flight, leave)

    def send(self, value: Any, /) -> Any:
        return self.step(self._parts.send, value)

    def throw(self, *error: Any) -> Any:
        return self.step(self._parts.throw, *error)

    def close(self) -> None:
        self.finish(self._parts.close)


class ProlongedAsyncGenerator(Prolonged, AsyncGenerator[Any, Any]):
    """A call whose parts are iterated with `async for`."""

    may_stream = True

    def __init__(
        self, parts: AsyncGenerator[Any, Any], flight: Flight, leave: Callable[[], None]
    ) -> None:
        self._parts = parts
        super().__init__(flight, leave)

    def asend(self, value: Any, /) -> Coroutine[Any, Any, Any]:
        return _Part(self, self._parts.asend(value))

    def athrow(self, *error: Any) -> Coroutine[Any, Any, Any]:
        return _Part(self, self._parts.athrow(*error))

    async def aclose(self) -> None:
        try:
            await _Part(self, self._parts.aclose())
        finally:
            self._end()


class _Part(Coroutine[Any, Any, Any]):
    """One part of an asynchronous generator on its way."""

    def __init__(self, whole: ProlongedAsyncGenerator, part: Any) -> None:
        self._whole = whole
        self._part = part

    @property
    def awaited(self) -> Any:
        """What the generator gave."""
        return self._part

    def send(self, value: Any, /) -> Any:
        return self._whole.step(self._part.send, value, part=True)

    def throw(self, *error: Any) -> Any:
        return self._whole.step(self._part.throw, *error, part=True)

    def close(self) -> None:
        self._part.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return _Awaited(self)


class _Awaited(Generator[Any, Any, Any]):
    """What `await` iterates over; it keeps alive what it is for.

    Who looks where a task waits gets past it by the attributes that generators have.
    """

    gi_frame = None

    def __init__(self, whole: ProlongedCoroutine | _Part) -> None:
        self._whole = whole

    @property
    def gi_yieldfrom(self) -> Any:
        return self._whole.awaited

    def send(self, value: Any, /) -> Any:
        return self._whole.send(value)

    def throw(self, *error: Any) -> Any:
        return self._whole.throw(*error)

    def close(self) -> None:
        self._whole.close()


def _nothing() -> None:
    """A plain iterator has nothing to close."""
