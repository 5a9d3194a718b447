"""The operator's word survives restarts, and nothing automatic overrides it."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import event, text

from devserver.core.errors import SwitchRefused
from devserver.core.lifecycle import DesiredState, PluginStatus
from tests.integration.lab import Lab, plugin, wait_for
from tests.integration.store.conftest import execute, postgres_server

__all__ = ["postgres_server"]  # fixtures
NOW = """
@router.get("/now")
def now():
    return {"now": self.ctx.db.exec_driver_sql("SELECT 1").scalar()}
"""


@pytest.fixture
def two(lab: Lab) -> Lab:
    lab.write("users", plugin("users", 1))
    lab.write("clock", plugin("clock", 1))
    lab.start()
    return lab


def status(lab: Lab, name: str) -> tuple[str, str]:
    record = lab.running.registry.view.plugins[name]
    return str(record.status), record.reason


def told(lab: Lab) -> str:
    """Every notice of this run."""
    events = lab.running.journal.events_after(0, 0)
    return " ".join(str(e.payload) for e in events if e.kind == "notice")


def settle(lab: Lab) -> None:
    """Until nothing waits to be written."""
    rollbacks = lab.running.control.rollbacks
    assert rollbacks is not None
    rollbacks.versions("clock")


def restart(lab: Lab) -> None:
    lab.stop()
    lab.start()


def test_what_is_disabled_stays_so_over_restarts_until_it_is_enabled(two: Lab) -> None:
    two.running.control.disable("clock")
    for _ in range(2):
        restart(two)
        assert status(two, "clock") == ("disabled", "disabled by the operator")
        assert two.running.registry.view.plugins["clock"].desired is DesiredState.INACTIVE
        assert two.get("/clock/version").status_code == 503
        assert status(two, "users")[0] == "active"
    two.running.control.enable("clock")
    assert two.json("/clock/version")["version"] == 1
    restart(two)
    assert status(two, "clock")[0] == "active"


def test_a_disabled_plugin_is_not_executed_at_the_start(two: Lab) -> None:
    two.running.control.disable("clock")
    two.stop()
    mark = two.root / "mark"
    two.write("clock", plugin("clock", 2, top=f"open({str(mark)!r}, 'w').close()"))
    two.start()
    two.save(("clock", plugin("clock", 3, top=f"open({str(mark)!r}, 'w').close()")))
    assert not mark.exists()
    two.running.control.enable("clock")
    assert mark.exists()
    assert two.json("/clock/version")["version"] == 3


def test_one_that_goes_and_comes_back_is_still_disabled(two: Lab) -> None:
    two.running.control.disable("clock")
    two.save(("clock", None))
    assert "clock" not in two.running.registry.view.plugins
    two.save(("clock", plugin("clock", 5)))
    assert status(two, "clock") == ("disabled", "disabled by the operator")
    two.running.control.discover()
    assert status(two, "clock")[0] == "disabled"
    two.running.control.enable("clock")
    assert two.json("/clock/version")["version"] == 5


def test_those_that_are_forced_along_stay_out_too(lab: Lab) -> None:
    lab.write("users", plugin("users", 1))
    lab.write("orders", plugin("orders", 1, top="import plugins.users.plugin"))
    lab.start()
    with pytest.raises(SwitchRefused):
        lab.running.control.disable("users")
    lab.running.control.disable("users", force=True)
    restart(lab)
    assert {status(lab, name)[0] for name in ("users", "orders")} == {"disabled"}


def test_what_is_only_unloaded_is_loaded_by_the_next_start(two: Lab) -> None:
    two.running.control.unload("clock")
    assert two.running.registry.view.plugins["clock"].status is PluginStatus.REGISTERED
    restart(two)
    assert two.json("/clock/version")["version"] == 1


def test_one_that_cannot_be_enabled_stays_disabled(two: Lab) -> None:
    two.running.control.disable("clock")
    two.write("clock", plugin("clock", 2, body="def initialize(self):\n    return False"))
    assert not two.running.control.enable("clock").success
    restart(two)
    assert status(two, "clock")[0] == "disabled"


def test_the_records_are_those_of_the_plugins(two: Lab) -> None:
    two.save(("users", plugin("users", 2).replace('version = "1.0.0"', 'version = "1.1.0"')))
    records = two.running.store.records

    def versions() -> dict[str, str]:
        return {key: one.version for key, one in records.all().items()}

    wait_for(lambda: versions() == {"clock": "1.0.0", "users": "1.1.0"}, "the records")


def test_without_a_database_everything_serves_and_it_is_said(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCTL_DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/none")
    lab.write("clock", plugin("clock", 1))
    lab.start()
    assert lab.json("/clock/version")["version"] == 1
    lab.running.control.disable("clock")
    assert lab.get("/clock/version").status_code == 503
    assert "nothing is kept beyond this run" in told(lab)
    assert "clock: inactive: kept for this run only" in told(lab)
    assert "secret" not in told(lab)


def test_a_database_that_goes_away_later_is_told(two: Lab) -> None:
    settle(two)
    with two.running.store.database.write() as connection:
        connection.execute(text("DROP TABLE plugins"))
        connection.execute(text("CREATE TABLE plugins (name text)"))
    two.running.store.close()
    file = two.running.store.database.address.file
    assert file is not None
    for path in file.parent.glob("devserver.sqlite*"):
        path.unlink()
    file.mkdir()
    two.running.control.disable("clock")
    assert two.get("/clock/version").status_code == 503
    assert "cannot be opened" in told(two)


def test_data_and_configuration_that_a_plugin_sets_outlive_the_server(lab: Lab) -> None:
    body = """
        async def initialize(self):
            await self.set_data("starts", await self.get_data("starts", 0) + 1)
        """
    routes = """
        @router.get("/values")
        def values():
            return {"starts": self.ctx.data.get("starts"), "colour": self.config.get("colour")}

        @router.post("/colour")
        def colour(name: str):
            self.ctx.config.set("colour", name)
            return {}
        """
    lab.write("users", plugin("users", 1, body=body, routes=routes))
    lab.start()
    assert lab.ask("POST", "/users/colour?name=red").status_code == 200
    assert lab.json("/users/values") == {"starts": 1, "colour": "red"}
    restart(lab)
    assert lab.json("/users/values") == {"starts": 2, "colour": "red"}
    # What a version that is rolled back has set is nowhere.
    failing = body + "    return False\n"
    lab.save(
        ("users", plugin("users", 2, body=failing.replace("set_data(", "set_data("), routes=routes))
    )
    assert lab.json("/users/values") == {"starts": 2, "colour": "red"}
    restart(lab)
    assert lab.get("/users/values").status_code == 503
    lab.save(("users", plugin("users", 3, body=body, routes=routes)))
    assert lab.json("/users/values") == {"starts": 3, "colour": "red"}


def test_a_newer_database_is_left_alone_and_it_is_said(two: Lab) -> None:
    two.running.control.disable("clock")
    with two.running.store.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    restart(two)
    assert two.json("/users/version")["version"] == 1
    assert "newer version of this program" in told(two)
    # What cannot be read is not guessed: the plugin is new to this run.
    assert two.json("/clock/version")["version"] == 1


@pytest.fixture
def held(two: Lab) -> Iterator[sqlite3.Connection]:
    """Somebody else is in the middle of a transaction; nobody waits for it for long."""
    file = two.running.store.database.address.file
    assert file is not None
    engine = two.running.store.database.engine()
    event.listen(engine, "checkout", lambda c, *_: c.execute("PRAGMA busy_timeout=1"))
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def kept_word(lab: Lab, name: str) -> str:
    return str(lab.running.store.records.all()[name].status)


def test_a_word_that_the_database_does_not_take_is_told_and_written_when_it_does(
    two: Lab, held: sqlite3.Connection
) -> None:
    outcome = two.running.control.disable("clock")
    assert two.get("/clock/version").status_code == 503
    assert outcome.success
    assert not outcome.kept
    assert "is locked by another program or a long transaction of a plugin" in outcome.notes[0]
    assert not two.running.control.disable("clock").kept, "it is disabled already, and not kept"
    assert outcome.notes[0] in told(two)
    kept = two.running.journal.documents("clock")[0]
    assert kept["kept"] is False
    held.execute("ROLLBACK")
    wait_for(lambda: kept_word(two, "clock") == "inactive", "the word")
    wait_for(lambda: "clock: what was said is kept now" in told(two), "the notice")
    restart(two)
    assert status(two, "clock")[0] == "disabled"


def test_of_two_words_that_waited_the_later_one_is_kept(two: Lab, held: sqlite3.Connection) -> None:
    assert not two.running.control.disable("clock").kept
    assert not two.running.control.enable("clock").kept
    assert not two.running.control.enable("clock").kept, "it is active already, and not kept"
    held.execute("ROLLBACK")
    wait_for(lambda: "clock: what was said is kept now" in told(two), "the notice")
    assert kept_word(two, "clock") == "active"


def test_a_database_file_that_is_deleted_gets_the_known_words_anew(two: Lab) -> None:
    two.running.control.disable("users")
    settle(two)
    file = two.running.store.database.address.file
    assert file is not None
    for path in file.parent.glob("devserver.sqlite*"):
        path.unlink()
    assert two.running.control.disable("clock").kept
    assert "was replaced" in told(two)
    other = sqlite3.connect(file)
    words = dict(other.execute("SELECT name, status FROM plugins").fetchall())
    other.close()
    assert words == {"clock": "inactive", "users": "inactive"}
    assert file.stat().st_mode & 0o777 == 0o600
    two.running.control.enable("users")
    restart(two)
    assert (status(two, "users")[0], status(two, "clock")[0]) == ("active", "disabled")


def test_a_database_that_can_be_used_after_the_start_takes_what_waited(lab: Lab) -> None:
    lab.write("users", plugin("users", 1))
    lab.write("clock", plugin("clock", 1, routes=NOW))
    lab.start()
    lab.running.control.disable("users")
    file = lab.running.store.database.address.file
    lab.stop()
    assert file is not None
    aside = file.rename(file.with_name("aside"))
    file.mkdir()
    lab.start()
    assert lab.running.store.problem is not None
    assert lab.get("/clock/now").status_code == 503
    assert not lab.running.control.disable("clock").kept
    file.rmdir()
    aside.rename(file)
    wait_for(lambda: "can be used now" in told(lab), "the notice")
    wait_for(lambda: "clock: what was said is kept now" in told(lab), "the word")
    assert "users: disabled in an earlier run" in told(lab)
    lab.running.control.enable("clock")
    assert lab.json("/clock/now") == {"now": 1}
    lab.running.control.disable("clock")
    restart(lab)
    assert {status(lab, name)[0] for name in ("users", "clock")} == {"disabled"}
    found = lab.running.journal.documents("clock")
    assert "disabled" in {one["deed"] for one in found}


def test_a_server_of_postgresql_that_gets_its_database_after_the_start(
    lab: Lab, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"test_{uuid.uuid4().hex}"
    monkeypatch.setenv("SYSCTL_DATABASE_URL", postgres_server.rpartition("/")[0] + f"/{name}")
    lab.write("clock", plugin("clock", 1, routes=NOW))
    lab.start()
    assert not lab.running.control.disable("clock").kept
    execute(postgres_server, f"CREATE DATABASE {name}")
    try:
        wait_for(lambda: "clock: what was said is kept now" in told(lab), "the word")
        assert kept_word(lab, "clock") == "inactive"
        assert lab.running.control.enable("clock").kept
        assert lab.json("/clock/now") == {"now": 1}
        lab.stop()
    finally:
        execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")
