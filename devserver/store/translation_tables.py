"""CREATE TABLE of PostgreSQL for SQLite."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sqlglot import exp

from devserver.store.translation_expressions import (
    Untranslatable,
    literal,
    name_of,
    shown,
    sql_of,
    table_of,
)

_TYPES = {
    "INT": "INT",
    "BIGINT": "BIGINT",
    "SMALLINT": "SMALLINT",
    "TEXT": "TEXT",
    "VARCHAR": "VARCHAR",
    "CHAR": "CHAR",
    "BOOLEAN": "BOOLEAN",
    "TIMESTAMP": "TIMESTAMP",
    "TIMESTAMPTZ": "TIMESTAMP",
    "DATE": "DATE",
    "TIME": "TIME",
    "DECIMAL": "NUMERIC",
    "DOUBLE": "REAL",
    "FLOAT": "REAL",
    "UUID": "CHAR(36)",
    "JSON": "TEXT",
    "JSONB": "TEXT",
    "ARRAY": "TEXT",
    "VARBINARY": "BLOB",
}
_SIZED = frozenset({"VARCHAR", "CHAR", "DECIMAL"})
_SERIAL = frozenset({"SERIAL", "BIGSERIAL", "SMALLSERIAL"})
_WHOLE = "typeof({}) IN ('integer', 'null')"
_CHECKS = {
    "INT": _WHOLE,
    "BIGINT": _WHOLE,
    "SMALLINT": _WHOLE,
    "BOOLEAN": "{} IN (0, 1)",
    "JSON": "{0} IS NULL OR json_valid({0})",
    "JSONB": "{0} IS NULL OR json_valid({0})",
    "ARRAY": "json_type({}) = 'array'",
}
"""What PostgreSQL would not take into a column of the type, SQLite must not keep either."""
_REFERENCE = re.compile(
    r"ON (DELETE|UPDATE) (CASCADE|SET NULL|SET DEFAULT|RESTRICT|NO ACTION)"
    r"|(NOT )?DEFERRABLE|INITIALLY (DEFERRED|IMMEDIATE)"
)
_COLLATIONS = {"c": "BINARY", "posix": "BINARY"}


@dataclass(slots=True)
class Column:
    """A column on its way: `constraints` are ready SQL."""

    name: str
    kind: str
    constraints: list[str] = field(default_factory=list)
    is_serial: bool = False
    is_key: bool = False
    is_unique: bool = False
    has_changing_default: bool = False

    def sql(self, *, alone_key: bool) -> str:
        """The column; `alone_key` says that it is the whole primary key."""
        if self.is_serial:
            if not alone_key:
                raise Untranslatable(f"SQLite counts only in a primary key, not in {self.name}")
            kept = [c for c in self.constraints if c not in ("NOT NULL", "NULL")]
            return " ".join([self.name, "INTEGER PRIMARY KEY AUTOINCREMENT", *kept])
        parts = [self.name, self.kind, *self.constraints]
        if self.is_key and "NOT NULL" not in parts:
            parts.append("NOT NULL")  # SQLite would take NULL into a primary key
        parts += ["PRIMARY KEY"] if alone_key else []
        parts += ["UNIQUE"] if self.is_unique else []
        return " ".join(parts)


def create_table(node: exp.Create) -> str:
    """CREATE TABLE, with or without AS. Raises Untranslatable."""
    if node.args.get("properties"):
        raise Untranslatable(f"SQLite does not know {shown(node.args['properties'])}")
    start = "CREATE TABLE " + ("IF NOT EXISTS " if node.args.get("exists") else "")
    if node.expression is not None:
        if isinstance(node.this, exp.Schema):
            raise Untranslatable("CREATE TABLE ... AS with a list of columns")
        return f"{start}{table_of(node.this)} AS {sql_of(node.expression)}"
    columns, others = [], []
    for part in node.this.expressions:
        if isinstance(part, exp.ColumnDef):
            columns.append(column(part))
        else:
            others.append(part)
    keys, constraints = _table_constraints(others)
    return f"{start}{table_of(node.this)} ({', '.join(_body(columns, keys, constraints))})"


def _body(columns: list[Column], keys: list[str] | None, constraints: list[str]) -> list[str]:
    own = [c.name for c in columns if c.is_key]
    key = keys if keys is not None else own
    for one in columns:
        one.is_key = one.name in key
    lines = [c.sql(alone_key=key == [c.name]) for c in columns]
    if len(key) > 1:
        lines.append(f"PRIMARY KEY ({', '.join(key)})")
    return lines + constraints


def column(node: exp.ColumnDef) -> Column:
    """One column with its constraints. Raises Untranslatable."""
    kind = node.args.get("kind")
    if not isinstance(kind, exp.DataType):
        raise Untranslatable(f"the column {shown(node)} has no type")
    word = kind.this.name if isinstance(kind.this, exp.DataType.Type) else str(kind.this)
    found = Column(name_of(node.this), _type(kind, word), is_serial=word in _SERIAL)
    for constraint in node.args.get("constraints") or ():
        _constrain(found, constraint, word)
    check = _CHECKS.get(word)
    if check:
        found.constraints.append(f"CHECK ({check.format(found.name)})")
    return found


def _type(kind: exp.DataType, word: str) -> str:
    if word == "USERDEFINED" and str(kind.args.get("kind")).lower() == "citext":
        return "TEXT COLLATE NOCASE"
    if word in _SERIAL:
        return "INTEGER"
    if word not in _TYPES:
        raise Untranslatable(f"SQLite has no type {kind.sql('postgres')}")
    sizes = ", ".join(p.sql("postgres") for p in kind.expressions) if word in _SIZED else ""
    return _TYPES[word] + (f"({sizes})" if sizes else "")


def _constrain(to: Column, node: exp.Expression, word: str) -> None:
    kind = node.args.get("kind")
    before = f"CONSTRAINT {name_of(node.this)} " if node.args.get("this") else ""
    if isinstance(kind, exp.NotNullColumnConstraint):
        to.constraints.append("NULL" if kind.args.get("allow_null") else "NOT NULL")
    elif isinstance(kind, exp.PrimaryKeyColumnConstraint):
        to.is_key = True
    elif isinstance(kind, exp.UniqueColumnConstraint):
        _plain_unique(kind)
        to.is_unique = True
    elif isinstance(kind, exp.DefaultColumnConstraint):
        to.constraints.append(f"DEFAULT {_default(to, kind.this, word)}")
    elif isinstance(kind, exp.CheckColumnConstraint):
        to.constraints.append(f"{before}CHECK ({sql_of(kind.this)})")
    elif isinstance(kind, exp.Reference):
        to.constraints.append(before + reference(kind))
    elif isinstance(kind, exp.GeneratedAsIdentityColumnConstraint):
        if any(v for k, v in kind.args.items() if k not in ("this", "on_null")):
            raise Untranslatable("SQLite counts from 1, in steps of 1")
        to.is_serial = True
    elif isinstance(kind, exp.ComputedColumnConstraint):
        to.constraints.append(f"GENERATED ALWAYS AS ({sql_of(kind.this)}) STORED")
    elif isinstance(kind, exp.CollateColumnConstraint) and kind.name.lower() in _COLLATIONS:
        to.constraints.append(f"COLLATE {_COLLATIONS[kind.name.lower()]}")
    else:
        raise Untranslatable(f"SQLite does not know {shown(kind or node)}")


def _default(to: Column, value: exp.Expression, word: str) -> str:
    if isinstance(value, exp.Cast) and isinstance(value.this, exp.Literal):
        value = literal(value.this, value.to.this.name, what=value)
    elif isinstance(value, exp.Literal) and value.is_string and word in _TYPES:
        value = _as_kept(value, word)
    text = sql_of(value)
    number = value.this if isinstance(value, exp.Neg) else value
    if isinstance(number, (exp.Literal, exp.Boolean, exp.Null)):
        return text
    to.has_changing_default = True
    return text if text == "CURRENT_TIMESTAMP" else f"({text})"


def _as_kept(value: exp.Literal, word: str) -> exp.Expression:
    return value if word in ("VARBINARY", "TIME") else literal(value, word, what=value)


def reference(node: exp.Reference) -> str:
    """`REFERENCES table (columns) ...`. Raises Untranslatable."""
    target = node.this
    text = f"REFERENCES {table_of(target)}"
    if isinstance(target, exp.Schema):
        text += f" ({_names(target.expressions)})"
    options = [str(option) for option in node.args.get("options") or ()]
    for option in options:
        if option != "MATCH SIMPLE" and not _REFERENCE.fullmatch(option):
            raise Untranslatable(f"SQLite does not know {option} of a foreign key")
    return " ".join([text, *(o for o in options if o != "MATCH SIMPLE")])


def _table_constraints(nodes: list[exp.Expression]) -> tuple[list[str] | None, list[str]]:
    """The columns of a primary key, if there is one, and the other constraints as SQL."""
    keys, found = None, []
    for node in nodes:
        inner = node.expressions[0] if isinstance(node, exp.Constraint) else node
        if isinstance(inner, exp.PrimaryKey):
            keys = [name_of(e) for e in inner.expressions]
        else:
            found.append(table_constraint(node))
    return keys, found


def table_constraint(node: exp.Expression) -> str:
    """UNIQUE, CHECK or FOREIGN KEY of a table, with its name. Raises Untranslatable."""
    if not isinstance(node, exp.Constraint):
        return _table_constraint(node)
    if len(node.expressions) != 1:
        raise Untranslatable(f"SQLite does not know {shown(node)}")
    return f"CONSTRAINT {name_of(node.this)} {_table_constraint(node.expressions[0])}"


def _table_constraint(node: exp.Expression) -> str:
    if isinstance(node, exp.UniqueColumnConstraint) and isinstance(node.this, exp.Schema):
        _plain_unique(node)
        return f"UNIQUE ({_names(node.this.expressions)})"
    if isinstance(node, exp.CheckColumnConstraint):
        return f"CHECK ({sql_of(node.this)})"
    if isinstance(node, exp.ForeignKey) and isinstance(node.args.get("reference"), exp.Reference):
        options = node.args.get("options")
        if options:
            raise Untranslatable(f"SQLite does not know {shown(node)}")
        return f"FOREIGN KEY ({_names(node.expressions)}) {reference(node.args['reference'])}"
    raise Untranslatable(f"SQLite does not know {shown(node)}")


def unique_columns(node: exp.Expression) -> list[str] | None:
    """The columns of `UNIQUE (...)`; None for another constraint."""
    if not isinstance(node, exp.UniqueColumnConstraint) or not isinstance(node.this, exp.Schema):
        return None
    _plain_unique(node)
    return [name_of(e) for e in node.this.expressions]


def _plain_unique(node: exp.UniqueColumnConstraint) -> None:
    include = node.args.get("include")
    if node.args.get("nulls") or (include and any(include.args.values())):
        raise Untranslatable(f"SQLite does not know {shown(node)}")


def _names(nodes: list[exp.Expression]) -> str:
    return ", ".join(name_of(node) for node in nodes)
