"""Statements of PostgreSQL as steps on SQLite. What is not known to do the same is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from devserver.store import sqlite_alter
from devserver.store.migration_steps import Step
from devserver.store.sql_tokens import Unfinished, tokens_of
from devserver.store.translation_alter import alter
from devserver.store.translation_expressions import (
    Untranslatable,
    name_of,
    shown,
    sql_of,
    table_of,
)
from devserver.store.translation_tables import create_table

_EXTENSIONS = frozenset({"pgcrypto", "uuid-ossp", "citext", "plpgsql"})
"""Extensions whose functions and types are translated."""
_VANISHING = """
    serial bigserial smallserial int4 int8 int2 int integer bigint smallint bool boolean decimal
    numeric float4 float8 float real double precision character varying varchar char text time
    timestamp timestamptz timetz with without zone now as asc column to key null cast array type
    data set index table json jsonb bytea end is not
    """
"""Words that PostgreSQL has a second spelling for, so that they may be gone after parsing."""


def translated(sql: str) -> list[Step]:
    """The steps for one statement. Raises Untranslatable."""
    try:
        with _silent():
            return _translated(sql)
    except Untranslatable:
        raise
    except Exception as error:  # the parser raises anything on odd texts
        raise Untranslatable(f"the statement is not understood: {error}") from error


def _translated(sql: str) -> list[Step]:
    node = _parsed(sql)
    kind = type(node).__name__
    if kind == "Command":
        return [_command(sql)]
    _refuse_losses(sql, node)
    translate = _STATEMENTS.get(kind)
    if translate is None:
        raise Untranslatable(f"{_beginning(sql)} has no translation")
    return translate(node)


def _parsed(sql: str) -> exp.Expression:
    try:
        found = [node for node in sqlglot.parse(sql, dialect="postgres") if node is not None]
    except SqlglotError as error:
        details = getattr(error, "errors", None) or [{}]
        what = details[0].get("description") or "syntax error"
        near = details[0].get("highlight")
        at = f" near `{near}`" if near else ""
        raise Untranslatable(f"the statement is not understood: {what}{at}") from None
    if len(found) != 1 or not isinstance(found[0], exp.Expression):
        raise Untranslatable("it is not one statement")
    return found[0]


@contextmanager
def _silent() -> Iterator[None]:
    """sqlglot logs what it does not understand; here that is refused, and said."""
    logger = logging.getLogger("sqlglot")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _refuse_losses(sql: str, node: exp.Expression) -> None:
    """Refuses what the parser has dropped: each name, string and number has to come out again."""
    try:
        again = {t.value.lower() for t in tokens_of(node.sql("postgres"), "postgresql")}
        given = [t for t in tokens_of(sql, "postgresql") if t.kind != "mark"]
    except (SqlglotError, Unfinished) as error:
        raise Untranslatable(f"the statement is not understood: {error}") from None
    _refuse_empty_places(sql)
    for token in given:
        value = token.value.lower()
        if token.kind == "word" and value in _VANISHING.split():
            continue
        if value not in again:
            raise Untranslatable(f"`{token.value[:40]}` is not understood here")


def _refuse_empty_places(sql: str) -> None:
    """Refuses `(a,, b)` and `(a,)`, which the parser takes."""
    marks = [t.value for t in tokens_of(sql, "postgresql")]
    for pair in pairwise(marks):
        if pair in ((",", ","), (",", ")"), ("(", ",")):
            raise Untranslatable("there is nothing on one side of a comma")


def _beginning(sql: str) -> str:
    return "`" + " ".join(sql.split()[:3]) + "`"


def _command(sql: str) -> Step:
    """What the parser does not look into."""
    words = [t.value.lower() for t in tokens_of(sql, "postgresql")]
    if words[:2] == ["create", "extension"]:
        name = next((w for w in words[2:] if w not in ("if", "not", "exists")), "")
        if name in _EXTENSIONS:
            return Step(sql="", note=f"SQLite needs no extension {name}")
        raise Untranslatable(f"SQLite has no extension {name}")
    raise Untranslatable(f"{_beginning(sql)} has no translation")


def _create(node: exp.Expression) -> list[Step]:
    kind = str(node.args.get("kind")).upper()
    if not isinstance(node, exp.Create) or kind not in ("TABLE", "INDEX", "VIEW"):
        raise Untranslatable(f"SQLite has no CREATE {kind}")
    if kind == "TABLE":
        return [Step(sql=create_table(node))]
    if kind == "INDEX":
        return [Step(sql=_create_index(node))]
    return _create_view(node)


def _create_index(node: exp.Create) -> str:
    index, params = node.this, node.this.args.get("params")
    allowed = {"using", "columns", "where", "with_storage"}
    if params is None or {k for k, v in params.args.items() if v} - allowed:
        raise Untranslatable(f"SQLite does not know all of {shown(node)}")
    using = params.args.get("using")
    if using is not None and using.name.lower() not in ("btree", "hash"):
        raise Untranslatable(f"SQLite has no index of the kind {using.name}")
    columns = [_indexed(part) for part in params.args["columns"]]
    table = table_of(index.args["table"])
    name = name_of(index.this) if index.this else "_".join([table, *_words(columns), "idx"])
    where = params.args.get("where")
    return (
        f"CREATE {'UNIQUE ' if node.args.get('unique') else ''}INDEX "
        f"{'IF NOT EXISTS ' if node.args.get('exists') else ''}{name} ON {table} "
        f"({', '.join(columns)})" + (f" WHERE {sql_of(where.this)}" if where else "")
    )


def _words(columns: list[str]) -> list[str]:
    """Columns as the name that PostgreSQL gives an index has them."""
    return [c if c.isidentifier() else "expr" for c in (c.split()[0] for c in columns)]


def _indexed(part: exp.Expression) -> str:
    what = part.this if isinstance(part, exp.Ordered) else part
    order = " DESC" if part.args.get("desc") else ""
    inner = what.this if isinstance(what, exp.Paren) else what
    if isinstance(inner, exp.JSONExtractScalar):
        # The index of a key, spelt as queries have it.
        return f"({inner.sql('sqlite')}){order}"
    return f"{sql_of(what)}{order}"


def _create_view(node: exp.Create) -> list[Step]:
    if node.args.get("properties"):
        raise Untranslatable(f"SQLite does not know {shown(node.args['properties'])}")
    view, names = table_of(node.this), ""
    if isinstance(node.this, exp.Schema):
        names = f" ({', '.join(name_of(e) for e in node.this.expressions)})"
    steps = [Step(sql=f"DROP VIEW IF EXISTS {view}")] if node.args.get("replace") else []
    return [*steps, Step(sql=f"CREATE VIEW {view}{names} AS {sql_of(node.expression)}")]


def _drop(node: exp.Expression) -> list[Step]:
    kind = str(node.args.get("kind")).upper()
    if kind not in ("TABLE", "INDEX", "VIEW") or node.args.get("materialized"):
        raise Untranslatable(f"SQLite has no DROP {kind}")
    if node.args.get("cascade"):
        raise Untranslatable("SQLite has no CASCADE: drop what depends on it first")
    exists = "IF EXISTS " if node.args.get("exists") else ""
    tables = node.args.get("tables") or [node.this]
    return [Step(sql=f"DROP {kind} {exists}{table_of(table)}") for table in tables]


def _rows(node: exp.Expression) -> list[Step]:
    return [Step(sql=sql_of(node))]


def _select(node: exp.Expression) -> list[Step]:
    """`SELECT setval(...)` to the largest id is what SQLite does by itself."""
    calls = [c for c in node.find_all(exp.Anonymous) if str(c.this).lower() == "setval"]
    if not calls:
        return _rows(node)
    if any(not list(call.find_all(exp.Max)) for call in calls):
        raise Untranslatable("SQLite has no sequences, so setval() has no translation")
    return [Step(sql="", note="SQLite goes on after the largest id by itself")]


def _truncate(node: exp.Expression) -> list[Step]:
    steps = []
    for table in node.expressions:
        name = table_of(table)
        steps.append(Step(sql=f"DELETE FROM {name}"))
        if node.args.get("identity") == "RESTART":
            bare = str(table.this.this).replace("'", "''")
            steps.append(
                Step(
                    sql=f"DELETE FROM sqlite_sequence WHERE name = '{bare}'",
                    when=partial(sqlite_alter.has_table, table="sqlite_sequence"),
                )
            )
    return steps


def _comment(_node: exp.Expression) -> list[Step]:
    return [Step(sql="", note="SQLite keeps no comments")]


def _grant(_node: exp.Expression) -> list[Step]:
    return [Step(sql="", note="SQLite has no users")]


_STATEMENTS: dict[str, Callable[[exp.Expression], list[Step]]] = {
    "Create": _create,
    "Alter": alter,
    "Drop": _drop,
    "Insert": _rows,
    "Update": _rows,
    "Delete": _rows,
    "Select": _select,
    "TruncateTable": _truncate,
    "Comment": _comment,
    "Grant": _grant,
    "Revoke": _grant,
}
