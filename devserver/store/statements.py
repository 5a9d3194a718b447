"""Splits the text of a migration into statements, and says which of them may not be in one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from devserver.store.sql_tokens import Dialect, Token, Unfinished, tokens_of

_TRANSACTIONS = "begin commit rollback end start abort savepoint release"
_ALONE = {
    "vacuum": "VACUUM",
    "attach": "ATTACH",
    "detach": "DETACH",
    "listen": "LISTEN",
    "discard": "DISCARD",
    "reset": "RESET",
    "copy": "COPY",
    "load": "LOAD",
}
"""First words of statements that cannot run in a transaction, or act beyond it."""
_LASTING = frozenset({"set_config", "dblink", "dblink_exec"})
_PRAGMAS = frozenset({"defer_foreign_keys", "foreign_key_check"})
_SETTINGS = frozenset({"search_path", "role", "session", "transaction", "schema"})
_PLACES = "from join into update table references truncate on using view only copy lock"
"""Words that a table's name may follow."""
_BETWEEN = "if not exists only table column concurrently lateral"
_LISTS = frozenset({"from", "table", "truncate", "using", "view", "lock"})
"""Words that a list of tables may follow."""
_NO_LIST = "select where set values group order having limit returning by"
_CORE_SCHEMAS = frozenset({"public", "main"})


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its semicolon; `start` is where it begins in the file's text, and
    `line` (from 1) the line of its first word."""

    text: str
    start: int
    line: int
    tokens: tuple[Token, ...]

    @property
    def words(self) -> list[str]:
        """Its words in lower case, without names that are quoted."""
        return [t.value for t in self.tokens if t.kind == "word"]

    def begins(self, *words: str) -> bool:
        return self.words[: len(words)] == list(words)


def split(sql: str, dialect: Dialect) -> list[Statement]:
    """The statements of a text. Semicolons in strings, comments, parentheses and the bodies of
    functions and triggers end none. Raises Unfinished."""
    found: list[Statement] = []
    current: list[Token] = []
    depth = 0
    for token in tokens_of(sql, dialect):
        if token.kind == "mark" and token.value in "()":
            depth = max(0, depth + (1 if token.value == "(" else -1))
        if token.kind == "mark" and token.value == ";" and depth == 0 and not _in_body(current):
            if current:
                found.append(_statement(sql, current))
            current = []
        else:
            current.append(token)
    if current:
        if _in_body(current) and not _ended(current):
            raise Unfinished("a body that BEGIN opens", current[0].start)
        found.append(_statement(sql, current))
    return found


def _statement(sql: str, tokens: Sequence[Token]) -> Statement:
    start = tokens[0].start
    return Statement(
        text=sql[start : tokens[-1].end],
        start=start,
        line=sql.count("\n", 0, start) + 1,
        tokens=tuple(tokens),
    )


def _in_body(tokens: Sequence[Token]) -> bool:
    """True within `BEGIN ... END` of a trigger, and `BEGIN ATOMIC ... END` of a function."""
    words = [t.value for t in tokens[:4] if t.kind == "word"]
    if words[:1] != ["create"]:
        return False
    is_trigger = "trigger" in words[1:4]
    for number, token in enumerate(tokens):
        if token.kind == "word" and token.value == "begin":
            following = tokens[number + 1].value if number + 1 < len(tokens) else ""
            if is_trigger or following == "atomic":
                return not _ended(tokens)
    return False


def _ended(tokens: Sequence[Token]) -> bool:
    """An END that closes a body follows a semicolon; that of CASE never does."""
    last = [t.value for t in tokens[-2:]]
    return len(last) == 2 and last[1] == "end" and last[0] in (";", "atomic", "begin")


def transaction_word(statement: Statement) -> str | None:
    """The statement's beginning, in capitals, when it begins or ends a transaction."""
    words = statement.words
    if not words:
        return None
    if words[0] in _TRANSACTIONS.split() or words[:2] == ["prepare", "transaction"]:
        return " ".join(words[: 2 if words[0] in ("start", "prepare", "savepoint") else 1]).upper()
    return None


def lasting_effect(statement: Statement) -> str | None:
    """What the statement does, in a word, when it cannot be undone by a roll back or acts on more
    than the schema and its rows: it could not run in one transaction with the others."""
    words = statement.words
    first = words[0] if words else ""
    if first in _ALONE:
        return _ALONE[first]
    if "concurrently" in words and first in ("create", "drop", "reindex", "refresh"):
        return "CONCURRENTLY"
    if first in ("create", "drop", "alter") and words[1:2] in (
        ["database"],
        ["tablespace"],
        ["system"],
        ["role"],
        ["user"],
    ):
        return " ".join(words[:2]).upper()
    if first == "pragma" and not _PRAGMAS & set(words[1:2]):
        return "PRAGMA " + "".join(words[1:2])
    if first == "set" and (words[1:2] != ["local"] or _SETTINGS & set(words[2:3])):
        return " ".join(words[:3]).upper()
    return next((f"{word}()" for word in words if word in _LASTING), None)


def mentioned(statement: Statement, names: Collection[str], dialect: Dialect) -> str | None:
    """The first of `names` (tables of the product) that the statement reads or changes."""
    return next(
        (name for name in _tables(statement.tokens, statement, dialect) if name in names), None
    )


def _tables(tokens: Sequence[Token], of: Statement, dialect: Dialect) -> Iterator[str]:
    lists: list[bool] = [False]
    expected = False
    number = 0
    while number < len(tokens):
        token = tokens[number]
        number += 1
        if token.kind == "mark":
            if token.value == "(":
                lists.append(expected)
            elif token.value == ")" and len(lists) > 1:
                lists.pop()
            expected = (token.value == "," and lists[-1]) or (token.value == "(" and expected)
        elif token.kind == "word" and token.value in _PLACES.split():
            expected = True
            lists[-1] = token.value in _LISTS
        elif token.kind == "word" and token.value in _NO_LIST.split():
            expected = lists[-1] = False
        elif token.kind == "code" or (token.kind == "text" and _is_body(of, tokens, number)):
            yield from _in_code(token.value, of, dialect)
        elif expected and token.is_name and token.value not in _BETWEEN.split():
            parts, number = _qualified(tokens, number - 1)
            expected = False
            if len(parts) == 1 or parts[-2] in _CORE_SCHEMAS:
                yield parts[-1].lower()
            if len(parts) > 1:
                yield parts[0].lower()  # `table.column`, where a column may stand


def _qualified(tokens: Sequence[Token], number: int) -> tuple[list[str], int]:
    """The parts of `schema.table` that begin at `number`, and the number of what follows."""
    parts = [tokens[number].value]
    number += 1
    while number + 1 < len(tokens) and tokens[number].value == "." and tokens[number + 1].is_name:
        parts.append(tokens[number + 1].value)
        number += 2
    return parts, number


def _is_code(statement: Statement) -> bool:
    words = statement.words[:4]
    return words[:1] == ["do"] or (
        words[:1] == ["create"] and bool({"function", "procedure"} & set(words))
    )


def _is_body(statement: Statement, tokens: Sequence[Token], number: int) -> bool:
    before = tokens[number - 2].value if number > 1 else ""
    return _is_code(statement) and before in ("as", "do")


def _in_code(code: str, of: Statement, dialect: Dialect) -> Iterator[str]:
    """The tables in the body of a function; a body that cannot be cut up tells nothing here, the
    database refuses it."""
    if not _is_code(of):
        return
    try:
        inner = list(tokens_of(code, dialect))
    except Unfinished:
        return
    yield from _tables(inner, of, dialect)
