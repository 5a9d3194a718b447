"""ALTER of PostgreSQL for SQLite."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection
from sqlglot import exp

from devserver.store import sqlite_alter
from devserver.store.migration_steps import Step
from devserver.store.translation_expressions import (
    Untranslatable,
    name_of,
    shown,
    sql_of,
    table_of,
)
from devserver.store.translation_tables import Column, column, table_constraint, unique_columns

_KNOWN = frozenset({"this", "kind", "actions", "exists", "only"})


def alter(node: exp.Expression) -> list[Step]:
    """The steps of ALTER TABLE, ALTER INDEX or ALTER VIEW. Raises Untranslatable."""
    kind, actions = str(node.args.get("kind")).upper(), node.args.get("actions") or []
    if kind != "TABLE":
        raise Untranslatable(f"SQLite has no ALTER {kind}: drop it and create it again")
    if node.args.get("not_valid"):
        raise Untranslatable("SQLite has no NOT VALID")
    if any(isinstance(a, exp.AlterRename) for a in actions) and node.args.get("options"):
        raise Untranslatable("it is not understood: write RENAME COLUMN in full")
    unknown = {k for k, v in node.args.items() if v} - _KNOWN
    if unknown:
        raise Untranslatable(f"SQLite does not know all of {shown(node)}")
    table = table_of(node.this)
    steps = [step for action in actions for step in _action(table, action)]
    if node.args.get("exists"):
        there = partial(sqlite_alter.has_table, table=_bare(node.this))
        steps = [_guarded(step, there) for step in steps]
    return steps


def _guarded(step: Step, also: Callable[[Connection], bool]) -> Step:
    own = step.when

    def when(connection: Connection) -> bool:
        return also(connection) and (own is None or own(connection))

    return Step(sql=step.sql, note=step.note, run=step.run, when=when)


def _bare(node: exp.Expression) -> str:
    """A name without quotes, as SQLite keeps it."""
    while not isinstance(node, exp.Identifier):
        node = node.this
    return str(node.this)


def _action(table: str, action: exp.Expression) -> list[Step]:
    if isinstance(action, exp.AlterRename):
        return [Step(sql=f"ALTER TABLE {table} RENAME TO {table_of(action.this)}")]
    if isinstance(action, exp.RenameColumn):
        old, new = name_of(action.this), name_of(action.args["to"])
        return [Step(sql=f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")]
    if isinstance(action, exp.ColumnDef):
        return _add_column(table, action)
    if isinstance(action, exp.Drop) and str(action.args.get("kind")).upper() == "COLUMN":
        return _drop_column(table, action)
    if isinstance(action, exp.AlterColumn):
        return _alter_column(table, action)
    if isinstance(action, exp.AddConstraint):
        return [step for part in action.expressions for step in _add_constraint(table, part)]
    raise Untranslatable(f"SQLite cannot do {shown(action)}")


def _add_column(table: str, action: exp.ColumnDef) -> list[Step]:
    found = column(action)
    if found.is_serial or found.is_key:
        raise Untranslatable(f"SQLite adds no primary key or counter to a table ({found.name})")
    if any(c.startswith("GENERATED") for c in found.constraints):
        found.constraints = [c.replace(") STORED", ")") for c in found.constraints]
    steps = _added(table, found, _bare(action.this))
    if found.is_unique:
        index = f"{table}_{found.name}_key".replace('"', "")
        steps.append(Step(sql=f"CREATE UNIQUE INDEX {index} ON {table} ({found.name})"))
    if action.args.get("exists"):
        name = _bare(action.this)

        def missing(connection: Connection) -> bool:
            return not sqlite_alter.has_column(connection, table.strip('"'), name)

        if len(steps) > 1:
            raise Untranslatable("SQLite has no ADD COLUMN IF NOT EXISTS")
        steps = [_guarded(step, missing) for step in steps]
    return steps


def _added(table: str, found: Column, bare: str) -> list[Step]:
    found_unique, found.is_unique = found.is_unique, False
    text = found.sql(alone_key=False)
    found.is_unique = found_unique
    if not found.has_changing_default:
        return [Step(sql=f"ALTER TABLE {table} ADD COLUMN {text}")]
    late = [c for c in found.constraints if c == "NOT NULL" or c.startswith("DEFAULT ")]
    early = [c for c in found.constraints if c not in late]
    value = next(c.removeprefix("DEFAULT ") for c in late if c.startswith("DEFAULT "))
    plain = " ".join([found.name, found.kind, *early])
    add = sqlite_alter.change_column(table.strip('"'), bare, lambda had: [*late, *had])
    return [
        Step(sql=f"ALTER TABLE {table} ADD COLUMN {plain}"),
        Step(sql=f"UPDATE {table} SET {found.name} = {value}"),
        Step(sql=_told(table, bare, " ".join(late)), run=add, note=_EDITED),
    ]


_EDITED = "SQLite cannot do that itself: the text of the table is edited"


def _told(table: str, name: str, what: str) -> str:
    return f"-- {table}.{name}: {what}"


def _drop_column(table: str, action: exp.Drop) -> list[Step]:
    names = action.args.get("tables") or [action.this]
    steps = []
    for node in names:
        name, bare = name_of(node), _bare(node)
        pair = [
            Step(
                sql=_told(table, bare, "drop its indexes"),
                run=sqlite_alter.drop_indexes(table.strip('"'), bare),
                note="PostgreSQL drops them with the column",
            ),
            Step(sql=f"ALTER TABLE {table} DROP COLUMN {name}"),
        ]
        if action.args.get("cascade"):
            raise Untranslatable("SQLite has no CASCADE: drop what depends on the column first")
        if action.args.get("exists"):
            there = partial(sqlite_alter.has_column, table=table.strip('"'), column=bare)
            pair = [_guarded(step, there) for step in pair]
        steps += pair
    return steps


def _alter_column(table: str, action: exp.AlterColumn) -> list[Step]:
    bare, plain = _bare(action.this), table.strip('"')
    given = {key for key, value in action.args.items() if value not in (None, [])} - {"this"}
    if action.args.get("using") or action.args.get("collate"):
        raise Untranslatable(f"SQLite cannot do {shown(action)}")
    if action.args.get("dtype") is not None:
        kind = column(exp.ColumnDef(this=action.this, kind=action.args["dtype"])).kind
        run = sqlite_alter.retype(plain, bare, kind)
        return [Step(sql=_told(table, bare, f"TYPE {kind}"), run=run, note=_EDITED)]
    if action.args.get("default") is not None:
        value = sql_of(action.args["default"])
        default = f"DEFAULT ({value})"
        run = sqlite_alter.change_column(
            plain, bare, lambda had: [*_without(had, "default"), default]
        )
        return [Step(sql=_told(table, bare, f"SET {default}"), run=run, note=_EDITED)]
    if "allow_null" in given and action.args["allow_null"] is False:
        run = sqlite_alter.change_column(
            plain, bare, lambda had: [*_without(had, "not"), "NOT NULL"]
        )
        check = sqlite_alter.require_values(plain, bare)
        return [
            Step(sql=_told(table, bare, "has no NULL"), run=check),
            Step(sql=_told(table, bare, "SET NOT NULL"), run=run, note=_EDITED),
        ]
    if action.args.get("drop"):
        word = "not" if action.args.get("allow_null") else "default"
        run = sqlite_alter.change_column(plain, bare, lambda had: _without(had, word))
        what = "DROP NOT NULL" if word == "not" else "DROP DEFAULT"
        return [Step(sql=_told(table, bare, what), run=run, note=_EDITED)]
    raise Untranslatable(f"SQLite cannot do {shown(action)}")


def _without(constraints: list[str], word: str) -> list[str]:
    return [c for c in constraints if c.split()[0].lower() != word]


def _add_constraint(table: str, part: exp.Expression) -> list[Step]:
    inner = part.expressions[0] if isinstance(part, exp.Constraint) else part
    columns = unique_columns(inner)
    if columns is not None:
        default = "_".join([table, *columns, "key"]).replace('"', "")
        name = name_of(part.this) if isinstance(part, exp.Constraint) else default
        return [Step(sql=f"CREATE UNIQUE INDEX {name} ON {table} ({', '.join(columns)})")]
    text = table_constraint(part)
    run = sqlite_alter.add_constraint(table.strip('"'), text)
    return [Step(sql=f"-- {table}: ADD {text}", run=run, note=_EDITED)]
