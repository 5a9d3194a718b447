"""Writes outcomes and sources to the store, so that no reload waits for a disk or a network, and
the operator's words when the database did not take them at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from devserver.core.errors import DatabaseUnavailable
from devserver.core.lifecycle import DesiredState
from devserver.core.outcome import Outcome
from devserver.reload.words import Words
from devserver.store.history import History
from devserver.store.sources import GoodVersion, Sources

_log = logging.getLogger("devserver.store")

_GATHER = 0.05
"""Seconds in which what belongs together becomes one transaction; a kill loses no more."""
_PAUSE = 1.0
"""Seconds after which a database that could not be used is tried again."""
_AT_ONCE = 20
"""Versions in one transaction: nobody else can write meanwhile."""
_MOST_WAITING = 1000
"""What waits for such a database; the oldest goes."""


@dataclass(slots=True)
class _Waiting:
    """What is to be written: outcomes by id, each as it is now, and versions in order."""

    outcomes: dict[int, Outcome]
    versions: list[GoodVersion]

    def __bool__(self) -> bool:
        return bool(self.outcomes or self.versions)

    def put_back(self, older: _Waiting) -> None:
        """Takes in what could not be written."""
        outcomes = older.outcomes | self.outcomes
        numbers = sorted(outcomes)[-_MOST_WAITING:]
        self.outcomes = {number: outcomes[number] for number in numbers}
        self.versions = [*older.versions, *self.versions][-_MOST_WAITING:]


class Keeper:
    """Owns the thread `keeper`, which is started with the first thing to write.

    `tell(level, message, hint)` is called once when the database cannot be used, and what waits
    is written when it can be again. What cannot be written by the end is lost.
    """

    def __init__(
        self,
        *,
        instance: str,
        history: History,
        sources: Sources,
        words: Words,
        tell: Callable[[str, str, str | None], None],
    ) -> None:
        self.instance = instance
        self._history = history
        self._sources = sources
        self._words = words
        self._tell = tell
        self._condition = threading.Condition()
        self._waiting = _Waiting({}, [])
        self._kept: dict[str, str] = {}
        self._busy = self._hurried = self._failing = self._ends = False
        self._thread: threading.Thread | None = None

    def put(self, outcome: Outcome) -> None:
        """The outcome is kept soon, in place of what is known of its id."""
        with self._condition:
            self._waiting.outcomes[outcome.id] = outcome
            self._wake()

    def put_versions(self, versions: Sequence[GoodVersion]) -> None:
        """The versions are kept soon, but for what was kept of their plugins last."""
        with self._condition:
            new = [v for v in versions if self._kept.get(v.key) != v.source.digest]
            self._kept.update((v.key, v.source.digest) for v in new)
            if new:
                self._waiting.versions.extend(new)
                self._wake()

    def say(self, words: Mapping[str, DesiredState]) -> None:
        """Keeps the operator's words, by name, before it returns. Raises DatabaseUnavailable:
        then they are kept as soon as they can be."""
        self._words.put(words)
        try:
            self._words.write()
        except DatabaseUnavailable:
            self.say_later({})
            raise

    def say_later(self, words: Mapping[str, DesiredState]) -> None:
        """Like `say`, without waiting for it."""
        self._words.put(words)
        with self._condition:
            self._wake()

    def flush(self, timeout: float) -> bool:
        """Waits until everything is written, `timeout` seconds at most; False when it is not."""
        with self._condition:
            self._hurried = True
            self._condition.notify_all()
            done = self._condition.wait_for(
                lambda: not self._busy and (self._failing or not self._has_work()), timeout
            )
            self._hurried = False
            return done and not self._failing

    def stop(self, timeout: float) -> None:
        """Writes what waits and ends, `timeout` seconds at most."""
        with self._condition:
            self._ends = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)

    def _wake(self) -> None:
        if self._thread is None and not self._ends:
            self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
            self._thread.start()
        self._condition.notify_all()

    def _has_work(self) -> bool:
        return bool(self._waiting or self._words)

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            failed = not self._write(taken)
            with self._condition:
                if failed:
                    self._waiting.put_back(taken)
                self._busy, self._failing = False, failed
                self._condition.notify_all()
                if failed and self._ends:
                    return

    def _take(self) -> _Waiting | None:
        """What waits, a moment after the first of it; None at the end."""
        with self._condition:
            if self._failing:
                self._condition.wait_for(lambda: self._ends, _PAUSE)
            self._condition.wait_for(lambda: self._has_work() or self._ends)
            self._condition.wait_for(lambda: self._hurried or self._ends, _GATHER)
            if not self._has_work() and self._ends:
                return None
            taken, self._waiting = self._waiting, _Waiting({}, [])
            self._busy = True
            return taken

    def _write(self, taken: _Waiting) -> bool:
        try:
            if names := self._words.write():
                told = ", ".join(names)
                self._tell("info", f"{told}: what was said is kept now, over restarts too", None)
            outcomes = [o.to_json() for _, o in sorted(taken.outcomes.items())]
            self._history.record(self.instance, outcomes)
            taken.outcomes.clear()
            while taken.versions:
                self._sources.keep(taken.versions[:_AT_ONCE])
                del taken.versions[:_AT_ONCE]
        except DatabaseUnavailable as error:
            if not self._failing:
                told = f"the history waits to be written: {error.message}"
                self._tell("warning", told, error.hint)
            return False
        except Exception:  # noqa: BLE001 - what cannot be written must not keep the next from it
            _log.exception("a part of the history was not written")
        return True
