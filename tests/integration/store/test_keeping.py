"""What happens is written behind the back of the reloads."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from devserver.core.errors import DatabaseUnavailable
from devserver.core.outcome import Outcome, Result
from devserver.core.source import PluginSource, SourceFile
from devserver.reload.keeping import Keeper
from devserver.reload.words import Words
from devserver.store.database import Database
from devserver.store.history import History
from devserver.store.records import Records
from devserver.store.sources import GoodVersion, Sources
from devserver.store.upgrade import upgrade
from tests.integration.lab import wait_for

RUN = "11111111-1111-1111-1111-111111111111"


class Faulty(History):
    """Fails as often as a test says."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.failures: list[Exception] = []
        self.calls: list[list[int]] = []

    def record(self, instance: str, outcomes: Sequence[Any]) -> None:
        self.calls.append([o["id"] for o in outcomes])
        if self.failures:
            raise self.failures.pop()
        super().record(instance, outcomes)


@pytest.fixture
def history(database: Database) -> Faulty:
    upgrade(database)
    return Faulty(database)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def keeper(history: Faulty, database: Database, told: list[str]) -> Iterator[Keeper]:
    made = Keeper(
        instance=RUN,
        history=history,
        sources=Sources(database),
        words=Words(Records(database)),
        tell=lambda _level, message, _hint: told.append(message),
    )
    yield made
    made.stop(20)


def outcome(number: int, error: str | None = None) -> Outcome:
    return Outcome(
        id=number,
        plugin="users",
        plugins=("users",),
        result=Result.RELOADED,
        message="",
        time=float(number),
        error=error,
    )


def version(text: str) -> GoodVersion:
    file = SourceFile.of(Path("/p/plugins/users/plugin.py"), "plugin.py", text.encode())
    source = PluginSource.of(
        name="users", root=file.path.parent, base=Path("/p"), files=[file], single_file=False
    )
    return GoodVersion(source=source, version="1", generation=1)


def test_nothing_runs_before_there_is_something_to_write(keeper: Keeper) -> None:
    assert keeper.flush(0)
    assert "keeper" not in {t.name for t in threading.enumerate()}


def test_what_belongs_together_is_written_once(keeper: Keeper, history: Faulty) -> None:
    keeper.put(outcome(1))
    keeper.put(outcome(2))
    keeper.put(outcome(1, "amended"))
    assert keeper.flush(20)
    assert history.calls == [[1, 2]]
    assert [(d["id"], d["error"]) for d in history.find()] == [(2, None), (1, "amended")]
    keeper.put(outcome(2, "later"))
    assert keeper.flush(20)
    assert history.find()[0]["error"] == "later"


def test_a_database_that_comes_back_gets_what_waited_and_it_is_told_once(
    keeper: Keeper, history: Faulty, told: list[str], database: Database
) -> None:
    history.failures = [DatabaseUnavailable("is locked"), DatabaseUnavailable("is locked")]
    keeper.put(outcome(1))
    keeper.put_versions([version("1")])
    wait_for(lambda: told)
    assert not keeper.flush(20)
    keeper.put(outcome(2))
    keeper.put(outcome(1, "amended"))
    keeper.put_versions([version("2")])
    wait_for(lambda: len(history.find()) == 2)
    assert keeper.flush(20)
    assert [(d["id"], d["error"]) for d in history.find()] == [(2, None), (1, "amended")]
    assert [v.number for v in Sources(database).versions("users")] == [1, 2]
    assert told == ["the history waits to be written: is locked"]


def test_what_cannot_be_written_does_not_keep_the_rest_from_it(
    keeper: Keeper, history: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    history.failures = [RuntimeError("a fault of ours")]
    keeper.put(outcome(1))
    assert keeper.flush(20)
    keeper.put(outcome(2))
    assert keeper.flush(20)
    assert [d["id"] for d in history.find()] == [2]
    assert "a fault of ours" in caplog.text


def test_a_stop_writes_what_waits(keeper: Keeper, history: Faulty) -> None:
    keeper.put(outcome(1))
    keeper.stop(20)
    assert [d["id"] for d in history.find()] == [1]


def test_a_stop_does_not_wait_for_a_database_that_is_gone(keeper: Keeper, history: Faulty) -> None:
    history.failures = [DatabaseUnavailable("is gone") for _ in range(1000)]
    keeper.put(outcome(1))
    keeper.stop(20)
    assert "keeper" not in {t.name for t in threading.enumerate()}
