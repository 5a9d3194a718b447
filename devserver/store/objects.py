"""What a database holds, so that it can be told what a migration made, and be dropped again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from devserver.store import objects_postgresql, objects_sqlite


class SchemaObject(NamedTuple):
    """`kind` is a word of SQL in lower case, `name` as DROP takes it."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class DropRefused(Exception):
    """Something that is not the plugin's depends on what is to be dropped."""


def objects_of(connection: Connection) -> list[SchemaObject]:
    """Everything that is there and can be dropped by itself, oldest first."""
    of = objects_postgresql if connection.dialect.name == "postgresql" else objects_sqlite
    return [SchemaObject(kind, name) for kind, name in of.listed(connection)]


def drop(connection: Connection, made: Sequence[SchemaObject]) -> None:
    """Drops all of `made` (oldest first); what is not there any more is passed over. Nothing
    else goes along: DropRefused, when something else depends on it."""
    of = objects_postgresql if connection.dialect.name == "postgresql" else objects_sqlite
    there = set(objects_of(connection))
    left = of.drop(connection, [one for one in made if one in there])
    if left:
        raise DropRefused(left)


def bare_name(name: str) -> str:
    """The last part of a name, without quotes."""
    return name.rpartition(".")[2].strip('"')


def added(before: Iterable[SchemaObject], after: Iterable[SchemaObject]) -> list[SchemaObject]:
    """What is in `after` alone, in its order."""
    known = set(before)
    return [one for one in after if one not in known]
