"""Analyses on disk: one file for each content, written whole or not at all.

A file is the SHA-256 of a JSON text, a newline, and the text.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import types
import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from devserver.validation.analysis import ModuleAnalysis

FORMAT = 3
"""Raised whenever analyses of the same content come out differently."""

_STAMP = f"{FORMAT}:{sys.implementation.cache_tag}:{sys.version_info[:3]}:{sys.platform}"
_OF_THE_PLACE = ("name", "file", "is_package")
"""What depends on where the content was found, and is not stored with it."""


class AnalysisStore:
    """Keeps what is known of a content under `folder`; a missing or damaged entry is no fault."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready = False
        self._unwritten: dict[str, ModuleAnalysis] = {}

    def find(self, digest: str, *, name: str, file: str, is_package: bool) -> ModuleAnalysis | None:
        """The analysis of a content, as that of the given module."""
        waiting = self._unwritten.get(digest)
        if waiting is not None:
            return replace(waiting, name=name, file=file, is_package=is_package)
        try:
            checksum, _, payload = self._entry(digest).read_bytes().partition(b"\n")
        except OSError:
            return None
        if hashlib.sha256(payload).hexdigest().encode() != checksum:
            return None
        stored = _decode(ModuleAnalysis, [name, file, is_package, *json.loads(payload)])
        return typing.cast(ModuleAnalysis, stored)

    def put(self, digest: str, analysis: ModuleAnalysis) -> None:
        """Keeps an analysis; it is on the disk after `flush`."""
        self._unwritten[digest] = analysis

    def flush(self) -> None:
        """Writes what was put; a cache that cannot be written is no fault. From any thread."""
        for digest, analysis in list(self._unwritten.items()):
            self._store(digest, analysis)
            self._unwritten.pop(digest, None)

    def _store(self, digest: str, analysis: ModuleAnalysis) -> None:
        with contextlib.suppress(OSError, ValueError):
            encoded = _encode(analysis)[len(_OF_THE_PLACE) :]
            payload = json.dumps(encoded, separators=(",", ":")).encode()
            if not self._ready:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._ready = True
            checksum = hashlib.sha256(payload).hexdigest().encode()
            self._write(self._entry(digest), checksum + b"\n" + payload)

    def _write(self, entry: Path, content: bytes) -> None:
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(name).replace(entry)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise

    def _entry(self, digest: str) -> Path:
        key = hashlib.sha256(f"{_STAMP}\0{digest}".encode()).hexdigest()
        return self._folder / f"{key}.json"


def _encode(value: Any) -> Any:
    """Dataclasses as lists of their fields' values, sets sorted."""
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if isinstance(value, (tuple, list)):
        return [_encode(v) for v in value]
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, dict):
        return value
    return [_encode(getattr(value, name)) for name in _field_names(value.__class__)]


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


def _decode(kind: type, values: list[Any]) -> Any:
    decoders = _decoders(kind)
    if len(values) != len(decoders):
        raise ValueError(f"{kind.__name__} has {len(decoders)} fields, not {len(values)}")
    return kind(**{n: d(v) for (n, d), v in zip(decoders, values, strict=True)})


@cache
def _decoders(kind: type) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    hints = typing.get_type_hints(kind)
    return tuple((f.name, _decoder(hints[f.name])) for f in fields(kind))


def _decoder(hint: Any) -> Callable[[Any], Any]:
    """What makes the value of a field from its JSON."""
    if isinstance(hint, types.UnionType):
        inner = _decoder(next(a for a in typing.get_args(hint) if a is not type(None)))
        return lambda value: None if value is None else inner(value)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        item = _decoder(arguments[0])
        return tuple if item is _as_is else lambda values: tuple(map(item, values))
    if origin is frozenset:
        return frozenset
    if is_dataclass(hint) and isinstance(hint, type):
        return lambda values: _decode(hint, values)
    return _as_is


def _as_is(value: Any) -> Any:
    return value
