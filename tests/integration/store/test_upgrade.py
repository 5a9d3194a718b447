"""The core tables."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from devserver.core.errors import DatabaseUnavailable
from devserver.store.database import Database
from devserver.store.tables import metadata
from devserver.store.upgrade import HEAD, core_state, upgrade
from tests.integration.store.conftest import open_database


def test_an_empty_database_gets_all_tables_once(database: Database) -> None:
    assert core_state(database).revision is None
    assert upgrade(database)
    assert core_state(database).is_current
    assert not upgrade(database)
    with database.read() as connection:
        found = set(inspect(connection).get_table_names())
        assert found == {*metadata.tables, "alembic_version"}


def test_the_tables_are_what_the_program_uses(database: Database) -> None:
    upgrade(database)
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_seed_columns_of_plugins_and_their_migrations(database: Database) -> None:
    upgrade(database)
    with database.write() as connection:
        connection.execute(text("INSERT INTO plugins (id, name, version) VALUES ('1', 'a', '1')"))
        connection.execute(
            text(
                "INSERT INTO plugin_migrations (plugin, migration_id, checksum)"
                " VALUES ('a', '0001_init', 'c')"
            )
        )
        plugin = connection.execute(text("SELECT * FROM plugins")).mappings().one()
        migration = connection.execute(text("SELECT * FROM plugin_migrations")).mappings().one()
    names = "id name version description is_core status created_at updated_at"
    assert list(plugin) == names.split()
    assert plugin["status"] == "active"
    assert not plugin["is_core"]
    assert list(migration) == ["id", "plugin", "migration_id", "checksum", "applied_at"]
    assert migration["id"] == 1


def test_a_newer_database_is_refused_and_untouched(database: Database) -> None:
    upgrade(database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for call in (core_state, upgrade):
        with pytest.raises(DatabaseUnavailable, match=r"newer version.*9999") as refusal:
            call(database)
        assert "update this program" in str(refusal.value.hint)


def test_several_that_start_at_once_upgrade_once(database_url: str) -> None:
    together = threading.Barrier(6)

    def start() -> bool:
        database = open_database(database_url)
        try:
            together.wait()
            return upgrade(database)
        finally:
            database.close()

    with ThreadPoolExecutor(6) as pool:
        done = [future.result() for future in [pool.submit(start) for _ in range(6)]]
    assert sorted(done) == [False] * 5 + [True]


def test_the_head_is_that_of_the_scripts() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from devserver.store.upgrade import _SCRIPTS

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD
