"""The lifespan of an ASGI application: from the activation of its generation to its end."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import Future
from typing import Any

from devserver.core.errors import DevServerError
from devserver.runtime.asgi import Asgi, Message
from devserver.runtime.loop import Call, PluginLoop


class LifespanFailed(DevServerError):
    """An ASGI application could not start, or not end."""


class Lifespan:
    """Runs an application's startup, keeps it, and runs its shutdown. `state` is what requests
    get a copy of; None for an application that knows no lifespan."""

    def __init__(self, app: Asgi, loop: PluginLoop) -> None:
        self._app = app
        self._loop = loop
        self._call: Call | None = None
        self._told: Future[Message] = Future()
        self._ended: Future[Message] = Future()
        self._leave = asyncio.Event()
        self._asked = False
        self.state: dict[str, Any] | None = {}

    async def start(self) -> bool:
        """Returns when the application has started; False when it knows no lifespan.

        Raises LifespanFailed.
        """
        # Of no hook: it goes on when that has returned.
        self._call = self._loop.submit(self._run, context=contextvars.Context())
        self._call.add_done_callback(self._over)
        answer = await asyncio.wrap_future(self._told)
        if answer["type"] == "none":
            self.state = None
            return False
        self._check(answer, "startup")
        return True

    async def stop(self) -> None:
        """Returns when the application has ended. Raises LifespanFailed."""
        self._leave.set()
        try:
            self._check(await asyncio.wrap_future(self._ended), "shutdown")
        finally:
            if self._call is not None:
                self._call.cancel()

    def _check(self, answer: Message, what: str) -> None:
        if answer["type"] == f"lifespan.{what}.failed":
            last = str(answer.get("message", "")).strip().splitlines()[-1:]
            raise LifespanFailed(
                f"the lifespan {what} of the application failed: {''.join(last) or 'no reason'}",
                hint=f"see what it does at its {what}",
            )

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        await self._leave.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        about = self._told if message["type"].startswith("lifespan.startup.") else self._ended
        if not about.done():
            about.set_result(message)

    def _over(self, _call: Future[Any]) -> None:
        """One that raises or returns at once knows no lifespan."""
        for about in (self._told, self._ended):
            if not about.done():
                about.set_result({"type": "none"})
