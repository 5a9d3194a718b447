"""Outcomes are kept over restarts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from sqlalchemy import func, select

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.outcome import Outcome, Result, Step
from devserver.store.database import Database
from devserver.store.history import History
from devserver.store.tables import reload_history_plugins
from devserver.store.upgrade import upgrade

ONE = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"


@pytest.fixture
def history(database: Database) -> History:
    upgrade(database)
    return History(database)


def outcome(number: int, *plugins: str, **more: Any) -> dict[str, Any]:
    names = plugins or ("users",)
    result = more.pop("result", Result.RELOADED)
    made = Outcome(
        id=number,
        plugin=names[0],
        plugins=names,
        result=result,
        message=f"number {number}",
        time=1000.0 + number,
        **more,
    )
    return made.to_json()


def ids(documents: Iterable[dict[str, Any]]) -> list[int]:
    return [d["id"] for d in documents]


def test_an_outcome_comes_back_whole_with_its_instance(history: History) -> None:
    given = outcome(
        1,
        "my-users",
        result=Result.REJECTED,
        steps=(Step(name="validate", ms=1.25),),
        diagnostics=(
            Diagnostic(code="SYN001", severity=Severity.ERROR, message="nul \0, ü, \ud800"),
        ),
        error='it\'s "so"',
    )
    history.record(ONE, [given])
    assert history.find() == [{**given, "instance": ONE}]
    assert history.find_one(1) == {**given, "instance": ONE}
    assert history.find_one(2) is None


def test_the_newest_comes_first_and_a_plugin_is_found_in_every_batch(history: History) -> None:
    history.record(ONE, [outcome(1, "users"), outcome(2, "orders", "my-users")])
    history.record(ONE, [outcome(3, "my_users", "orders"), outcome(4, "users", "users")])
    assert ids(history.find()) == [4, 3, 2, 1]
    assert ids(history.find("my-users")) == [3, 2]
    assert ids(history.find("orders", limit=1)) == [3]
    assert history.find("nobody") == []


def test_an_amended_outcome_takes_the_place_of_what_was_kept(history: History) -> None:
    history.record(ONE, [outcome(1), outcome(2)])
    history.record(ONE, [outcome(1, "users", "orders", result=Result.ROLLED_BACK, error="no")])
    assert ids(history.find()) == [2, 1]
    assert history.find()[1]["error"] == "no"
    assert ids(history.find("orders")) == [1]


def test_numbers_go_on_and_instances_do_not_disturb_each_other(history: History) -> None:
    assert history.last_id() == 0
    history.record(ONE, [outcome(7)])
    history.record(OTHER, [outcome(7, "orders"), outcome(8, "orders")])
    assert history.last_id() == 8
    assert [(d["id"], d["instance"]) for d in history.find()] == [(8, OTHER), (7, OTHER), (7, ONE)]


def test_only_the_last_ones_are_kept(database: Database) -> None:
    upgrade(database)
    history = History(database, most=5)
    for number in range(1, 13):
        history.record(ONE, [outcome(number)])
    kept = ids(history.find(limit=100))
    assert kept[:5] == [12, 11, 10, 9, 8]
    assert len(kept) <= 6
    with database.read() as connection:
        rows = connection.scalar(select(func.count()).select_from(reload_history_plugins))
    assert rows == len(kept)


def test_all_of_a_batch_or_none(history: History) -> None:
    with pytest.raises(KeyError):
        history.record(ONE, [outcome(1), {"id": 2}])
    assert history.find() == []
