"""A database that takes connections and does not answer is not waited for without end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from devserver.core.errors import DatabaseUnavailable
from devserver.core.outcome import KEPT_FOR_THIS_RUN
from devserver.store.database import Database
from tests.integration.cluster.proxy import Proxy
from tests.integration.lab import Lab, plugin, wait_for
from tests.integration.store.conftest import open_database, postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    proxy = Proxy(postgres_url)
    yield proxy
    proxy.close()


def answers(database: Database) -> bool:
    try:
        with database.read() as connection:
            return bool(connection.scalar(text("SELECT 3")) == 3)
    except DatabaseUnavailable:
        return False


def ask_across(what: Callable[[], None], database: Database) -> None:
    with database.read() as connection:
        connection.scalar(text("SELECT 1"))
        what()
        connection.scalar(text("SELECT 2"))


def test_a_server_that_falls_silent_is_given_up_and_taken_up_again(proxy: Proxy) -> None:
    database = open_database(proxy.url)
    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        ask_across(proxy.stall, database)
    assert not answers(database)
    proxy.heal()
    wait_for(lambda: answers(database), "it is taken up again")
    database.close()


def test_a_server_that_takes_its_time_is_waited_for(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devserver.store.postgres.PATIENCE", 0)
    database = open_database(proxy.url)
    with database.read() as connection:
        assert connection.scalar(text("SELECT 7 FROM pg_sleep(1)")) == 7
    database.close()


def test_no_reload_waits_for_a_silent_database(
    lab: Lab, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCTL_DATABASE_URL", proxy.url)
    lab.write("users", plugin("users", 1))
    lab.write("clock", plugin("clock", 1))
    lab.start()
    control = lab.running.control
    proxy.stall()
    outcome = control.disable("clock")
    assert not outcome.kept
    assert any(KEPT_FOR_THIS_RUN in note for note in outcome.notes)
    assert control.reload("users").success
    proxy.heal()
    kept = "clock: what was said is kept now"
    wait_for(
        lambda: kept in str([e.payload for e in lab.running.journal.events_after(0, 0)]),
        "the word is written",
    )
