"""The records of plugins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from devserver.core.lifecycle import DesiredState
from devserver.store.database import Database
from devserver.store.records import Records, StoredPlugin
from devserver.store.upgrade import upgrade


@pytest.fixture
def records(database: Database) -> Iterator[Records]:
    upgrade(database)
    return Records(database)


def test_what_is_seen_first_is_active_and_keeps_the_operators_word(records: Records) -> None:
    records.see([StoredPlugin(name="users", version="1.0", description="d", is_core=True)])
    assert records.all()["users"].status is DesiredState.ACTIVE
    records.set_status(["users"], DesiredState.INACTIVE)
    records.see([StoredPlugin(name="users", version="1.1")])
    assert records.all() == {
        "users": StoredPlugin(name="users", version="1.1", status=DesiredState.INACTIVE)
    }
    records.set_status(["users"], DesiredState.ACTIVE)
    assert records.all()["users"].status is DesiredState.ACTIVE


def test_both_spellings_are_one_plugin(records: Records, database: Database) -> None:
    records.see([StoredPlugin(name="my-plugin", version="1")])
    records.set_status(["my_plugin"], DesiredState.INACTIVE)
    records.see([StoredPlugin(name="my_plugin", version="1")])
    assert records.all() == {
        "my_plugin": StoredPlugin(name="my_plugin", version="1", status=DesiredState.INACTIVE)
    }


def test_the_word_for_a_plugin_that_was_never_seen_is_kept(records: Records) -> None:
    records.set_status(["later"], DesiredState.INACTIVE)
    records.see([StoredPlugin(name="later", version="2")])
    assert records.all()["later"].status is DesiredState.INACTIVE


def test_nothing_is_written_when_nothing_is_new(records: Records, database: Database) -> None:
    seen = [StoredPlugin(name="a", version="1"), StoredPlugin(name="b", version="1")]
    records.see(seen)
    with database.write() as connection:
        connection.execute(text("UPDATE plugins SET updated_at = '2001-01-01 00:00:00+00'"))
    records.see(seen)
    records.see([StoredPlugin(name="b", version="2")])
    with database.read() as connection:
        rows = connection.execute(text("SELECT name, updated_at FROM plugins ORDER BY name"))
        old = ["2001" in str(row.updated_at) for row in rows]
    assert old == [True, False]


def test_texts_that_are_too_long_lose_nothing_but_their_end(records: Records) -> None:
    records.see([StoredPlugin(name="n", version="1." * 90, description="x" * 5000)])
    assert len(records.all()["n"].version) == 100
    assert len(records.all()["n"].description or "") == 5000


def test_many_that_see_the_same_plugins_at_once(records: Records) -> None:
    together = threading.Barrier(8)

    def see(number: int) -> None:
        together.wait()
        records.see([StoredPlugin(name=f"p{n}", version=str(number)) for n in range(20)])

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(see, number) for number in range(8)]:
            future.result()
    assert len(records.all()) == 20
    assert len({p.version for p in records.all().values()}) == 1
