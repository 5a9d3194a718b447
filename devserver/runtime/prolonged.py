"""Calls that go on after they returned: coroutines, generators and context managers made of
generators, which a service gave."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import Any

from devserver.runtime.gate import CURRENT, Flight


def prolonged(answer: Any, flight: Flight, leave: Callable[[], None]) -> Prolonged | None:
    """What stands for a coroutine, a generator, or what `contextmanager` makes of one: it runs as
    `flight` and calls `leave()` at its end. None for anything else.

    Futures are work that the provider began by itself, and other things that can be entered are
    more than a call (a file, a lock, a session): they are left as they are.
    """
    if isinstance(answer, _CONTEXT):
        return ProlongedContext(answer, flight, leave)
    if isinstance(answer, _ASYNC_CONTEXT):
        return ProlongedAsyncContext(answer, flight, leave)
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


class ProlongedContext(Prolonged, AbstractContextManager[Any]):
    """A call around a `with` block, which is the consumer's."""

    may_stream = True

    def __init__(self, manager: Any, flight: Flight, leave: Callable[[], None]) -> None:
        self._manager = manager
        super().__init__(flight, leave)

    def __enter__(self) -> Any:
        return self.step(self._manager.__enter__)

    def __exit__(self, *error: Any) -> Any:
        try:
            return self.step(self._manager.__exit__, *error)
        finally:
            self._end()

    def __call__(self, function: Callable[..., Any]) -> Any:
        """As a decorator, which makes a manager for each call."""
        self._end()
        return self._manager(function)


class ProlongedAsyncContext(Prolonged, AbstractAsyncContextManager[Any]):
    """A call around an `async with` block, which is the consumer's."""

    may_stream = True

    def __init__(self, manager: Any, flight: Flight, leave: Callable[[], None]) -> None:
        self._manager = manager
        super().__init__(flight, leave)

    async def __aenter__(self) -> Any:
        return await _Part(self, self._manager.__aenter__())

    async def __aexit__(self, *error: Any) -> Any:
        try:
            return await _Part(self, self._manager.__aexit__(*error))
        finally:
            self._end()

    def __call__(self, function: Callable[..., Any]) -> Any:
        """As a decorator, which makes a manager for each call."""
        self._end()
        return self._manager(function)


class _Part(Coroutine[Any, Any, Any]):
    """One part of something asynchronous on its way."""

    def __init__(self, whole: Prolonged, part: Any) -> None:
        self._whole = whole
        self._part = part

    @property
    def awaited(self) -> Any:
        """What is on its way."""
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


@contextmanager
def _for_a_while() -> Generator[None, None, None]:
    yield


@asynccontextmanager
async def _for_a_while_async() -> AsyncGenerator[None, None]:
    yield


# The standard library has no public names for what its decorators give.
_CONTEXT, _ASYNC_CONTEXT = type(_for_a_while()), type(_for_a_while_async())
