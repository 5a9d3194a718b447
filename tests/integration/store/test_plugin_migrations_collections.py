"""Collections that a plugin declares, and what it begins with."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, inspect, text

from devserver.core.errors import MigrationFailed
from devserver.store.collections import Collections
from devserver.store.database import Database
from devserver.store.plugin_migrations import PluginMigrations
from devserver.store.seeds import Seeds
from devserver.store.upgrade import upgrade
from tests.integration.store.conftest import open_database

SCHEMA: dict[str, Any] = {
    "collections": {
        "plugin_actions": {
            "indexes": [
                {"field": "id", "unique": True},
                {"field": "action"},
                {"field": "timestamp"},
            ]
        }
    },
    "initial_data": {
        "config": {"enabled": True, "max_actions_per_minute": 60, "log_actions": True}
    },
}
TABLE = "my_awesome_plugin_plugin_actions"


@pytest.fixture
def collections(database: Database) -> Collections:
    upgrade(database)
    return Collections(database)


def rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def indexes(database: Database, table: str) -> dict[str, bool]:
    query = (
        f"SELECT name, \"unique\" FROM pragma_index_list('{table}') WHERE origin = 'c'"
        if database.dialect == "sqlite"
        else "SELECT c.relname, indisunique FROM pg_index i JOIN pg_class c ON c.oid = indexrelid"
        f" WHERE indrelid = '{table}'::regclass AND NOT indisprimary"
    )
    return {name: bool(unique) for name, unique in rows(database, query)}


def put(database: Database, table: str, key: str, document: str) -> None:
    with database.write() as connection:
        kind = "JSONB" if database.dialect == "postgresql" else "TEXT"
        connection.execute(
            text(f"INSERT INTO {table} (id, document) VALUES (:id, CAST(:d AS {kind}))"),
            {"id": key, "d": document},
        )


def test_the_example_gives_a_table_indexes_and_the_initial_values_once(
    database: Database, collections: Collections
) -> None:
    assert collections.apply("my-awesome-plugin", SCHEMA) == {
        "config": {"enabled": True, "max_actions_per_minute": 60, "log_actions": True}
    }
    assert collections.apply("my_awesome_plugin", SCHEMA) == {}
    with database.read() as connection:
        found = inspect(connection).get_columns(TABLE)
    assert [column["name"] for column in found] == ["id", "document", "created_at"]
    assert indexes(database, TABLE) == {f"ix_{TABLE}_action": False, f"ix_{TABLE}_timestamp": False}
    put(database, TABLE, "1", '{"action": "ping"}')
    with pytest.raises(Exception, match=r"(?i)unique"):
        put(database, TABLE, "1", "{}")


def test_a_reload_that_changed_no_schema_asks_no_database(
    database: Database, collections: Collections
) -> None:
    asked: list[str] = []
    collections.apply("p", SCHEMA)
    event.listen(database.engine(), "begin", lambda _connection: asked.append("begin"))
    assert collections.apply("p", SCHEMA) == {}
    assert asked == []
    assert Collections(database).apply("p", SCHEMA) == {}
    assert len(asked) == 1
    assert collections.apply("p", {**SCHEMA, "initial_data": {"more": 1}}) == {"more": 1}


def test_an_index_is_used_by_the_expression_that_is_documented(
    database: Database, collections: Collections
) -> None:
    collections.apply("p", {"collections": {"items": {"indexes": [{"field": "a.b"}]}}})
    queries = {
        "sqlite": "EXPLAIN QUERY PLAN SELECT * FROM p_items"
        " WHERE json_extract(document, '$.a.b') = 'x'",
        "postgresql": "EXPLAIN SELECT * FROM p_items WHERE document -> 'a' ->> 'b' = 'x'",
    }
    with database.read() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = str(connection.execute(text(queries[database.dialect])).all())
    assert "ix_p_items_a__b" in plan


def test_what_is_added_later_is_made_and_no_document_is_lost(
    database: Database, collections: Collections
) -> None:
    collections.apply("p", {"collections": {"items": {"indexes": [{"field": "a"}]}}})
    put(database, "p_items", "1", '{"a": 1}')
    collections.apply(
        "p",
        {"collections": {"items": {"indexes": [{"field": "b", "unique": True}]}, "more": {}}},
    )
    assert indexes(database, "p_items") == {"uq_p_items_b": True}
    put(database, "p_items", "2", '{"b": "x"}')
    with pytest.raises(Exception, match=r"(?i)unique"):
        put(database, "p_items", "3", '{"b": "x"}')
    collections.apply("p", {"collections": {"more": {}}})
    assert rows(database, "SELECT id FROM p_items ORDER BY id") == [("1",), ("2",)]
    collections.apply("p", {"collections": {"items": {"indexes": ["b"]}}})
    assert indexes(database, "p_items") == {"ix_p_items_b": False}


def test_documents_to_begin_with_are_inserted_once(
    database: Database, collections: Collections
) -> None:
    schema: dict[str, Any] = {
        "collections": {"items": {}},
        "initial_data": {"items": [{"id": "one", "n": 1}, {"n": "100%: é"}], "limit": 5},
    }
    assert collections.apply("p", schema) == {"limit": 5}
    assert [r[0] for r in rows(database, "SELECT id FROM p_items WHERE id = 'one'")] == ["one"]
    with database.write() as connection:
        connection.execute(text("DELETE FROM p_items"))
    schema["initial_data"]["items"].append({"id": "two"})
    schema["initial_data"]["more"] = 6
    assert collections.apply("p", schema) == {"more": 6}
    assert rows(database, "SELECT * FROM p_items") == []


def test_initial_values_are_kept_in_the_same_transaction(
    database: Database, collections: Collections
) -> None:
    def fails(_connection: Connection, _values: Mapping[str, Any]) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        collections.apply("p", SCHEMA, keep=fails)
    with database.read() as connection:
        assert "p_plugin_actions" not in inspect(connection).get_table_names()
    kept: list[Any] = []
    collections.apply("p", SCHEMA, keep=lambda _connection, values: kept.append(dict(values)))
    assert kept == [SCHEMA["initial_data"]]


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ([], "get_database_schema() must be a mapping"),
        ({"tables": {}}, "unknown key 'tables'"),
        ({"collections": []}, "collections must be a mapping"),
        ({"collections": {"a b": {}}}, "'a b' is no name"),
        ({"collections": {"a; DROP TABLE plugins": {}}}, "is no name"),
        ({"collections": {"a": {"indices": []}}}, "collections.a has an unknown key 'indices'"),
        ({"collections": {"a": {"indexes": {}, "x": 1}}}, "unknown key 'x'"),
        ({"collections": {"a": {"indexes": [{"field": "x'"}]}}}, "collections.a.indexes[0].field"),
        ({"collections": {"a": {"indexes": [{"unique": True}]}}}, "None is no field"),
        ({"collections": {"a": {"indexes": [{"field": "x", "unique": 1}]}}}, "True or False"),
        ({"collections": {"a": {"indexes": ["x", "x"]}}}, "x is given twice"),
        ({"collections": {"a": {}}, "initial_data": {"a": 5}}, "initial_data.a must be"),
        ({"initial_data": {"a": object()}}, "no JSON"),
        ({"initial_data": {"a": float("nan")}}, "no JSON"),
    ],
)
def test_a_schema_of_another_shape_is_refused(
    collections: Collections, schema: Any, told: str
) -> None:
    with pytest.raises(MigrationFailed) as caught:
        collections.apply("p", schema)
    assert told in caught.value.message
    assert [d.code for d in caught.value.diagnostics] == ["MIG017"]


def test_documents_that_break_a_unique_index_are_told(
    database: Database, collections: Collections
) -> None:
    collections.apply("p", {"collections": {"items": {}}})
    put(database, "p_items", "1", '{"a": 1}')
    put(database, "p_items", "2", '{"a": 1}')
    indexed = {"indexes": [{"field": "a", "unique": True}]}
    with pytest.raises(MigrationFailed, match=r"(?i)unique"):
        collections.apply("p", {"collections": {"items": indexed}})
    assert len(rows(database, "SELECT id FROM p_items")) == 2


def test_a_table_that_was_dropped_by_hand_is_made_again(
    database: Database, collections: Collections
) -> None:
    collections.apply("p", {"collections": {"items": {"indexes": ["a"]}}})
    with database.write() as connection:
        connection.execute(text("DROP TABLE p_items"))
    Collections(database).apply("p", {"collections": {"items": {"indexes": ["a"]}}})
    assert indexes(database, "p_items") == {"ix_p_items_a": False}


def test_a_table_of_somebody_else_is_left_alone(
    database: Database, collections: Collections
) -> None:
    with database.write() as connection:
        connection.execute(text("CREATE TABLE p_items (x INT)"))
    for schema in ({"collections": {"items": {}}}, {"collections": {"items": {"indexes": ["a"]}}}):
        with pytest.raises(MigrationFailed, match="there is a table p_items already"):
            collections.apply("p", schema)
    with pytest.raises(MigrationFailed, match="there is a table plugin_data already"):
        collections.apply("plugin", {"collections": {"data": {}}})


def test_nothing_declared_is_nothing_made(collections: Collections) -> None:
    assert collections.apply("p", {}) == {}
    assert collections.apply("p", None) == {}


def test_long_names_are_shortened_alike(database: Database, collections: Collections) -> None:
    name = "x" * 80
    schema = {"collections": {name: {"indexes": ["field" * 20]}}}
    collections.apply("p", schema)
    collections.apply("p", {**schema, "initial_data": {"again": 1}})
    [(table,)] = rows(database, "SELECT name FROM plugin_objects WHERE kind = 'collection'")
    assert len(table) <= 63
    assert len(indexes(database, table)) == 1


def test_several_at_once_make_it_once(database_url: str, collections: Collections) -> None:
    together = threading.Barrier(4)

    def start() -> dict[str, Any]:
        database = open_database(database_url)
        try:
            together.wait()
            return Collections(database).apply("p", SCHEMA)
        finally:
            database.close()

    with ThreadPoolExecutor(4) as pool:
        done = [future.result() for future in [pool.submit(start) for _ in range(4)]]
    assert sorted(map(bool, done)) == [False] * 3 + [True]


def test_redo_of_migrations_leaves_collections(
    database: Database, collections: Collections, tmp_path: Path
) -> None:
    collections.apply("p", SCHEMA)
    put(database, "p_plugin_actions", "1", "{}")
    (tmp_path / "0001_init.sql").write_text("CREATE TABLE p_items (x INT)")
    migrations = PluginMigrations(database)
    migrations.apply("p", tmp_path, development=True)
    migrations.redo("p", tmp_path, development=True)
    assert rows(database, "SELECT id FROM p_plugin_actions") == [("1",)]
    assert collections.apply("p", SCHEMA) == {}


# -- seeds ---------------------------------------------------------------------------------------


@pytest.fixture
def seeds(database: Database) -> Seeds:
    upgrade(database)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE items (x INT)"))
    return Seeds(database)


def test_a_plugin_is_seeded_once(database: Database, seeds: Seeds) -> None:
    for _ in range(3):
        with seeds.once("my-plugin") as connection:
            if connection is not None:
                connection.execute(text("INSERT INTO items VALUES (1)"))
    assert seeds.is_done("my_plugin")
    assert not seeds.is_done("other")
    assert rows(database, "SELECT x FROM items") == [(1,)]


def test_a_seed_that_fails_is_tried_again_and_leaves_nothing(
    database: Database, seeds: Seeds
) -> None:
    def fail() -> None:
        with seeds.once("p") as connection:
            assert connection is not None
            connection.execute(text("INSERT INTO items VALUES (1)"))
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert not seeds.is_done("p")
    assert rows(database, "SELECT x FROM items") == []
    with seeds.once("p") as connection:
        assert connection is not None


def test_several_that_start_at_once_seed_once(database_url: str, seeds: Seeds) -> None:
    together = threading.Barrier(4)

    def start() -> None:
        database = open_database(database_url)
        try:
            together.wait()
            with Seeds(database).once("p") as connection:
                if connection is not None:
                    connection.execute(text("INSERT INTO items VALUES (1)"))
        finally:
            database.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: start(), range(4)))
    database = open_database(database_url)
    assert rows(database, "SELECT x FROM items") == [(1,)]
    database.close()


def test_redo_seeds_again(database: Database, seeds: Seeds, tmp_path: Path) -> None:
    (tmp_path / "0001_init.sql").write_text("CREATE TABLE mine (x INT)")
    migrations = PluginMigrations(database)
    migrations.apply("p", tmp_path, development=True)
    with seeds.once("p"):
        pass
    migrations.redo("p", tmp_path, development=True)
    assert not seeds.is_done("p")
