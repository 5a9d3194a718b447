"""What `get_database_schema()` answers, checked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_EXAMPLE = '{"collections": {"items": {"indexes": [{"field": "name", "unique": true}]}}}'
_LONGEST = 63
"""Characters of a name in PostgreSQL."""


class BadSchema(Exception):
    """The answer has not the shape; the message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index over a field of the documents; `field` may be a path, `address.city`."""

    field: str
    unique: bool

    @property
    def path(self) -> list[str]:
        return self.field.split(".")

    def name_in(self, table: str) -> str:
        kind = "uq" if self.unique else "ix"
        return shortened(f"{kind}_{table}_{self.field.replace('.', '__')}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """One collection, with the documents that it begins with."""

    name: str
    indexes: tuple[Index, ...]
    documents: tuple[Mapping[str, Any], ...]

    def table_of(self, plugin: str) -> str:
        """Its table: the plugin's name goes before it."""
        return shortened(f"{plugin}_{self.name}".lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSchema:
    """`values` is what `initial_data` has for no collection; `digest` changes with all of it."""

    collections: tuple[Collection, ...]
    values: Mapping[str, Any]
    digest: str


def shortened(name: str) -> str:
    """A name that both databases take, the same one each time."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def read_schema(answer: Any) -> CollectionSchema:
    """Checks `{"collections": {name: {"indexes": [{"field", "unique"}]}}, "initial_data": {}}`,
    all of which may be left out. Raises BadSchema."""
    whole = _mapping(answer, "get_database_schema()", "collections", "initial_data")
    collections = _mapping(whole.get("collections"), "collections")
    initial = _mapping(whole.get("initial_data"), "initial_data")
    try:
        text = json.dumps([collections, initial], sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadSchema(f"the schema is no JSON: {error}") from None
    return CollectionSchema(
        collections=tuple(_collection(n, v, initial.get(n)) for n, v in collections.items()),
        values={key: value for key, value in initial.items() if key not in collections},
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def _collection(name: Any, value: Any, documents: Any) -> Collection:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadSchema(f"collections: {name!r} is no name: letters, digits and `_`")
    where = f"collections.{name}"
    listed = _mapping(value, where, "indexes").get("indexes") or []
    if not isinstance(listed, (list, tuple)):
        raise BadSchema(f"{where}.indexes must be a list")
    indexes: dict[str, Index] = {}
    for number, one in enumerate(listed):
        index = _index(one, f"{where}.indexes[{number}]")
        if index.field in indexes:
            raise BadSchema(f"{where}.indexes: {index.field} is given twice")
        indexes[index.field] = index
    return Collection(
        name=name, indexes=tuple(indexes.values()), documents=_documents(name, documents)
    )


def _index(value: Any, where: str) -> Index:
    whole = {"field": value} if isinstance(value, str) else value
    given = _mapping(whole, where, "field", "unique")
    field, unique = given.get("field"), given.get("unique", False)
    if not isinstance(field, str) or not _FIELD.fullmatch(field):
        raise BadSchema(f"{where}.field: {field!r} is no field, such as `name` or `address.city`")
    if not isinstance(unique, bool):
        raise BadSchema(f"{where}.unique must be True or False")
    return Index(field=field, unique=unique)


def _documents(name: str, value: Any) -> tuple[Mapping[str, Any], ...]:
    listed = [] if value is None else [value] if isinstance(value, Mapping) else value
    if not isinstance(listed, (list, tuple)) or not all(isinstance(d, Mapping) for d in listed):
        raise BadSchema(f"initial_data.{name} must be a document, or a list of documents")
    return tuple(listed)


def _mapping(value: Any, where: str, *known: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadSchema(f"{where} must be a mapping, such as {_EXAMPLE}")
    for key in value:
        if known and key not in known:
            raise BadSchema(f"{where} has an unknown key {key!r}: it knows {', '.join(known)}")
        if not isinstance(key, str):
            raise BadSchema(f"{where} has a key that is no text: {key!r}")
    return value
