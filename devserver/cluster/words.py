"""The group's words: what all of its instances are to do, in one order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, text

from devserver.cluster.clock import seconds_of
from devserver.store.database import Database
from devserver.store.locks import lock
from devserver.store.tables import desired_states

CHANNEL = "devserver_group"
"""Where PostgreSQL tells that there is something to read. It only wakes: the tables are true."""
_LOCK = "group words"


class Action(StrEnum):
    """What is to be done with a plugin."""

    ENABLE = "enable"
    DISABLE = "disable"
    RELOAD = "reload"
    INSTALL = "install"
    CONFIGURE = "configure"
    """To take what another instance has set; the values are in the database already."""


class Policy(StrEnum):
    """What an instance on which a word fails means for those that have not begun."""

    HALT = "halt"
    CONTINUE = "continue"


class Stage(StrEnum):
    """How far a word has come: one instance tries it first."""

    CANARY = "canary"
    EVERYONE = "everyone"
    HALTED = "halted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word. `instance` said it, `canary` is the instance that tries it first, the `tries`th
    to do so; `action` is a text, as a newer program may know more of them. `said_at` is in Unix
    seconds."""

    revision: int
    plugin: str
    action: str
    options: Mapping[str, Any] = field(default_factory=dict)
    policy: str = Policy.HALT
    stage: str = Stage.CANARY
    canary: str = ""
    tries: int = 1
    instance: str = ""
    said_at: float = 0.0


class Words:
    """Table `desired_states`. Everything raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def say(
        self,
        plugin: str,
        action: Action,
        *,
        instance: str,
        policy: Policy = Policy.HALT,
        options: Mapping[str, Any] | None = None,
    ) -> int:
        """Adds a word and wakes everybody; its revision. `instance` is its canary."""
        with self._database.write() as connection:
            # Held until the commit: whoever sees a revision has seen all below it.
            lock(connection, _LOCK)
            revision = _highest(connection) + 1
            connection.execute(
                insert(desired_states).values(
                    revision=revision,
                    plugin=plugin,
                    action=str(action),
                    options=json.dumps(dict(options or {})),
                    policy=str(policy),
                    stage=str(Stage.CANARY),
                    canary=instance,
                    instance=instance,
                    created_at=func.clock_timestamp(),
                )
            )
            wake_group(connection, f"word {revision}")
        return revision

    def highest(self) -> int:
        """The newest revision, 0 when nothing was ever said."""
        with self._database.read() as connection:
            return _highest(connection)

    def find(self, revision: int) -> Word | None:
        """The word of that revision."""
        with self._database.read() as connection:
            return find_word(connection, revision)

    def after(self, revision: int) -> Word | None:
        """The first word behind `revision`."""
        query = _words().where(desired_states.c.revision > revision)
        with self._database.read() as connection:
            row = connection.execute(query.order_by(desired_states.c.revision).limit(1)).first()
        return None if row is None else _word(row)


def find_word(connection: Connection, revision: int) -> Word | None:
    """The word of that revision, as it is now."""
    row = connection.execute(_words().where(desired_states.c.revision == revision)).first()
    return None if row is None else _word(row)


def select_words(connection: Connection, revisions: Any) -> list[Word]:
    """The words whose revisions a query gives, in order."""
    query = _words().where(desired_states.c.revision.in_(revisions))
    return [_word(row) for row in connection.execute(query.order_by(desired_states.c.revision))]


def wake_group(connection: Connection, about: str) -> None:
    """Tells every instance, with the commit of this transaction, to look."""
    connection.execute(
        text("SELECT pg_notify(:channel, :about)"), {"channel": CHANNEL, "about": about}
    )


def _highest(connection: Connection) -> int:
    return connection.scalar(select(func.max(desired_states.c.revision))) or 0


def _words() -> Any:
    said_at = seconds_of(desired_states.c.created_at).label("said_at")
    return select(desired_states, said_at)


def _word(row: Row[Any]) -> Word:
    return Word(
        revision=row.revision,
        plugin=row.plugin,
        action=row.action,
        options=json.loads(row.options),
        policy=row.policy,
        stage=row.stage,
        canary=row.canary,
        tries=row.tries,
        instance=row.instance,
        said_at=row.said_at,
    )
