"""Every outcome, also those of earlier runs and of other instances."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from devserver.core.names import normalise
from devserver.store.database import Database
from devserver.store.tables import reload_history, reload_history_plugins

MOST = 10_000
"""How many outcomes are kept, over all instances."""


class History:
    """Table `reload_history`. An outcome is known by its instance (one run of a server) and the
    `id` in its document, which that run gave it.

    Everything raises DatabaseUnavailable when the database cannot be used.
    """

    def __init__(self, database: Database, *, most: int = MOST) -> None:
        self._database = database
        self._most = most
        self._unpruned: int | None = None

    def last_id(self) -> int:
        """The highest id that was ever given and is still known; 0 when there is none."""
        with self._database.read() as connection:
            return connection.scalar(select(func.max(reload_history.c.number))) or 0

    def record(self, instance: str, outcomes: Sequence[Mapping[str, Any]]) -> None:
        """Keeps the JSON documents of outcomes, all or none of them, in order; one of an id that
        is known takes the place of what was kept."""
        if not outcomes:
            return
        with self._database.write() as connection:
            for outcome in outcomes:
                _put(connection, instance, outcome)
            if self._unpruned is None or self._unpruned >= self._most // 100:
                self._prune(connection)
                self._unpruned = 0
            self._unpruned += len(outcomes)

    def find(self, plugin: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The documents, each with its `instance`, newest first; with `plugin` (in either
        spelling) those whose batch held it."""
        columns = reload_history.c
        wanted = select(columns.instance, columns.outcome)
        if plugin is not None:
            about = reload_history_plugins.c
            wanted = wanted.join(
                reload_history_plugins,
                (about.history == columns.id) & (about.plugin == normalise(plugin)),
            )
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(columns.id.desc()).limit(limit)).all()
        return [{**json.loads(row.outcome), "instance": row.instance} for row in rows]

    def find_one(self, number: int) -> dict[str, Any] | None:
        """The document with this id; the latest where several instances gave it."""
        columns = reload_history.c
        wanted = select(columns.instance, columns.outcome).where(columns.number == number)
        with self._database.read() as connection:
            row = connection.execute(wanted.order_by(columns.id.desc()).limit(1)).first()
        return None if row is None else {**json.loads(row.outcome), "instance": row.instance}

    def _prune(self, connection: Connection) -> None:
        number = reload_history.c.id
        oldest = connection.scalar(
            select(number).order_by(number.desc()).offset(self._most).limit(1)
        )
        if oldest is not None:
            connection.execute(delete(reload_history).where(number <= oldest))


def _put(connection: Connection, instance: str, outcome: Mapping[str, Any]) -> None:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(reload_history).values(
        instance=instance,
        number=outcome["id"],
        time=outcome["time"],
        result=outcome["result"],
        # Escaped: not every string of Python's can be said in UTF-8, nor every one to PostgreSQL.
        outcome=json.dumps(outcome),
    )
    new = statement.excluded
    kept = connection.scalar(
        statement.on_conflict_do_update(
            index_elements=["instance", "number"],
            set_={"time": new.time, "result": new.result, "outcome": new.outcome},
        ).returning(reload_history.c.id)
    )
    about = reload_history_plugins
    connection.execute(delete(about).where(about.c.history == kept))
    rows = [{"history": kept, "plugin": key} for key in _keys(outcome["plugins"])]
    if rows:
        connection.execute(insert(about), rows)


def _keys(names: Iterable[str]) -> list[str]:
    return sorted({normalise(name)[:255] for name in names})
