"""Migrations, collections and seeds as part of a reload."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import inspect, text

from devserver.core.outcome import Outcome
from tests.integration.lab import Lab, plugin

ITEMS = """
-- migrations/0001_init.sql
CREATE TABLE IF NOT EXISTS myplugin_items (
    id SERIAL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);
"""
ADD = "ALTER TABLE myplugin_items ADD COLUMN colour TEXT;"
TOP = "from sqlalchemy import text"
ORDER = """
def __init__(self):
    super().__init__()
    self.hits = 0
    self.greeting = "hello"

def seed(self, db):
    db.execute(text("INSERT INTO myplugin_items (name) VALUES ('seeded')"))

def on_load(self, ctx):
    self.loaded_with = [row.name for row in ctx.db.execute(text("SELECT * FROM myplugin_items"))]
"""
ROUTES = """
@router.get("/loaded")
def loaded():
    return {"with": self.loaded_with}
"""


@pytest.fixture
def stored(lab: Lab, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """An empty project over each database."""
    monkeypatch.setenv("SYSCTL_DATABASE_URL", database_url)
    return lab


@pytest.fixture
def shop(stored: Lab) -> Lab:
    lab = stored
    lab.settings("safety:\n  max_reload_attempts: 1\n")
    lab.write("users", plugin("users", 1, top=TOP, body=ORDER, routes=ROUTES))
    lab.write("users/migrations/0001_init.sql", ITEMS)
    lab.start()
    return lab


def columns(lab: Lab) -> list[str]:
    with lab.running.store.database.read() as connection:
        return [c["name"] for c in inspect(connection).get_columns("myplugin_items")]


def names(lab: Lab, query: str = "SELECT name FROM myplugin_items ORDER BY id") -> list[str]:
    with lab.running.store.database.read() as connection:
        return list(connection.scalars(text(query)))


def applied(lab: Lab) -> list[str]:
    return names(lab, "SELECT migration_id FROM plugin_migrations ORDER BY migration_id")


def save(lab: Lab, *edits: tuple[str, str | None]) -> Outcome:
    outcome = lab.save(*edits)
    assert outcome is not None
    return outcome


def test_migrations_then_the_seed_then_on_load(shop: Lab) -> None:
    assert shop.json("/users/loaded") == {"with": ["seeded"]}
    assert applied(shop) == ["0001_init"]


def test_a_restart_and_a_reload_do_neither_again(shop: Lab) -> None:
    shop.save(("users", plugin("users", 2, top=TOP, body=ORDER, routes=ROUTES)))
    shop.stop()
    shop.start()
    assert names(shop) == ["seeded"]


def test_a_new_migration_is_part_of_the_reload_and_is_told(shop: Lab) -> None:
    outcome = save(shop, ("users/migrations/0002_colour.sql", ADD))
    assert outcome.success
    assert any("0002_colour" in note for note in outcome.notes)
    assert "colour" in columns(shop)


def test_one_that_fails_leaves_nothing_and_the_old_version_serves(shop: Lab) -> None:
    bad = f"{ADD}\nINSERT INTO nothing_there VALUES (1);"
    outcome = save(
        shop,
        ("users", plugin("users", 2, top=TOP, body=ORDER, routes=ROUTES)),
        ("users/migrations/0002_colour.sql", bad),
    )
    assert not outcome.success
    found = outcome.diagnostics[0]
    assert found.code.startswith("MIG")
    assert found.file == "plugins/users/migrations/0002_colour.sql"
    assert found.line == 2
    assert shop.json("/users/version")["version"] == 1
    assert applied(shop) == ["0001_init"]
    assert "colour" not in columns(shop)
    assert save(shop, ("users/migrations/0002_colour.sql", ADD)).success
    assert shop.json("/users/version")["version"] == 2


def test_one_that_was_committed_stays_when_a_later_hook_fails_and_is_named(shop: Lab) -> None:
    body = ORDER + "\ndef initialize(self):\n    return False\n"
    outcome = save(
        shop,
        ("users", plugin("users", 2, top=TOP, body=body, routes=ROUTES)),
        ("users/migrations/0002_colour.sql", ADD),
    )
    assert not outcome.success
    assert any("0002_colour" in note and "roll back" in note for note in outcome.notes)
    assert "colour" in columns(shop)
    assert shop.json("/users/version")["version"] == 1


def test_an_applied_file_that_changed_is_refused_by_name(shop: Lab) -> None:
    outcome = save(shop, ("users/migrations/0001_init.sql", ITEMS + ADD))
    assert not outcome.success
    found = outcome.diagnostics[0]
    assert found.code.startswith("MIG")
    assert found.file == "plugins/users/migrations/0001_init.sql"
    assert "--redo" in str(found.hint)
    assert shop.json("/users/loaded") == {"with": ["seeded"]}


def test_a_seed_that_fails_is_none(stored: Lab) -> None:
    lab = stored
    body = ORDER.replace("('seeded')\"))", "('seeded')\"))\n    raise ValueError('no')")
    lab.write("users", plugin("users", 1, top=TOP, body=body, routes=ROUTES))
    lab.write("users/migrations/0001_init.sql", ITEMS)
    lab.start()
    assert lab.get("/users/loaded").status_code == 503
    assert names(lab) == []
    asynchronous = ORDER.replace("def seed", "async def seed")
    text_2 = plugin("users", 2, top=TOP, body=asynchronous, routes=ROUTES)
    assert save(lab, ("users", text_2)).success
    assert names(lab) == ["seeded"]


def test_another_folder(stored: Lab) -> None:
    lab = stored
    body = """
        @staticmethod
        def migrations_path():
            from pathlib import Path
            return Path(__file__).parent / "sql"
        """
    lab.write("users", plugin("users", 1, body=body))
    lab.write("users/sql/0001_init.sql", ITEMS)
    lab.start()
    assert applied(lab) == ["0001_init"]


def test_the_schema_of_documents(stored: Lab) -> None:
    lab = stored
    schema = {
        "collections": {
            "plugin_actions": {
                "indexes": [
                    {"field": "id", "unique": True},
                    {"field": "action"},
                    {"field": "timestamp"},
                ]
            }
        },
        "initial_data": {"config": {"enabled": True, "max_actions_per_minute": 60}},
    }
    body = f"def get_database_schema(self):\n    return {schema!r}\n"
    routes = """
        @router.get("/kept")
        def kept():
            return self.ctx.data.get("config")

        @router.post("/forget")
        def forget():
            self.ctx.data.set("config", {"enabled": False})
            return {}
        """
    lab.write("users", plugin("users", 1, body=body, routes=routes))
    lab.start()
    assert lab.json("/users/kept") == schema["initial_data"]["config"]
    lab.ask("POST", "/users/forget")
    lab.save(("users", plugin("users", 2, body=body, routes=routes)))
    assert lab.json("/users/kept") == {"enabled": False}
    with lab.running.store.database.read() as connection:
        assert inspect(connection).has_table("users_plugin_actions")
    wrong = body.replace("'indexes'", "'indexez'")
    outcome = save(lab, ("users", plugin("users", 3, body=wrong, routes=routes)))
    assert outcome.diagnostics[0].code == "MIG017"
    assert lab.json("/users/version")["version"] == 2


def test_without_a_database_a_plugin_that_needs_one_says_so(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCTL_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    lab.write("users", plugin("users", 1))
    lab.write("users/migrations/0001_init.sql", ITEMS)
    lab.write("clock", plugin("clock", 1))
    lab.start()
    answer = lab.get("/users/version")
    assert answer.status_code == 503
    assert json.loads(answer.text)["diagnostics"][0]["code"] == "MIG018"
    assert lab.json("/clock/version")["version"] == 1
