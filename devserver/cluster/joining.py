"""Where a new instance begins: with what the group wants now, not with its history."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, exists, func, select

from devserver.cluster.results import Ending
from devserver.cluster.words import Action, Stage, Word, select_words
from devserver.core.lifecycle import DesiredState
from devserver.core.names import normalise
from devserver.store.database import Database
from devserver.store.tables import desired_states, instance_results, plugins

_WANTED = {Action.ENABLE: DesiredState.ACTIVE, Action.DISABLE: DesiredState.INACTIVE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the group has settled: `words` are those that are in force, in order. What was said
    after `revision` is still being rolled out and is taken like by everybody else."""

    revision: int
    words: tuple[Word, ...]


def find_standing(database: Database) -> Standing:
    """What is settled now. Raises DatabaseUnavailable."""
    with database.read() as connection:
        revision = _settled(connection)
        words = [
            *_last_of_each(connection, revision, (Action.INSTALL,)),
            *_last_of_each(connection, revision, (Action.ENABLE, Action.DISABLE)),
        ]
        spoken = {w.revision for w in words if _was_applied(connection, w)}
        states = _states(connection)
        in_force = [w for w in words if w.revision not in spoken or not _was_taken_back(w, states)]
    return Standing(
        revision=revision, words=tuple(sorted(in_force, key=lambda word: word.revision))
    )


def _settled(connection: Connection) -> int:
    columns = desired_states.c
    trying = select(func.min(columns.revision)).where(columns.stage == str(Stage.CANARY))
    first: int | None = connection.scalar(trying)
    if first is not None:
        return first - 1
    newest: int | None = connection.scalar(select(func.max(columns.revision)))
    return newest or 0


def _last_of_each(connection: Connection, revision: int, actions: tuple[Action, ...]) -> list[Word]:
    columns = desired_states.c
    return select_words(
        connection,
        select(func.max(columns.revision))
        .where(
            columns.revision <= revision,
            columns.stage == str(Stage.EVERYONE),
            columns.action.in_([str(action) for action in actions]),
        )
        .group_by(columns.plugin),
    )


def _was_applied(connection: Connection, word: Word) -> bool:
    columns = instance_results.c
    found = exists().where(columns.revision == word.revision, columns.result == str(Ending.APPLIED))
    return bool(connection.scalar(select(found)))


def _states(connection: Connection) -> dict[str, str]:
    rows = connection.execute(select(plugins.c.name, plugins.c.status))
    return {normalise(row.name): row.status for row in rows}


def _was_taken_back(word: Word, states: dict[str, str]) -> bool:
    """Where a word was applied, the plugin's record says the same. If it says otherwise now, the
    operator spoke later, to one instance, and that is his last word."""
    wanted = next((state for action, state in _WANTED.items() if action == word.action), None)
    return wanted is not None and states.get(normalise(word.plugin), wanted) != wanted
