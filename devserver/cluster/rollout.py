"""Whose turn it is: one instance tries a word, the others follow if it goes well."""

from __future__ import annotations

import json
from enum import StrEnum

from sqlalchemy import Connection, update

from devserver.cluster.membership import State, live_ids
from devserver.cluster.results import Ending, Result, first_failure, keep_result
from devserver.cluster.words import Policy, Stage, Word, find_word, wake_group
from devserver.store.database import Database
from devserver.store.tables import desired_states, instances

_MOST_TRIES = 2
"""Instances that may be lost while they try a word before it counts as failed: a word that kills
whoever carries it out must not go through the whole group."""


class Turn(StrEnum):
    """What an instance may do with a word now."""

    GO = "go"
    WAIT = "wait"
    HALTED = "halted"


class Rollout:
    """The stages of words, as one instance sees them. They are in the database: whoever is
    killed in the middle leaves nobody waiting. Everything raises DatabaseUnavailable."""

    def __init__(self, database: Database, instance: str) -> None:
        self._database = database
        self._me = instance

    def turn(self, revision: int) -> Turn:
        """Whether this instance may begin. Where the canary has gone without a word, the live
        instance with the lowest id takes its place; where that has gone too, nobody does."""
        with self._database.write() as connection:
            word = find_word(connection, revision)
            if word is None or word.stage == Stage.HALTED:
                return Turn.HALTED
            if word.stage == Stage.EVERYONE:
                halts = word.policy == Policy.HALT and first_failure(connection, revision)
                return Turn.HALTED if halts else Turn.GO
            if word.canary == self._me:
                return Turn.GO
            live = live_ids(connection)
            if word.canary in live or not live or live[0] != self._me:
                return Turn.WAIT
            return self._take_over(connection, word)

    def _take_over(self, connection: Connection, word: Word) -> Turn:
        if word.tries >= _MOST_TRIES:
            taken = _change(connection, word, word.canary, stage=str(Stage.HALTED))
            return Turn.HALTED if taken else Turn.WAIT
        taken = _change(connection, word, word.canary, canary=self._me, tries=word.tries + 1)
        return Turn.GO if taken else Turn.WAIT

    def report(self, word: Word, result: Result, state: State) -> None:
        """Notes how a word ended here; what its canary says decides for the others."""
        with self._database.write() as connection:
            keep_result(connection, self._me, word.revision, result)
            self._reached(connection, word.revision, state)
            halts = result.ending is not Ending.APPLIED and word.policy == Policy.HALT
            stage = Stage.HALTED if halts else Stage.EVERYONE
            _change(connection, word, self._me, stage=str(stage))
            wake_group(connection, f"result {word.revision}")

    def reached(self, revision: int, state: State) -> None:
        """Notes that this instance is at `revision`."""
        with self._database.write() as connection:
            self._reached(connection, revision, state)
            wake_group(connection, f"reached {revision}")

    def _reached(self, connection: Connection, revision: int, state: State) -> None:
        mine = instances.c.id == self._me
        values = {"revision": revision, "state": json.dumps(state)}
        connection.execute(update(instances).where(mine).values(values))


def _change(connection: Connection, word: Word, tried_by: str, **values: object) -> bool:
    """Changes a word that `tried_by` is still trying; False when somebody else was quicker."""
    columns = desired_states.c
    mine = (
        columns.revision == word.revision,
        columns.canary == tried_by,
        columns.stage == str(Stage.CANARY),
    )
    return connection.execute(update(desired_states).where(*mine).values(values)).rowcount == 1
