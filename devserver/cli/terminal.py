"""The dev server's terminal: everything that happens, shown on a thread of its own."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import IO

from devserver.cli.screen import Banner, View
from devserver.core.outcome import Outcome
from devserver.reload.journal import FeedEvent, Journal
from devserver.runtime.log_lines import LogLine

_WAITING_MOST = 10_000


class LogFormat(StrEnum):
    """How the dev server shows itself."""

    RICH = "rich"
    PLAIN = "plain"
    JSON = "json"


def view_for(chosen: LogFormat, stream: IO[str] | None = None) -> View:
    """The view of a format, on stdout unless another stream is given."""
    target = stream or sys.stdout
    if chosen is LogFormat.JSON:
        from devserver.cli.ndjson import JsonView

        return JsonView(target)
    if chosen is LogFormat.PLAIN:
        from devserver.cli.plain import PlainView

        return PlainView(target)
    from devserver.cli.output import console_for
    from devserver.cli.rich_view import RichView

    return RichView(console_for(target))


class Terminal:
    """Takes what happens from any thread and never holds it up: a terminal that is paused, or a
    pipe that nobody reads, delays no reload. What no longer fits is dropped and counted."""

    def __init__(
        self,
        view: View,
        *,
        clock: Callable[[], float] = time.time,
        capacity: int = _WAITING_MOST,
    ) -> None:
        self._view = view
        self._clock = clock
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(capacity)
        self._dropped = 0
        self._early: list[tuple[FeedEvent, Outcome | None, float]] | None = []
        self._thread = threading.Thread(target=self._show_all, name="terminal", daemon=True)
        self._thread.start()

    def attach(self, journal: Journal) -> None:
        """Shows what the journal knows already and what it tells from now on, but nothing
        before `ready`."""
        for event in journal.events_after(0, 0):
            self.on_event(event, None)
        journal.listen(self.on_event)

    def on_event(self, event: FeedEvent, outcome: Outcome | None) -> None:
        """One event of the feed."""
        moment = self._clock()
        self._put(lambda: self._show_event(event, outcome, moment))

    def ready(self, banner: Banner) -> None:
        """Shows the banner, and then what has happened since the plugins were loaded."""
        moment = self._clock()
        self._put(lambda: self._show_ready(banner, moment))

    def log(self, line: LogLine) -> None:
        """Shows a log record."""
        self._put(lambda: self._view.log(line))

    def say(self, word: str) -> None:
        """Shows a word on the server itself."""
        moment = self._clock()
        self._put(lambda: self._view.say(word, moment))

    def close(self, timeout: float = 1.0) -> None:
        """Shows what waits, for `timeout` seconds at most."""
        try:
            self._waiting.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)

    def _put(self, show: Callable[[], None]) -> None:
        try:
            self._waiting.put_nowait(show)
        except queue.Full:
            self._dropped += 1

    def _show_all(self) -> None:
        while (show := self._waiting.get()) is not None:
            try:
                show()
                if self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    told = f"{dropped} lines dropped: the output was not read"
                    self._view.say(told, self._clock())
            except Exception as error:  # noqa: BLE001 - what plugins say may be anything
                with contextlib.suppress(Exception):
                    self._view.say(f"something could not be shown: {error!r}", self._clock())

    def _show_ready(self, banner: Banner, moment: float) -> None:
        early, self._early = self._early or [], None
        self._view.ready(banner, moment)
        for event, outcome, when in early:
            if outcome is None or outcome.trigger != "start":
                self._view.event(event, outcome, when)

    def _show_event(self, event: FeedEvent, outcome: Outcome | None, moment: float) -> None:
        if self._early is not None:
            self._early.append((event, outcome, moment))
        else:
            self._view.event(event, outcome, moment)
