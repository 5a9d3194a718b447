"""Migrations of plugins, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, inspect, text

from devserver.core.diagnostics import Severity
from devserver.core.errors import DatabaseUnavailable, MigrationFailed
from devserver.store.database import Database
from devserver.store.plugin_migrations import PluginMigrations
from devserver.store.upgrade import upgrade
from tests.integration.store.conftest import open_database

SEED = """-- migrations/0001_init.sql
CREATE TABLE IF NOT EXISTS myplugin_items (
    id SERIAL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
"""


class Plugin:
    """A plugin's migrations in a folder, and what comes of them."""

    def __init__(self, database: Database, root: Path, name: str = "myplugin") -> None:
        self.database = database
        self.name = name
        self.folder = root / "plugins" / name / "migrations"
        self.folder.mkdir(parents=True)
        self.migrations = PluginMigrations(database, root=root)

    def write(self, **files: str | bytes) -> None:
        """`m0001_init="..."` writes 0001_init.sql; `__` in the name is a dot."""
        for name, content in files.items():
            path = self.folder / f"{name.removeprefix('m').replace('__', '.')}.sql"
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def apply(self, *, development: bool = True) -> tuple[str, ...]:
        return self.migrations.apply(self.name, self.folder, development=development)

    def redo(self, *, development: bool = True) -> tuple[str, ...]:
        return self.migrations.redo(self.name, self.folder, development=development)

    def refused(self, deed: Callable[[], Any] | None = None) -> tuple[MigrationFailed, list[str]]:
        with pytest.raises(MigrationFailed) as caught:
            (deed or self.apply)()
        return caught.value, [d.code for d in caught.value.diagnostics]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.database.read() as connection:
            return [tuple(row) for row in connection.execute(text(sql))]

    @property
    def applied(self) -> list[str]:
        where = f"WHERE plugin = '{self.name}' ORDER BY id"
        query = f"SELECT migration_id FROM plugin_migrations {where}"
        return [row[0] for row in self.rows(query)]

    @property
    def made(self) -> set[str]:
        query = f"SELECT kind, name FROM plugin_objects WHERE plugin = '{self.name}'"
        return {f"{kind} {name.removeprefix('public.')}" for kind, name in self.rows(query)}

    @property
    def tables(self) -> set[str]:
        with self.database.read() as connection:
            return set(inspect(connection).get_table_names())


@pytest.fixture
def plugin(database: Database, tmp_path: Path) -> Plugin:
    upgrade(database)
    return Plugin(database, tmp_path)


@pytest.fixture
def other(plugin: Plugin, tmp_path: Path) -> Plugin:
    return Plugin(plugin.database, tmp_path, "other")


def test_the_example_runs_unchanged_and_once(plugin: Plugin) -> None:
    plugin.write(m0001_init=SEED)
    assert plugin.apply() == ("0001_init",)
    assert plugin.apply() == ()
    with plugin.database.write() as connection:
        connection.execute(text("INSERT INTO myplugin_items (name) VALUES ('a'), ('b')"))
    assert plugin.rows("SELECT id, name FROM myplugin_items") == [(1, "a"), (2, "b")]
    [row] = plugin.rows("SELECT plugin, migration_id, length(checksum) FROM plugin_migrations")
    assert row == ("myplugin", "0001_init", 64)
    assert plugin.made == {"table myplugin_items"}


def test_a_reload_that_changed_no_migration_asks_no_database(plugin: Plugin) -> None:
    asked: list[str] = []
    plugin.write(m0001_init=SEED)
    plugin.apply()
    event.listen(plugin.database.engine(), "begin", lambda _connection: asked.append("begin"))
    assert plugin.apply() == ()
    assert asked == []
    plugin.write(m0001_init=SEED.replace("name", "note"))
    assert plugin.refused()[1] == ["MIG001"]
    plugin.write(m0001_init=SEED, m0002_more="SELECT 1")
    assert plugin.apply() == ("0002_more",)
    assert asked


def test_what_is_pending_is_applied_in_the_order_of_its_numbers(plugin: Plugin) -> None:
    plugin.write(
        m0010_more="INSERT INTO items VALUES (2)",
        m0002_some="INSERT INTO items VALUES (1)",
        m0001_init="CREATE TABLE items (x INT)",
    )
    assert plugin.apply() == ("0001_init", "0002_some", "0010_more")
    plugin.write(m0011_last="INSERT INTO items VALUES (3)")
    assert plugin.apply() == ("0011_last",)
    assert plugin.rows("SELECT x FROM items") == [(1,), (2,), (3,)]


def test_nothing_stays_when_one_fails(plugin: Plugin) -> None:
    plugin.write(
        m0001_init="CREATE TABLE items (x INT PRIMARY KEY);\nINSERT INTO items VALUES (1);",
        m0002_more="CREATE TABLE more (x INT);\n\nINSERT INTO items\n  VALUES (1);",
    )
    error, codes = plugin.refused()
    assert codes == ["MIG008"]
    [found] = error.diagnostics
    assert (found.file, found.line) == ("plugins/myplugin/migrations/0002_more.sql", 3)
    assert found.source_lines == ("INSERT INTO items", "  VALUES (1);")
    assert found.plugin == "myplugin"
    assert plugin.applied == []
    assert plugin.made == set()
    assert not {"items", "more"} & plugin.tables


def test_all_faults_of_all_files_are_told_at_once_and_before_anything_runs(plugin: Plugin) -> None:
    plugin.write(
        m0001_init="CREATE TABLE items (x INT);\nBEGIN;\nDROP TABLE plugins;",
        m0002_more="CREATE TABLE more (x INT);\nVACUUM;",
        m0003_cut="CREATE TABLE cut (x TEXT DEFAULT 'a);",
    )
    error, codes = plugin.refused()
    assert codes == ["MIG009", "MIG010", "MIG016", "MIG011"]
    assert [d.line for d in error.diagnostics] == [2, 3, 2, 1]
    assert "(and 3 more)" in error.message
    assert "items" not in plugin.tables


def test_the_file_of_the_database_stands_in_for_the_plain_one(plugin: Plugin) -> None:
    plugin.write(
        m0001_init="CREATE TABLE plain (x INET)",
        m0001_init__sqlite="CREATE TABLE of_sqlite (x TEXT) STRICT",
        m0001_init__postgresql="CREATE TABLE of_postgresql (x INET)",
    )
    assert plugin.apply() == ("0001_init",)
    assert plugin.made == {f"table of_{plugin.database.dialect}"}


def test_a_file_for_the_database_that_is_written_later_is_no_change(plugin: Plugin) -> None:
    plugin.write(m0001_init="CREATE TABLE items (x INT)")
    plugin.apply()
    dialect = plugin.database.dialect
    plugin.write(**{f"m0001_init__{dialect}": "CREATE TABLE items (x INT, y INT)"})
    assert plugin.apply() == ()
    plugin.write(m0001_init="CREATE TABLE items (z INT)")
    assert plugin.refused()[1] == ["MIG001"]


def test_a_migration_without_a_file_for_this_database_is_refused(plugin: Plugin) -> None:
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}[plugin.database.dialect]
    plugin.write(**{f"m0001_init__{other}": "SELECT 1"})
    error, codes = plugin.refused()
    assert codes == ["MIG013"]
    assert f"0001_init.{plugin.database.dialect}.sql" in str(error.hint)
    plugin.write(**{f"m0001_init__{plugin.database.dialect}": "-- nothing to do here\n"})
    assert plugin.apply() == ("0001_init",)


def test_triggers_and_functions_of_the_databases_own_files(plugin: Plugin) -> None:
    plugin.write(
        m0001_init="CREATE TABLE items (x INT); CREATE TABLE log (x INT)",
        m0002_trigger__sqlite="CREATE TRIGGER note AFTER INSERT ON items BEGIN"
        " INSERT INTO log VALUES (1); INSERT INTO log SELECT CASE WHEN 1 THEN 2 END; END;",
        m0002_trigger__postgresql="CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "BEGIN\n  INSERT INTO log VALUES (1); INSERT INTO log VALUES (2); RETURN NEW;\nEND $$;\n"
        "CREATE TRIGGER note AFTER INSERT ON items FOR EACH ROW EXECUTE FUNCTION note();",
        m0003_use="INSERT INTO items VALUES (1)",
    )
    plugin.apply()
    assert plugin.rows("SELECT x FROM log ORDER BY x") == [(1,), (2,)]
    assert plugin.redo() == ("0001_init", "0002_trigger", "0003_use")
    assert plugin.rows("SELECT x FROM log ORDER BY x") == [(1,), (2,)]


def test_what_was_dropped_by_hand_can_be_made_again(plugin: Plugin) -> None:
    plugin.write(m0001_init="CREATE TABLE items (x INT)")
    plugin.apply()
    with plugin.database.write() as connection:
        connection.execute(text("DROP TABLE items"))
    plugin.write(m0002_again="CREATE TABLE items (x INT)")
    assert plugin.apply() == ("0002_again",)
    assert plugin.made == {"table items"}
    with plugin.database.write() as connection:
        connection.execute(text("DROP TABLE items"))
    (plugin.folder / "0002_again.sql").unlink()
    assert plugin.redo() == ("0001_init",)
    assert plugin.made == {"table items"}


def test_a_database_without_core_tables_is_told(database: Database, tmp_path: Path) -> None:
    plugin = Plugin(database, tmp_path)
    plugin.write(m0001_init="CREATE TABLE items (x INT)")
    for deed in (plugin.apply, plugin.redo):
        error, codes = plugin.refused(deed)
        assert codes == ["MIG018"]
        assert "sysctl database migrate" in str(error.hint)


def test_percent_signs_and_colons_are_text(plugin: Plugin) -> None:
    plugin.write(
        m0001_init="CREATE TABLE items (x TEXT);"
        " INSERT INTO items VALUES ('100%s'), (':name'), ('%(a)s'), ('a?b'), ('50%')"
    )
    plugin.apply()
    found = [row[0] for row in plugin.rows("SELECT x FROM items")]
    assert found == ["100%s", ":name", "%(a)s", "a?b", "50%"]


# -- drift ---------------------------------------------------------------------------------------


def test_a_changed_file_is_refused_and_named(plugin: Plugin) -> None:
    plugin.write(m0001_init="CREATE TABLE items (x INT)", m0002_more="INSERT INTO items VALUES (1)")
    plugin.apply()
    plugin.write(m0001_init="CREATE TABLE items (y INT)", m0003_new="SELECT 1")
    error, codes = plugin.refused()
    assert codes == ["MIG001"]
    assert "0001_init.sql has changed" in error.message
    assert error.diagnostics[0].file == "plugins/myplugin/migrations/0001_init.sql"
    assert "sysctl database migrate myplugin --redo" in str(error.hint)
    error, _ = plugin.refused(lambda: plugin.apply(development=False))
    assert "--redo" not in str(error.hint)
    assert "new migration" in str(error.hint)
    assert plugin.applied == ["0001_init", "0002_more"]
    plugin.write(m0001_init="CREATE TABLE items (x INT)")
    assert plugin.apply() == ("0003_new",)


@pytest.mark.parametrize(
    "same",
    [
        b"CREATE TABLE items (x INT);\n-- end",
        b"CREATE TABLE items (x INT);\r\n-- end\r\n",
        b"CREATE TABLE items (x INT);  \n-- end\t\n\n\n",
        b"\xef\xbb\xbfCREATE TABLE items (x INT);\r-- end",
    ],
)
def test_line_endings_and_blanks_at_the_ends_are_no_change(plugin: Plugin, same: bytes) -> None:
    plugin.write(m0001_init="CREATE TABLE items (x INT);\n-- end\n")
    plugin.apply()
    plugin.write(m0001_init=same)
    assert plugin.apply() == ()


def test_a_file_with_a_byte_order_mark_runs(plugin: Plugin) -> None:
    plugin.write(m0001_init=b"\xef\xbb\xbfCREATE TABLE items (x INT)\r\n;\r\n")
    assert plugin.apply() == ("0001_init",)


def test_a_file_that_went_away_is_refused(plugin: Plugin) -> None:
    plugin.write(m0001_init="CREATE TABLE items (x INT)", m0002_more="SELECT 1")
    plugin.apply()
    (plugin.folder / "0001_init.sql").unlink()
    error, codes = plugin.refused()
    assert codes == ["MIG002"]
    assert "0001_init was applied, and its file is gone" in error.message
    assert error.diagnostics[0].file == "plugins/myplugin/migrations/0001_init.sql"


def test_a_renamed_file_is_told_as_such(plugin: Plugin) -> None:
    plugin.write(m0001_init="CREATE TABLE items (x INT)")
    plugin.apply()
    (plugin.folder / "0001_init.sql").rename(plugin.folder / "0001_initial.sql")
    error, codes = plugin.refused()
    assert codes == ["MIG002"]
    assert "0001_initial.sql has its number now" in error.message


def test_an_older_version_of_the_plugin_works_with_a_newer_database(plugin: Plugin) -> None:
    plugin.write(m0001_init="CREATE TABLE items (x INT)", m0002_more="SELECT 1")
    plugin.apply()
    (plugin.folder / "0002_more.sql").unlink()
    assert plugin.apply() == ()
    [warning] = plugin.migrations.status("myplugin", plugin.folder).warnings
    assert (warning.code, warning.severity) == ("MIG015", Severity.WARNING)
    assert "0002_more" in warning.message


def test_a_file_that_comes_to_stand_before_an_applied_one_is_refused(plugin: Plugin) -> None:
    plugin.write(m0001_init="CREATE TABLE items (x INT)", m0003_more="SELECT 1")
    plugin.apply()
    status = plugin.migrations.status("myplugin", plugin.folder)
    assert [w.code for w in status.warnings] == ["MIG014"]
    plugin.write(m0002_late="SELECT 2")
    error, codes = plugin.refused()
    assert codes == ["MIG012"]
    assert "behind 0003_more" in str(error.hint)


@pytest.mark.parametrize(
    ("files", "code", "told"),
    [
        ({"1_init": "SELECT 1"}, "MIG004", "1_init.sql"),
        ({"init": "SELECT 1"}, "MIG004", "init.sql"),
        ({"0001-init": "SELECT 1"}, "MIG004", "0001-init.sql"),
        ({"0001_a b": "SELECT 1"}, "MIG004", "0001_a b.sql"),
        ({"0001_init.down": "SELECT 1"}, "MIG004", "0001_init.down.sql"),
        ({"0001_init.mysql": "SELECT 1"}, "MIG004", "0001_init.mysql.sql"),
        ({"0001_a": "SELECT 1", "0001_b": "SELECT 1"}, "MIG003", "0001_a and 0001_b"),
        ({"0001_a": "SELECT 1", "00001_a": "SELECT 1"}, "MIG003", "00001_a and 0001_a"),
        ({"0001_init": ""}, "MIG006", "0001_init.sql is empty"),
        ({"0001_init": " \n\t\n"}, "MIG006", "0001_init.sql is empty"),
        ({"0001_init": b"SELECT 1;\n-- \xff"}, "MIG005", "0001_init.sql is not UTF-8"),
        ({"0001_init": "SELECT 1;\n".encode("utf-16")}, "MIG005", "0001_init.sql is not UTF-8"),
        ({"0001_init": b"SELECT 1\x00"}, "MIG005", "0001_init.sql has a null byte"),
    ],
)
def test_files_that_are_no_migrations_are_refused(
    plugin: Plugin, files: dict[str, str | bytes], code: str, told: str
) -> None:
    for name, content in files.items():
        path = plugin.folder / f"{name}.sql"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    error, codes = plugin.refused()
    assert codes == [code]
    assert told in error.message
    assert error.diagnostics[0].hint
    assert plugin.applied == []


def test_other_files_and_folders_do_not_matter(plugin: Plugin) -> None:
    plugin.write(m0001_init="CREATE TABLE items (x INT)")
    for name in ("README.md", ".0001_init.sql.swp", "0001_init.sql~", ".hidden.sql", "0002.txt"):
        (plugin.folder / name).write_text("DROP TABLE items")
    (plugin.folder / "old").mkdir()
    (plugin.folder / "old" / "0002_x.sql").write_text("nonsense")
    assert plugin.apply() == ("0001_init",)


def test_a_folder_in_place_of_a_file_is_refused(plugin: Plugin) -> None:
    (plugin.folder / "0001_init.sql").mkdir()
    assert plugin.refused()[1] == ["MIG005"]


def test_a_plugin_without_migrations_needs_no_database(tmp_path: Path) -> None:
    nowhere = open_database("postgresql://postgres@127.0.0.1:1/nothing")
    migrations = PluginMigrations(nowhere, root=tmp_path)
    assert migrations.apply("myplugin", tmp_path / "migrations", development=True) == ()
    (tmp_path / "migrations").mkdir()
    assert migrations.apply("myplugin", tmp_path / "migrations", development=True) == ()


def test_a_database_that_cannot_be_used_is_told_as_the_one_exception(tmp_path: Path) -> None:
    plugin = Plugin(open_database("postgresql://postgres@127.0.0.1:1/nothing"), tmp_path)
    plugin.write(m0001_init="SELECT 1")
    error, codes = plugin.refused()
    assert codes == ["MIG018"]
    assert "cannot be reached" in error.message
    assert isinstance(error.__cause__, DatabaseUnavailable)


# -- what must not be touched --------------------------------------------------------------------


@pytest.mark.parametrize("word", ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT x", "END"])
def test_a_migration_does_not_end_the_transaction(plugin: Plugin, word: str) -> None:
    dialect = plugin.database.dialect
    for name in ("m0001_init", f"m0001_init__{dialect}"):
        plugin.write(**{name: f"CREATE TABLE items (x INT);\n{word};"})
        error, codes = plugin.refused()
        assert codes == ["MIG009"]
        assert error.diagnostics[0].line == 2
    assert "items" not in plugin.tables


def test_a_migration_does_not_touch_core_tables(plugin: Plugin) -> None:
    for sql in ("DELETE FROM plugins", "DROP TABLE Plugin_Seeds", "CREATE TABLE packages (x INT)"):
        plugin.write(m0001_init=sql)
        assert plugin.refused()[1] == ["MIG010"]


def test_a_migration_does_not_drop_what_another_plugin_made(plugin: Plugin, other: Plugin) -> None:
    plugin.write(m0001_init="CREATE TABLE items (x INT)")
    plugin.apply()
    other.write(m0001_bad="CREATE TABLE mine (x INT);\nDROP TABLE items")
    error, codes = other.refused()
    assert codes == ["MIG010"]
    assert "of myplugin" in error.message
    assert "items" in plugin.tables
    assert "mine" not in plugin.tables


def test_what_is_hidden_from_the_reader_is_seen_in_the_database(
    postgres_url: str, tmp_path: Path
) -> None:
    database = open_database(postgres_url)
    upgrade(database)
    plugin = Plugin(database, tmp_path)
    plugin.write(m0001_bad="DO $$ BEGIN EXECUTE 'drop table ' || 'packages'; END $$")
    error, codes = plugin.refused()
    assert codes == ["MIG010"]
    assert "of the server itself" in error.message
    assert "packages" in plugin.tables
    database.close()


# -- several at once -----------------------------------------------------------------------------


def test_several_that_start_at_once_apply_each_once(
    plugin: Plugin, database_url: str, tmp_path: Path
) -> None:
    plugin.write(
        m0001_init="CREATE TABLE items (x INT)",
        m0002_more="INSERT INTO items VALUES (1)",
    )
    together = threading.Barrier(5)

    def start() -> tuple[str, ...]:
        database = open_database(database_url)
        try:
            together.wait()
            return PluginMigrations(database).apply("myplugin", plugin.folder, development=True)
        finally:
            database.close()

    with ThreadPoolExecutor(5) as pool:
        done = [future.result() for future in [pool.submit(start) for _ in range(5)]]
    assert sorted(done) == [()] * 4 + [("0001_init", "0002_more")]
    assert plugin.rows("SELECT x FROM items") == [(1,)]


def test_plugins_that_migrate_at_once_are_known_apart(
    plugin: Plugin, database_url: str, tmp_path: Path
) -> None:
    names = [f"p{number}" for number in range(4)]
    folders = {}
    for name in names:
        folders[name] = tmp_path / name
        folders[name].mkdir()
        (folders[name] / "0001_init.sql").write_text(
            f"CREATE TABLE {name}_items (id SERIAL PRIMARY KEY);"
            f"CREATE INDEX {name}_index ON {name}_items (id)"
        )
    together = threading.Barrier(len(names))

    def start(name: str) -> None:
        database = open_database(database_url)
        try:
            together.wait()
            PluginMigrations(database).apply(name, folders[name], development=True)
        finally:
            database.close()

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(start, names))
    found = plugin.rows("SELECT plugin, name FROM plugin_objects")
    assert len(found) == 8
    assert all(name in made for name, made in found)


def test_a_statement_that_takes_too_long_is_given_up(plugin: Plugin) -> None:
    plugin.write(
        m0001_init="CREATE TABLE items (x INT)",
        m0002_slow__sqlite="-- for ever\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
        "FROM n) INSERT INTO items SELECT count(*) FROM n",
        m0002_slow__postgresql="-- for ever\nSELECT pg_sleep(1000)",
    )

    def slow() -> object:
        return plugin.migrations.apply("myplugin", plugin.folder, development=True, timeout=0.3)

    error, codes = plugin.refused(slow)
    assert codes == ["MIG008"]
    assert "took too long" in error.message
    assert error.diagnostics[0].line == 2
    assert "items" not in plugin.tables
    (plugin.folder / f"0002_slow.{plugin.database.dialect}.sql").write_text("SELECT 1")
    assert slow() == ("0001_init", "0002_slow")


def test_a_table_that_is_in_use_is_not_waited_for_without_end(
    postgres_url: str, tmp_path: Path
) -> None:
    database = open_database(postgres_url)
    upgrade(database)
    plugin = Plugin(database, tmp_path)
    plugin.write(m0001_init="CREATE TABLE items (x INT)")
    plugin.apply()
    plugin.write(m0002_more="ALTER TABLE items ADD COLUMN y INT")
    with database.read() as connection:
        connection.execute(text("SELECT * FROM items"))
        error, codes = plugin.refused(
            lambda: plugin.migrations.apply(
                "myplugin", plugin.folder, development=True, timeout=0.2
            )
        )
    assert codes == ["MIG008"]
    assert "end what holds its tables" in str(error.hint)
    assert plugin.apply() == ("0002_more",)
    database.close()


def test_a_value_that_a_column_refuses_is_no_damaged_database(plugin: Plugin) -> None:
    plugin.write(
        m0001_init="CREATE TABLE items (tags TEXT[], j JSONB); INSERT INTO items (tags, j)"
        " VALUES ('nonsense', 'nonsense')"
    )
    error, codes = plugin.refused()
    assert codes == ["MIG008"]
    assert "damaged" not in error.message


# -- redo ----------------------------------------------------------------------------------------


def test_redo_drops_what_the_migrations_made_and_runs_them_again(
    plugin: Plugin, other: Plugin
) -> None:
    other.write(m0001_init="CREATE TABLE theirs (x INT); INSERT INTO theirs VALUES (1)")
    other.apply()
    plugin.write(
        m0001_init="CREATE TABLE a (id SERIAL PRIMARY KEY, x INT);"
        "CREATE TABLE b (id SERIAL PRIMARY KEY, a_id INT REFERENCES a (id) ON DELETE CASCADE);"
        "CREATE VIEW v AS SELECT x FROM a; CREATE INDEX i ON a (x);"
        "INSERT INTO a (x) VALUES (1); INSERT INTO b (a_id) VALUES (1)",
        m0002_more="ALTER TABLE b RENAME TO c; DROP INDEX i",
    )
    plugin.apply()
    assert plugin.made == {"table a", "table c", "view v"}
    plugin.write(m0001_init="CREATE TABLE a (y INT)", m0002_more="INSERT INTO a VALUES (5)")
    assert plugin.refused()[1] == ["MIG001", "MIG001"]
    assert plugin.redo() == ("0001_init", "0002_more")
    assert plugin.rows("SELECT y FROM a") == [(5,)]
    assert plugin.made == {"table a"}
    assert "c" not in plugin.tables
    assert plugin.applied == ["0001_init", "0002_more"]
    assert other.rows("SELECT x FROM theirs") == [(1,)]
    assert plugin.apply() == ()


def test_redo_that_fails_changes_nothing(plugin: Plugin) -> None:
    plugin.write(m0001_init="CREATE TABLE items (x INT); INSERT INTO items VALUES (1)")
    plugin.apply()
    plugin.write(m0001_init="CREATE TABLE items (y INT); INSERT INTO nothing VALUES (1)")
    assert plugin.refused(plugin.redo)[1] == ["MIG008"]
    assert plugin.rows("SELECT x FROM items") == [(1,)]
    assert plugin.applied == ["0001_init"]
    plugin.write(m0001_init="BEGIN")
    assert plugin.refused(plugin.redo)[1] == ["MIG009"]
    assert plugin.rows("SELECT x FROM items") == [(1,)]


def test_redo_is_for_development_mode(plugin: Plugin) -> None:
    plugin.write(m0001_init="CREATE TABLE items (x INT)")
    plugin.apply()
    error, _ = plugin.refused(lambda: plugin.redo(development=False))
    assert "development mode only" in error.message
    assert "development_mode: true" in str(error.hint)
    assert "items" in plugin.tables


def test_redo_works_where_tables_refer_to_each_other_in_a_circle(plugin: Plugin) -> None:
    plugin.write(
        m0001_init="CREATE TABLE a (id INT PRIMARY KEY, b_id INT);"
        "CREATE TABLE b (id INT PRIMARY KEY, a_id INT REFERENCES a (id));"
        "INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1);"
        "ALTER TABLE a ADD CONSTRAINT circle FOREIGN KEY (b_id) REFERENCES b (id);"
    )
    plugin.apply()
    assert plugin.redo() == ("0001_init",)
    assert plugin.rows("SELECT count(*) FROM b") == [(1,)]


def test_redo_does_not_take_along_what_refers_to_it(plugin: Plugin, other: Plugin) -> None:
    plugin.write(m0001_init="CREATE TABLE a (id INT PRIMARY KEY); INSERT INTO a VALUES (1)")
    plugin.apply()
    other.write(
        m0001_init="CREATE TABLE o (a_id INT REFERENCES a (id) ON DELETE CASCADE);"
        "INSERT INTO o VALUES (1)"
    )
    other.apply()
    error, _ = plugin.refused(plugin.redo)
    assert "cannot be dropped" in error.message
    assert "foreign key" in error.message or "constraint" in error.message
    assert other.rows("SELECT a_id FROM o") == [(1,)]


def test_redo_drops_whatever_postgresql_has(postgres_url: str, tmp_path: Path) -> None:
    database = open_database(postgres_url)
    upgrade(database)
    plugin = Plugin(database, tmp_path)
    plugin.write(
        m0001_init="""
        CREATE EXTENSION pgcrypto;
        CREATE SCHEMA stock;
        CREATE TYPE stock.mood AS ENUM ('a', 'b');
        CREATE DOMAIN stock.positive AS INT CHECK (VALUE > 0);
        CREATE SEQUENCE stock.numbers;
        CREATE FUNCTION stock.twice(x INT, y stock.mood) RETURNS INT LANGUAGE sql IMMUTABLE
          AS 'SELECT 2 * x';
        CREATE TABLE stock.items (
          id SERIAL PRIMARY KEY, m stock.mood, p stock.positive, "Odd Name" INT UNIQUE,
          n INT DEFAULT nextval('stock.numbers'), k UUID DEFAULT gen_random_uuid(),
          t INT GENERATED ALWAYS AS (stock.twice(2, 'a')) STORED
        );
        CREATE VIEW "Odd View" AS SELECT * FROM stock.items;
        CREATE MATERIALIZED VIEW stock.kept AS SELECT * FROM "Odd View";
        CREATE INDEX ON stock.kept (id);
        CREATE FUNCTION stock.note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
        CREATE TRIGGER "Odd Trigger" BEFORE INSERT ON stock.items
          FOR EACH ROW EXECUTE FUNCTION stock.note();
        CREATE PROCEDURE stock.go() LANGUAGE sql AS 'SELECT 1';
        CREATE TABLE parts (x INT) PARTITION BY RANGE (x);
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (9);
        INSERT INTO stock.items (m, p) VALUES ('a', 1);
        """
    )
    plugin.apply()
    made = plugin.made
    assert {"schema stock", "type stock.mood", 'trigger "Odd Trigger" ON stock.items'} <= made
    assert plugin.redo() == ("0001_init",)
    assert plugin.made == made
    (plugin.folder / "0001_init.sql").write_text("-- nothing")
    assert plugin.redo() == ("0001_init",)
    assert plugin.made == set()
    assert plugin.rows("SELECT 1 FROM pg_namespace WHERE nspname = 'stock'") == []
    database.close()


@pytest.fixture
def sqlite_plugin(sqlite_url: str, tmp_path: Path) -> Iterator[Plugin]:
    database = open_database(sqlite_url)
    upgrade(database)
    yield Plugin(database, tmp_path)
    database.close()


def test_what_sqlite_cannot_do_is_refused_with_the_way_out(sqlite_plugin: Plugin) -> None:
    plugin = sqlite_plugin
    plugin.write(m0001_init="CREATE TABLE items (x INT);\n\nDO $$ BEGIN PERFORM 1; END $$;")
    error, codes = plugin.refused()
    assert codes == ["MIG007"]
    [found] = error.diagnostics
    assert (found.file, found.line) == ("plugins/myplugin/migrations/0001_init.sql", 3)
    assert "0001_init.sqlite.sql" in str(found.hint)


def test_redo_of_full_text_tables(sqlite_plugin: Plugin) -> None:
    plugin = sqlite_plugin
    plugin.write(m0001_init__sqlite="CREATE VIRTUAL TABLE t USING fts5(x); "
                                    "INSERT INTO t VALUES ('a')")  # fmt: skip
    plugin.apply()
    assert plugin.made == {"table t"}
    assert plugin.redo() == ("0001_init",)
    assert plugin.rows("SELECT count(*) FROM t") == [(1,)]


def test_where_postgresql_saw_the_fault_is_told(postgres_url: str, tmp_path: Path) -> None:
    database = open_database(postgres_url)
    upgrade(database)
    plugin = Plugin(database, tmp_path)
    plugin.write(m0001_init="SELECT 1;\nCREATE TABLE items (\n  x INT,\n  y NONSENSE\n);")
    error, codes = plugin.refused()
    assert codes == ["MIG008"]
    assert error.diagnostics[0].line == 4
    assert error.diagnostics[0].source_lines == ("  y NONSENSE",)
    database.close()


def test_rows_that_are_missing_at_the_commit_are_told(plugin: Plugin) -> None:
    plugin.write(
        m0001_init="CREATE TABLE a (id INT PRIMARY KEY);"
        "CREATE TABLE b (a_id INT REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED);"
        "INSERT INTO b VALUES (7)"
    )
    error, codes = plugin.refused()
    assert codes == ["MIG008"]
    assert "cannot be committed" in error.message
    assert not {"a", "b"} & plugin.tables


def test_the_plan_shows_what_would_run(plugin: Plugin) -> None:
    plugin.write(m0001_init=SEED + "COMMENT ON TABLE myplugin_items IS 'x';")
    [planned] = plugin.migrations.pending("my-plugin".replace("-", ""), plugin.folder)
    if plugin.database.dialect == "sqlite":
        assert "INTEGER PRIMARY KEY AUTOINCREMENT" in planned.sql
        assert "-- line 7: SQLite keeps no comments" in planned.sql
    else:
        assert "id SERIAL PRIMARY KEY" in planned.sql
    assert plugin.applied == []
