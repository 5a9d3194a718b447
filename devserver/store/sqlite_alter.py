"""What ALTER TABLE of SQLite cannot do: the text of the table is edited in place, which SQLite
documents for constraints and defaults. Rows, indexes and triggers stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Connection

from devserver.store.sql_tokens import Token, tokens_of

_STARTS = "constraint primary not null unique check default collate references generated as"
"""Words that begin a constraint of a column."""
_TABLE_LEVEL = frozenset({"constraint", "primary", "unique", "check", "foreign"})


class StepFailed(Exception):
    """A step cannot be done with what is in the database; the message says why."""


@dataclass(frozen=True, slots=True)
class TableText:
    """`CREATE TABLE` as SQLite keeps it, cut into what stands between the outer parentheses."""

    before: str
    parts: tuple[str, ...]
    after: str

    @classmethod
    def of(cls, sql: str) -> TableText:
        tokens = list(tokens_of(sql, "sqlite"))
        cuts: list[int] = []
        depth, end = 0, len(sql)
        for token in tokens:
            if token.kind != "mark":
                continue
            depth += {"(": 1, ")": -1}.get(token.value, 0)
            if (token.value == "(" and depth == 1 and not cuts) or (
                token.value == "," and depth == 1
            ):
                cuts.append(token.end)
            elif token.value == ")" and depth == 0:
                end = token.start
                break
        if not cuts:
            raise StepFailed("the table is not one with columns")
        parts = [sql[a : b - 1] for a, b in pairwise(cuts)]
        parts.append(sql[cuts[-1] : end])
        return cls(sql[: cuts[0]], tuple(p.strip() for p in parts), sql[end:])

    def __str__(self) -> str:
        return self.before + ", ".join(self.parts) + self.after

    def find_column(self, name: str) -> int:
        """The number of a column's part. Raises StepFailed."""
        for number, part in enumerate(self.parts):
            first = _first(part)
            if first is None or first.value.lower() != name.lower():
                continue
            if first.kind == "name" or first.value not in _TABLE_LEVEL:
                return number
        raise StepFailed(f"the table has no column {name}")

    def replaced(self, number: int, part: str) -> TableText:
        parts = [*self.parts[:number], part, *self.parts[number + 1 :]]
        return TableText(self.before, tuple(parts), self.after)

    def appended(self, part: str) -> TableText:
        return TableText(self.before, (*self.parts, part), self.after)


def _first(part: str) -> Token | None:
    return next(tokens_of(part, "sqlite"), None)


def constraints_of(part: str) -> tuple[str, list[str]]:
    """Name and type of a column, and each of its constraints."""
    tokens = list(tokens_of(part, "sqlite"))
    starts, depth = [], 0
    for number, token in enumerate(tokens):
        if token.kind == "mark":
            depth += {"(": 1, ")": -1}.get(token.value, 0)
        elif number and depth == 0 and token.kind == "word" and token.value in _STARTS.split():
            previous = [t.value for t in tokens[max(0, number - 2) : number]]
            if not _belongs(token.value, previous):
                starts.append(token.start)
    if not starts:
        return part.strip(), []
    ends = [*starts[1:], len(part)]
    pieces = [part[a:b].strip() for a, b in zip(starts, ends, strict=True)]
    return part[: starts[0]].strip(), pieces


def _belongs(word: str, previous: Sequence[str]) -> bool:
    """True when a word goes on with what stands before it."""
    last = previous[-1] if previous else ""
    if last == "constraint" or "constraint" in previous[:1]:
        return True
    if word == "null":
        return last in ("not", "set", "default")
    if word == "default":
        return last == "set"
    return word == "as" and last == "always"


def edit_table(connection: Connection, table: str, edit: Callable[[TableText], TableText]) -> None:
    """Edits the text of a table within the transaction of `connection`. Raises StepFailed."""
    run = connection.exec_driver_sql
    row = run(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(?)",
        (table,),
    ).first()
    if row is None:
        raise StepFailed(f"there is no table {table}")
    edited = str(edit(TableText.of(row.sql)))
    version = run("PRAGMA schema_version").scalar_one()
    run("PRAGMA writable_schema = ON")
    try:
        change = "UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?"
        run(change, (edited, row.name))
        run(f"PRAGMA schema_version = {int(version) + 1}")  # the other connections read it anew
    finally:
        run("PRAGMA writable_schema = RESET")


def change_column(
    table: str,
    column: str,
    change: Callable[[list[str]], list[str]],
) -> Callable[[Connection], None]:
    """A step that changes the constraints of a column."""

    def edit(text: TableText) -> TableText:
        number = text.find_column(column)
        head, constraints = constraints_of(text.parts[number])
        return text.replaced(number, " ".join([head, *change(constraints)]))

    return lambda connection: edit_table(connection, table, edit)


def retype(table: str, column: str, kind: str) -> Callable[[Connection], None]:
    """A step that gives a column another type that keeps values alike."""

    def edit(text: TableText) -> TableText:
        number = text.find_column(column)
        head, constraints = constraints_of(text.parts[number])
        first = _first(head)
        assert first is not None
        name, old = head[: first.end], head[first.end :].strip()
        if _affinity(old) != _affinity(kind):
            raise StepFailed(f"SQLite cannot turn {old or 'a column without a type'} into {kind}")
        return text.replaced(number, " ".join([name, kind, *constraints]))

    return lambda connection: edit_table(connection, table, edit)


def _affinity(kind: str) -> str:
    """How SQLite keeps values of a declared type, by its own rules."""
    upper = kind.upper()
    if "INT" in upper:
        return "INTEGER"
    if any(word in upper for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in upper or not upper:
        return "BLOB"
    return "REAL" if any(w in upper for w in ("REAL", "FLOA", "DOUB")) else "NUMERIC"


def add_constraint(table: str, constraint: str) -> Callable[[Connection], None]:
    """A step that adds a CHECK or FOREIGN KEY; the rows that are there have to fit."""

    def run(connection: Connection) -> None:
        edit_table(connection, table, lambda text: text.appended(constraint))
        broken = connection.exec_driver_sql(f"PRAGMA foreign_key_check({quoted(table)})").first()
        found = connection.exec_driver_sql(f"PRAGMA quick_check({quoted(table)})").scalars().all()
        if broken is not None or found != ["ok"]:
            raise StepFailed(f"rows of {table} do not fit {constraint}")

    return run


def require_values(table: str, column: str) -> Callable[[Connection], None]:
    """A step that fails when a column holds NULL."""

    def run(connection: Connection) -> None:
        found = connection.exec_driver_sql(
            f"SELECT 1 FROM {quoted(table)} WHERE {quoted(column)} IS NULL LIMIT 1"
        ).first()
        if found is not None:
            raise StepFailed(f"the column {column} of {table} holds NULL")

    return run


def drop_indexes(table: str, column: str) -> Callable[[Connection], None]:
    """A step that drops the indexes on a column, as PostgreSQL does with the column."""

    def run(connection: Connection) -> None:
        execute = connection.exec_driver_sql
        for row in execute(f"PRAGMA index_list({quoted(table)})").all():
            columns = [r.name for r in execute(f"PRAGMA index_info({quoted(row.name)})").all()]
            if row.origin == "c" and column.lower() in (str(c).lower() for c in columns):
                execute(f"DROP INDEX {quoted(row.name)}")

    return run


def has_table(connection: Connection, table: str) -> bool:
    """Whether there is a table of that name."""
    return bool(columns_of(connection, table))


def has_column(connection: Connection, table: str, column: str) -> bool:
    return column.lower() in columns_of(connection, table)


def columns_of(connection: Connection, table: str) -> list[str]:
    """The columns in lower case; none where there is no such table."""
    found = connection.exec_driver_sql(f"PRAGMA table_xinfo({quoted(table)})").all()
    return [str(row.name).lower() for row in found]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
