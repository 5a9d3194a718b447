from __future__ import annotations

from typing import Any

import pytest

from devserver.core.errors import DatabaseUnavailable
from devserver.core.outcome import Outcome, Result
from devserver.reload.journal import Journal


class Past:
    """Outcomes of an earlier run and of another instance; `kept` collects what is kept."""

    def __init__(self, *known: dict[str, Any], fails: bool = False) -> None:
        self.known = list(known)
        self.kept: list[Outcome] = []
        self._fails = fails

    def put(self, outcome: Outcome) -> None:
        self.kept.append(outcome)

    def last_id(self) -> int:
        self._fail()
        return max((o["id"] for o in self.known), default=0)

    def find(self, _plugin: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        self._fail()
        return self.known[:limit]

    def find_one(self, number: int) -> dict[str, Any] | None:
        self._fail()
        return next((o for o in self.known if o["id"] == number), None)

    def _fail(self) -> None:
        if self._fails:
            raise DatabaseUnavailable("is gone")


def document(number: int, instance: str, time: float) -> dict[str, Any]:
    return {"id": number, "instance": instance, "time": time}


def outcome(time: float, error: str | None = None) -> Outcome:
    return Outcome(
        plugin="a", plugins=("a",), result=Result.RELOADED, message="", time=time, error=error
    )


def pairs(journal: Journal, limit: int = 100) -> list[tuple[int, str]]:
    return [(d["id"], d["instance"]) for d in journal.documents(limit=limit)]


def test_numbers_go_on_and_everything_is_kept() -> None:
    journal, past = Journal(instance="now"), Past(document(7, "before", 1.0))
    journal.continue_with(past, past)
    first = journal.record(outcome(2.0))
    journal.amend(first.with_steps())
    assert first.id == 8
    assert [o.id for o in past.kept] == [8, 8]
    assert pairs(journal) == [(8, "now"), (7, "before")]
    assert journal.document(8) == {**first.to_json(), "instance": "now"}
    assert journal.document(7) == document(7, "before", 1.0)
    assert journal.document(6) is None


def test_what_is_known_here_is_not_told_twice_and_others_come_in_between() -> None:
    past = Past(
        document(2, "other", 25.0),
        document(2, "now", 20.0),  # as the database has it, which may be late
        document(1, "now", 10.0),
        document(9, "before", 1.0),
    )
    journal = Journal(instance="now")
    journal.continue_with(Past(), past)
    for number in (1, 2, 3):
        journal.record(outcome(number * 10.0, "as it is now"))
    journal.continue_with(past, past)
    expected = [(3, "now"), (2, "other"), (2, "now"), (1, "now"), (9, "before")]
    assert pairs(journal) == expected
    assert pairs(journal, 2) == expected[:2]
    told = [d for d in journal.documents() if d["instance"] == "now"]
    assert {d["error"] for d in told} == {"as it is now"}


def test_a_database_that_is_gone_leaves_what_is_in_memory() -> None:
    journal, past = Journal(instance="now"), Past(fails=True)
    with pytest.raises(DatabaseUnavailable):
        journal.continue_with(past, past)
    journal.record(outcome(1.0))
    assert pairs(journal) == [(1, "now")]
    assert journal.document(5) is None
    assert len(past.kept) == 1
