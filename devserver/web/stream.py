"""GET /api/events: the feed of what happens, as server-sent events."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, Response, json, request

from devserver.reload.journal import FeedEvent
from devserver.runtime.clients import client_of, has_left
from devserver.web.family import Family
from devserver.web.inputs import flag, get_record
from devserver.web.ports import Control
from devserver.web.shapes import following

_HEARTBEAT_SECONDS = 15.0
_TICK_SECONDS = 1.0
_RETRY_MS = 1000


class EventStream:
    """Streams the journal. A client that names the last event it saw (`Last-Event-ID`, or
    `?last_event_id=`) gets what came after it, any other what happens from now on."""

    def __init__(
        self,
        *,
        control: Control,
        stopping: threading.Event,
        heartbeat: float = _HEARTBEAT_SECONDS,
        tick: float = _TICK_SECONDS,
    ) -> None:
        self._control = control
        self._stopping = stopping
        self._heartbeat = heartbeat
        self._tick = tick
        self._lock = threading.Lock()
        self._open = 0

    @property
    def open_streams(self) -> int:
        """How many clients are listening."""
        return self._open

    def blueprint(self) -> Blueprint:
        blueprint = Blueprint("events", __name__)
        blueprint.get("/api/events")(self.events)
        blueprint.post("/api/plugins/<name>/follow")(self.follow)
        return blueprint

    def events(self) -> Response:
        """The stream. It begins with `hello` (`{run, project, last_event_id}`); `run` differs
        between runs of the server."""
        newest = self._control.journal.last_event_id
        asked = request.headers.get("Last-Event-ID") or request.args.get("last_event_id")
        seen = _event_id(asked, newest)
        client = client_of(request.environ)
        return _answer(self._run(seen, self._hello(newest), client, lambda _: True))

    def follow(self, name: str) -> Response:
        """The part of the stream that is about a plugin and those that depend on it, from now on.
        It begins with `following` (`{plugin, status, generation, pending, reason, watching,
        automatic}`). With `?auto_reload=true` saves of the plugin are reloaded though
        `reload.automatic` is false, until the client leaves."""
        record = get_record(self._control, name)
        key, automatic = record.key, flag("auto_reload")
        about = following(self._control, record, auto_reload=automatic)
        del record  # it would hold the generation that is on its way out
        family = Family(key, self._control.registry)
        seen, client = self._control.journal.last_event_id, client_of(request.environ)
        first = f"event: following\ndata: {json.dumps(about)}\n\n"
        run = self._run(seen, first, client, family.concerns)
        return _answer(self._reloading(key, run) if automatic else run)

    def _reloading(self, key: str, run: Iterator[str]) -> Iterator[str]:
        with self._control.followers.reloading(key):
            yield from run

    def _run(
        self,
        seen: int,
        first: str,
        client: socket.socket | None,
        wanted: Callable[[FeedEvent], bool],
    ) -> Iterator[str]:
        self._count(1)
        try:
            yield f"retry: {_RETRY_MS}\n{first}"
            beat = time.monotonic()
            while not self._stopping.is_set() and not has_left(client):
                found = self._control.journal.events_after(seen, self._tick)
                seen = found[-1].id if found else seen
                told = "".join(map(_format, filter(wanted, found)))
                if told:
                    yield told
                    beat = time.monotonic()
                elif time.monotonic() - beat >= self._heartbeat:
                    yield ": heartbeat\n\n"
                    beat = time.monotonic()
        finally:
            self._count(-1)

    def _hello(self, newest: int) -> str:
        about: dict[str, Any] = {
            "run": self._control.started_at,
            "project": self._control.root.name,
            "last_event_id": newest,
        }
        return f"event: hello\ndata: {json.dumps(about)}\n\n"

    def _count(self, by: int) -> None:
        with self._lock:
            self._open += by


def _answer(body: Iterator[str]) -> Response:
    response = Response(body, mimetype="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _event_id(asked: str | None, newest: int) -> int:
    """The event that the client saw last. One of an earlier run counts as none at all."""
    if asked is None:
        return newest
    if not (asked.isascii() and asked.isdigit() and len(asked) < 16):
        return 0
    return int(asked) if int(asked) <= newest else 0


def _format(event: FeedEvent) -> str:
    return f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(event.payload)}\n\n"
