"""The thread that keeps one instance in step with its group."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from devserver.cluster.contact import Contact
from devserver.cluster.deeds import Deeds, Stopping
from devserver.cluster.joining import find_standing
from devserver.cluster.listener import Listener
from devserver.cluster.membership import Membership, State
from devserver.cluster.pulse import Pulse
from devserver.cluster.results import Ending, Result
from devserver.cluster.rollout import Rollout, Turn
from devserver.cluster.words import Word, Words
from devserver.core.errors import DatabaseUnavailable
from devserver.store.database import Database
from devserver.store.upgrade import upgrade

POLL = 5.0
"""Seconds after which the tables are read though nothing was heard."""
_AT_THE_GATE = 1.0
"""The same while another instance tries a word first: its lease runs out without a sound."""
_SHORTEST, _LONGEST = 0.1, 5.0
"""Seconds between attempts to reach a database that is away."""
_log = logging.getLogger("devserver.cluster")


class Agent:
    """Carries out every word, in order and once. `state()` gives what to tell of this
    instance's plugins."""

    def __init__(
        self,
        *,
        database: Database,
        membership: Membership,
        words: Words,
        rollout: Rollout,
        deeds: Deeds,
        pulse: Pulse,
        contact: Contact,
        state: Callable[[], State],
    ) -> None:
        self._database = database
        self._membership = membership
        self._words = words
        self._rollout = rollout
        self._deeds = deeds
        self._pulse = pulse
        self._contact = contact
        self._state = state
        self._listener = Listener(database.address)
        self._stopping = threading.Event()
        self._joined = False
        self._unreported: tuple[Word, Result] | None = None
        self._thread = threading.Thread(target=self._run, name="group-agent", daemon=True)
        self._done = 0
        self.revision = 0
        """What this instance has come to and told."""
        self.ready = threading.Event()
        """The core tables are there."""

    def start(self) -> None:
        """Returns at once; the group is joined in the background."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Begins no other word, and waits for the one that is being carried out."""
        self._stopping.set()
        self._listener.wake()
        self._thread.join(timeout)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        pause = _SHORTEST
        while not self._stopping.is_set():
            try:
                self._database.engine()  # says so where the driver is missing
                with self._listener.listening():
                    self._attend()
            except DatabaseUnavailable as error:
                pause = _SHORTEST if self._contact.is_held else min(pause * 2, _LONGEST)
                self._contact.lost(error)
            except Stopping:
                break
            except Exception:  # noqa: BLE001 - whatever it was, the group is not left for it
                _log.exception("the group's thread begins anew")
                pause = _LONGEST
            self._stopping.wait(pause)
        self._listener.close()

    def _attend(self) -> None:
        """Follows the group until the database is lost or this instance is stopped."""
        self._join()
        self._contact.regained()
        while not self._stopping.is_set():
            is_through = self._catch_up()
            self._pulse.beat()
            self._listener.wait(POLL if is_through else _AT_THE_GATE)

    def _join(self) -> None:
        upgrade(self._database)
        self.ready.set()
        self._membership.renew(self.revision, self._state())
        self._report()
        if self._joined:
            return
        standing = find_standing(self._database)
        for word in standing.words:
            if word.revision > self._done and not self._deeds.was_done_before(word):
                self._carry_out(word)
        self._rollout.reached(standing.revision, self._state())
        self._done = self.revision = standing.revision
        self._joined = True

    def _catch_up(self) -> bool:
        """Carries out what is new; False when a word waits for another instance."""
        self._report()
        while not self._stopping.is_set():
            word = self._words.after(self._done)
            if word is None:
                return True
            turn = self._rollout.turn(word.revision)
            if turn is Turn.WAIT:
                return False
            if turn is Turn.HALTED:
                self._end(word, Result(ending=Ending.HALTED, message="it failed elsewhere"))
            else:
                self._carry_out(word)
        return True

    def _carry_out(self, word: Word) -> None:
        result = self._deeds.carry_out(word)
        if self._stopping.is_set() and result.ending is not Ending.APPLIED:
            raise Stopping
        self._end(word, result)

    def _end(self, word: Word, result: Result) -> None:
        # From here on it is done here, whether or not the others can be told of it now.
        self._unreported = (word, result)
        self._done = word.revision
        self._report()

    def _report(self) -> None:
        if self._unreported is not None:
            word, result = self._unreported
            self._rollout.report(word, result, self._state())
            self.revision = word.revision
            self._unreported = None
