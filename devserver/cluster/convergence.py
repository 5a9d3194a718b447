"""Whether every live instance has reached a revision, and which have not and why."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from devserver.cluster.membership import Member, members
from devserver.cluster.pulse import Pulse
from devserver.cluster.results import Ending, Result, first_failure, results_of
from devserver.cluster.words import Stage, Word, find_word
from devserver.core.errors import DatabaseUnavailable, DevServerError
from devserver.store.database import Database

_STOPPED = (
    "this server is being stopped; the word stands, and the other instances go on with it: "
    "`sysctl instances` on one of them shows how far they are"
)
_LOOK = 1.0
"""Seconds after which a waiter looks though nothing woke it: leases run out in silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An instance on which a word failed."""

    member: Member
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """An instance that has not done a word."""

    member: Member
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How far a word has come. `settled` means that nothing more will change by itself soon;
    `note` says why it was not waited for, "" otherwise."""

    word: Word
    converged: tuple[Member, ...]
    failed: tuple[Failure, ...]
    missing: tuple[Missing, ...]
    settled: bool
    note: str = ""

    @property
    def success(self) -> bool:
        return not self.failed and not self.missing

    def to_json(self) -> dict[str, Any]:
        """`{success, revision, plugin, action, policy, note, converged: [instance], failed:
        [{instance, result, message}], missing: [{instance, why}]}`; an instance is
        `{id, host, pid, url}`."""
        return {
            "success": self.success,
            "revision": self.word.revision,
            "plugin": self.word.plugin,
            "action": self.word.action,
            "policy": self.word.policy,
            "note": self.note,
            "converged": [_shown(m) for m in self.converged],
            "failed": [
                {
                    "instance": _shown(f.member),
                    "result": str(f.result.ending),
                    "message": f.result.message,
                }
                for f in self.failed
            ],
            "missing": [{"instance": _shown(m.member), "why": m.why} for m in self.missing],
        }


class Convergence:
    """Follows words. `is_stopping` ends every wait."""

    def __init__(
        self, *, database: Database, pulse: Pulse, is_stopping: Callable[[], bool]
    ) -> None:
        self._database = database
        self._pulse = pulse
        self._is_stopping = is_stopping

    def look(self, revision: int) -> Report:
        """How it is now: of every instance that is live, or was when the word was said.

        Raises DatabaseUnavailable, DevServerError for a revision that nobody said.
        """
        with self._database.read() as connection:
            word = find_word(connection, revision)
            if word is None:
                raise DevServerError(f"nothing was ever said with revision {revision}")
            return _look(connection, word)

    def wait(self, revision: int, timeout: float) -> Report:
        """The report as soon as every live instance has done with the word, or as it is after
        `timeout` seconds. A database that is away is waited for. Raises DatabaseUnavailable
        when it is away at the end."""
        deadline = time.monotonic() + timeout
        while True:
            seen = self._pulse.count
            left = deadline - time.monotonic()
            try:
                report = self.look(revision)
            except DatabaseUnavailable:
                if left <= 0 or self._is_stopping():
                    raise
            else:
                if report.settled or left <= 0:
                    return report
                if self._is_stopping():
                    return replace(report, note=_STOPPED)
            self._pulse.wait(seen, min(_LOOK, max(left, 0)))


def _look(connection: Connection, word: Word) -> Report:
    known = members(connection)
    expected = [m for m in known if m.is_live or m.lease_until >= word.said_at]
    results = results_of(connection, word.revision)
    blamed = first_failure(connection, word.revision)
    labels = {m.identity.id: m.label for m in known}
    converged, failed, missing = [], [], []
    settled = True
    for member in expected:
        result = results.get(member.identity.id)
        if result is not None and result.ending.failed:
            failed.append(Failure(member=member, result=result))
        elif result is not None and result.ending is Ending.HALTED:
            missing.append(Missing(member=member, why=_why_halted(blamed, labels)))
        elif result is not None or member.revision >= word.revision:
            converged.append(member)
        else:
            settled = settled and not member.is_live
            missing.append(Missing(member=member, why=_why(member, word, labels)))
    return Report(
        word=word,
        converged=tuple(converged),
        failed=tuple(failed),
        missing=tuple(missing),
        settled=settled,
    )


def _why_halted(blamed: str | None, labels: dict[str, str]) -> str:
    if blamed is None:
        return "not begun: one instance after the other was lost while it tried it"
    return f"not begun: it had failed on {labels.get(blamed, 'another instance')}"


def _why(member: Member, word: Word, labels: dict[str, str]) -> str:
    if not member.is_live:
        return (
            f"not heard of for {-member.lease:.0f} s longer than its lease: it was killed, hangs, "
            "or cannot reach the database"
        )
    if word.stage == Stage.CANARY and word.canary != member.identity.id:
        return f"waits for {labels.get(word.canary, 'the first instance')}, which tries it first"
    if member.revision < word.revision - 1:
        return f"is busy: it has come to revision {member.revision}"
    return "has not finished it"


def _shown(member: Member) -> dict[str, Any]:
    me = member.identity
    return {"id": me.id, "host": me.host, "pid": me.pid, "url": me.url}
