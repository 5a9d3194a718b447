"""Answers whose headers are out: they are pinned to their generation, and let go in the end."""

from __future__ import annotations

import contextlib
import contextvars
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from devserver.runtime.interrupt import HookInterrupted, interrupt

if TYPE_CHECKING:
    from devserver.runtime.gate import Flight
    from devserver.runtime.generation import Generation

_GRACE = 0.5  # seconds that a stream gets to its end, and again when it has been cut
_LOOK = 0.02  # seconds between two looks
_DONE = object()


class OpenStream:
    """Iterates over the body of an answer, in the context that the request runs in.

    `client` is the connection that the parts go to, where the server tells it. `ends_early` says
    whether it may be ended before its last part: not where its length was announced.
    """

    def __init__(
        self,
        parts: Iterable[bytes],
        *,
        context: contextvars.Context,
        client: socket.socket | None,
        ends_early: Callable[[], bool],
    ) -> None:
        self._parts = parts
        self._context = context
        self._client = client
        self._ends_early = ends_early
        self._thread = threading.current_thread()
        self._lock = threading.Lock()
        self._computes = False
        self._interrupted = False
        self._ended = False

    def __iter__(self) -> Iterator[bytes]:
        iterator = self._context.run(iter, self._parts)
        # Its own code is interrupted only when it was told to end and did not.
        with contextlib.suppress(HookInterrupted):
            while not self._ended:
                part = self._next(iterator)
                if part is _DONE:
                    return
                yield part

    def _next(self, iterator: Iterator[bytes]) -> Any:
        self._computes = True
        try:
            return self._context.run(next, iterator, _DONE)
        finally:
            with self._lock:
                self._computes = False
                late = self._interrupted
            if late:
                # The exception is on its way: it is to arrive here, not in the server's code.
                for _ in range(10_000):
                    pass

    def end(self) -> bool:
        """No part is asked for any more; False for an answer that goes out whole."""
        self._ended = self._ends_early()
        return self._ended

    def cut(self) -> None:
        """Ends one that did not end: code that computes is interrupted, and the client sees the
        end even where that code waits for something that does not come."""
        with self._lock:
            if self._computes:
                self._interrupted = True
                interrupt(self._thread)
            if self._client is not None:
                with contextlib.suppress(OSError):  # the client may have gone by itself
                    self._client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """The answer is over: the connection belongs to the next request."""
        with self._lock:
            self._client = None


def end_streams(generations: Iterable[Generation]) -> list[str]:
    """Ends the streams that are still open on these generations, and says which they were; within
    about a second."""
    generations = tuple(generations)
    ended = [f for f in _open(generations) if f.stream is not None and f.stream.end()]
    told = [f"an open stream was ended: {flight.label}" for flight in ended]
    _wait_until_gone(ended)
    for flight in _left(ended):
        if flight.stream is not None:
            flight.stream.cut()
    _wait_until_gone(ended)
    return told + [f"left behind: the stream {flight.told()}" for flight in _left(ended)]


def _open(generations: Iterable[Generation]) -> list[Flight]:
    return [flight for g in generations for flight in list(g.streams.values())]


def _left(flights: Iterable[Flight]) -> list[Flight]:
    return [flight for flight in flights if flight.id in flight.generation.streams]


def _wait_until_gone(flights: list[Flight]) -> None:
    deadline = time.monotonic() + _GRACE
    pause = threading.Event()
    while _left(flights) and time.monotonic() < deadline:
        pause.wait(_LOOK)
