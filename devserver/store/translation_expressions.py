"""Expressions and queries of PostgreSQL, as SQLite means the same. Everything that is not known to
mean the same is refused: nothing passes because the parser lets it pass."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlglot import ErrorLevel, exp, parse_one
from sqlglot.errors import SqlglotError

_PLAIN = """
    Column Identifier Table TableAlias Alias Star Literal Boolean Null Paren Tuple Values From Join
    Where Group Having Order Ordered Limit Offset Select Subquery Union Except Intersect With CTE
    Distinct Exists In Between EQ NEQ GT GTE LT LTE And Or Not Is NullSafeEQ NullSafeNEQ Add Sub
    Mul Div Mod Neg DPipe Case If Coalesce Nullif Lower Upper Length Abs Round Trim Count Sum Min
    Max Avg CurrentTimestamp CurrentDate Insert Update Delete Schema OnConflict Returning Window
    RowNumber Replace ILike
    """
"""Nodes that mean the same on both."""
_FUNCTIONS = {
    "json_build_object": "json_object",
    "jsonb_build_object": "json_object",
    "json_build_array": "json_array",
    "jsonb_build_array": "json_array",
}
_NOW = frozenset({"clock_timestamp", "statement_timestamp", "transaction_timestamp"})
_UUID = (
    "(lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || "
    "substr(hex(randomblob(2)), 2) || '-' || substr('89AB', 1 + abs(random() % 4), 1) || "
    "substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))"
)
_KEYWORDS = """
    add all alter and as autoincrement between case cast check collate commit constraint create
    default deferrable delete distinct drop else escape except exists foreign from group having if
    in index insert intersect into is isnull join limit not nothing notnull null on or order
    primary raise references returning select set table then to transaction union unique update
    using values when where
    """
"""Words that SQLite takes for no name unless they are quoted."""
_INTEGERS = frozenset({"INT", "BIGINT", "SMALLINT"})
_NUMBERS = frozenset({"DECIMAL", "DOUBLE", "FLOAT"})
_TEXTS = frozenset({"TEXT", "VARCHAR", "CHAR", "UUID"})
_MOMENTS = frozenset({"TIMESTAMP", "TIMESTAMPTZ", "DATE"})


class Untranslatable(Exception):
    """A part of a statement that has no sure translation; the message says which."""


def name_of(node: exp.Expression | None) -> str:
    """A name as SQLite reads it, quoted where it has to be."""
    if isinstance(node, exp.Column):
        node = node.this
    if not isinstance(node, exp.Identifier):
        raise Untranslatable(f"{shown(node)} is no plain name")
    name = str(node.this)
    if node.args.get("quoted") or name.lower() in _KEYWORDS.split():
        return '"' + name.replace('"', '""') + '"'
    return name


def table_of(node: exp.Expression | None) -> str:
    """A table's name; `public.` is left out, since SQLite has no schemas."""
    if isinstance(node, exp.Schema):
        node = node.this
    if not isinstance(node, exp.Table):
        raise Untranslatable(f"{shown(node)} is no plain name of a table")
    if node.args.get("catalog") or (node.db and node.db.lower() != "public"):
        raise Untranslatable(f"SQLite has no schemas, and {shown(node)} is in one")
    return name_of(node.this)


def shown(node: Any) -> str:
    """A part of the statement, shortened, as messages name it."""
    text = node.sql("postgres") if isinstance(node, exp.Expression) else str(node)
    return f"`{text[:60]}…`" if len(text) > 60 else f"`{text}`"


def sql_of(node: exp.Expression) -> str:
    """An expression or a whole query for SQLite. Raises Untranslatable."""
    # Under a node of its own, so that the root itself can be replaced.
    holder = exp.Paren(this=node.copy())
    for found in list(holder.this.walk(bfs=False))[::-1]:
        _translate(found)
    for found in list(holder.this.walk()):
        _quote(found)
    try:
        return str(holder.this.sql("sqlite", unsupported_level=ErrorLevel.RAISE))
    except SqlglotError as error:
        raise Untranslatable(str(error)) from None


def _translate(node: exp.Expression) -> None:
    kind = type(node).__name__
    special = _SPECIAL.get(kind)
    if special is not None:
        special(node)
    elif kind not in _PLAIN.split():
        raise Untranslatable(f"{shown(node)} has no sure translation")
    elif kind in _CHECKED:
        _CHECKED[kind](node)


def _quote(node: exp.Expression) -> None:
    if isinstance(node, exp.Identifier) and str(node.this).lower() in _KEYWORDS.split():
        node.set("quoted", True)


def _table(node: exp.Expression) -> None:
    table_of(node)
    node.set("db", None)
    if not set(_given(node)) <= {"this", "alias", "joins"}:
        raise Untranslatable(f"{shown(node)} has no sure translation")


def _only(*allowed: str) -> Any:
    def check(node: exp.Expression) -> None:
        for key in _given(node):
            if key not in allowed:
                raise Untranslatable(f"{shown(node)} has a part that SQLite does not know")

    return check


def _given(node: exp.Expression) -> list[str]:
    return [key for key, value in node.args.items() if value]


def _insert(node: exp.Expression) -> None:
    _only("this", "expression", "conflict", "returning", "with_", "with", "default")(node)
    source, conflict = node.args.get("expression"), node.args.get("conflict")
    if conflict and isinstance(source, exp.Select) and not source.args.get("where"):
        source.where("TRUE", copy=False)  # else SQLite takes ON for that of a join


def _conflict(node: exp.Expression) -> None:
    _only("expressions", "action", "conflict_keys", "index_predicate", "where")(node)
    keys = node.args.get("conflict_keys") or []
    node.set("conflict_keys", [key.this if isinstance(key, exp.Ordered) else key for key in keys])


def _var(node: exp.Expression) -> None:
    if str(node.this) not in ("DO NOTHING", "DO UPDATE"):
        raise Untranslatable(f"{shown(node)} cannot stand here on SQLite")


def _like(node: exp.Expression) -> None:
    """LIKE of SQLite takes no heed of case; GLOB does."""
    pattern = node.expression
    if not (isinstance(pattern, exp.Literal) and pattern.is_string) or "\\" in pattern.name:
        raise Untranslatable(f"{shown(node)}: LIKE tells no case apart on SQLite")
    text = "".join(
        {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}.get(c, c) for c in pattern.name
    )
    found: exp.Expression = exp.Glob(this=node.this, expression=exp.Literal.string(text))
    node.replace(exp.Not(this=found) if node.args.get("negate") else found)


def _uuid(node: exp.Expression) -> None:
    node.replace(parse_one(_UUID, dialect="sqlite"))


def _anonymous(node: exp.Expression) -> None:
    name = str(node.this).lower()
    if name in ("uuid_generate_v4", "gen_random_uuid"):
        _uuid(node)
    elif name in _NOW:
        node.replace(exp.CurrentTimestamp())
    elif name in _FUNCTIONS:
        node.set("this", _FUNCTIONS[name])
        _elements_of_json(node)
    elif name not in _FUNCTIONS.values():
        raise Untranslatable(f"SQLite has no function {name}() that does the same")


def _raw(node: exp.Expression) -> None:
    node.replace(exp.Literal.string(node.name))


def _array(node: exp.Expression) -> None:
    made = exp.Anonymous(this="json_array", expressions=node.expressions)
    _elements_of_json(made)
    node.replace(made)


def _elements_of_json(node: exp.Expression) -> None:
    """SQLite has numbers for true and false, so that only constants become the right JSON."""
    for part in list(node.expressions):
        if isinstance(part, exp.Boolean):
            word = exp.Literal.string("true" if part.this else "false")
            part.replace(exp.Anonymous(this="json", expressions=[word]))
        elif not isinstance(part, (exp.Literal, exp.Null, exp.Neg, exp.Anonymous)):
            raise Untranslatable(f"{shown(part)} may become other JSON on SQLite")


def _substring(node: exp.Expression) -> None:
    start = node.args.get("start")
    if not isinstance(start, exp.Literal) or start.is_string or start.name == "0":
        raise Untranslatable(f"{shown(node)} counts otherwise on SQLite")


def _distinct(node: exp.Expression) -> None:
    if node.args.get("on"):
        raise Untranslatable("SQLite has no DISTINCT ON")


def _in(node: exp.Expression) -> None:
    if not (node.expressions or node.args.get("query")):
        raise Untranslatable(f"{shown(node)} is not understood")


def _cast(node: exp.Expression) -> None:
    value, to = node.this, node.args["to"]
    kind = to.this.name if isinstance(to.this, exp.DataType.Type) else str(to.this)
    if isinstance(value, exp.Null):
        node.replace(value)
    elif isinstance(value, exp.Literal):
        node.replace(literal(value, kind, what=node))
    else:
        raise Untranslatable(f"{shown(node)}: SQLite converts values by other rules")


def literal(value: exp.Literal, kind: str, *, what: exp.Expression) -> exp.Expression:
    """A literal of PostgreSQL's type `kind`, as SQLite keeps it. Raises Untranslatable."""
    text = value.name
    try:
        if kind in _INTEGERS:
            return exp.Literal.number(int(text))
        if kind in _NUMBERS:
            float(text)
            return exp.Literal.number(text.strip())
        if kind in ("JSON", "JSONB"):
            json.loads(text)
            return exp.Literal.string(text)
        if kind == "BOOLEAN":
            return exp.Boolean(this=_BOOLEANS[text.strip().lower()])
        if kind in _MOMENTS:
            return exp.Literal.string(_moment(text))
        if kind == "ARRAY":
            return exp.Literal.string(json.dumps(_elements(text), ensure_ascii=False))
        if kind in _TEXTS:
            return exp.Literal.string(text)
    except (ValueError, KeyError):
        raise Untranslatable(f"{shown(what)} cannot be read as {kind}") from None
    raise Untranslatable(f"SQLite has no type {kind} ({shown(what)})")


_BOOLEANS = {
    **dict.fromkeys(("t", "true", "y", "yes", "on", "1"), True),
    **dict.fromkeys(("f", "false", "n", "no", "off", "0"), False),
}


def _moment(text: str) -> str:
    """As CURRENT_TIMESTAMP writes it: in UTC. Words such as 'now' are refused."""
    found = datetime.fromisoformat(text.strip())
    if found.tzinfo is None:
        return text.strip()
    return found.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _elements(text: str) -> list[str]:
    """The elements of `{a,b}`; what is nested or quoted is refused."""
    inner = text.strip()
    if not (inner.startswith("{") and inner.endswith("}")) or set(inner[1:-1]) & set('{}"\\'):
        raise ValueError(text)
    elements = [part.strip() for part in inner[1:-1].split(",")] if inner[1:-1].strip() else []
    if any(not e or e.lower() == "null" for e in elements):
        raise ValueError(text)
    return elements


def _nothing(_node: exp.Expression) -> None:
    """A part of something that is translated as a whole."""


_SPECIAL: dict[str, Any] = {
    "Table": _table,
    "Like": _like,
    "Uuid": _uuid,
    "Anonymous": _anonymous,
    "Array": _array,
    "RawString": _raw,
    "Substring": _substring,
    "Cast": _cast,
    "DataType": _nothing,
    "DataTypeParam": _nothing,
    "Var": _var,
}
_CHECKED: dict[str, Any] = {
    "In": _in,
    "Insert": _insert,
    "Delete": _only("this", "where", "returning", "with_", "with"),
    "Update": _only("this", "expressions", "from_", "from", "where", "returning", "with_", "with"),
    "OnConflict": _conflict,
    "Distinct": _distinct,
}
