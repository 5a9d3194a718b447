"""The thread that holds this instance's lease, also while a word is being carried out."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable

from devserver.cluster.agent import Agent
from devserver.cluster.membership import Membership, State
from devserver.core.errors import DatabaseUnavailable

BEAT = 2.0
"""Seconds between two renewals of the lease."""
_CLEANING = 300.0
"""Seconds between two looks for instances that have gone long ago."""
_log = logging.getLogger("devserver.cluster")


class Heart:
    """Renews the lease as long as the agent lives; gives it back at a stop."""

    def __init__(
        self,
        *,
        membership: Membership,
        agent: Agent,
        state: Callable[[], State],
        beat: float = BEAT,
    ) -> None:
        self._membership = membership
        self._agent = agent
        self._state = state
        self._beat = beat
        self._stopping = threading.Event()
        self._reached = False
        self._cleaned = float("-inf")
        self._thread = threading.Thread(target=self._run, name="group-lease", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Gives the lease back."""
        self._stopping.set()
        self._agent.ready.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        # The tables have to be there first; a stop lets it through too.
        self._agent.ready.wait()
        while not self._stopping.is_set() and self._agent.is_alive:
            try:
                self._renew()
            except DatabaseUnavailable:
                self._reached = False  # the agent meets it too, and tells
            except Exception:  # noqa: BLE001 - a lease that is not renewed is a lost instance
                _log.exception("the lease was not renewed")
            self._stopping.wait(self._beat)
        if self._reached:
            with contextlib.suppress(DatabaseUnavailable):
                self._membership.leave()

    def _renew(self) -> None:
        self._membership.renew(self._agent.revision, self._state())
        self._reached = True
        if time.monotonic() - self._cleaned > _CLEANING:
            self._membership.clean()
            self._cleaned = time.monotonic()
