"""A plugin's configuration as the layers that it is made of, lowest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from devserver.core.yaml_text import KeyPath, YamlDocument, read_yaml

DEFAULTS = "manifest default"
PLUGIN = "plugin default"
PLUGIN_ENVIRONMENT = "plugin environment"
PROJECT = "project"
ENVIRONMENT = "environment"
OVERRIDE = "run time"
"""The layer that is set while the server runs, and kept in the database."""
_OF_PROJECT = (PROJECT, ENVIRONMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigLayer:
    """One source of values. They stand at `path` in `file` (relative to the project), each with
    `below` behind its key; `content` is that file as it was read."""

    name: str
    values: Mapping[str, Any]
    file: str | None = None
    path: KeyPath = ()
    below: KeyPath = ()
    content: bytes = field(default=b"", repr=False)

    def line(self, key: str) -> int | None:
        """The line (from 1) of a key, None where it is not known."""
        return line_of(self.content, (*self.path, key, *self.below))


def line_of(content: bytes, path: KeyPath) -> int | None:
    """The line (from 1) of the key at `path` in a YAML or JSON file, None where there is none."""
    place = _document(content).keys.get(path)
    return None if place is None else place.line


@lru_cache(maxsize=8)
def _document(content: bytes) -> YamlDocument:
    """JSON is YAML, but for tabs, which it has only between tokens."""
    return read_yaml(content.decode("utf-8-sig", errors="replace").replace("\t", " "))


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value comes from."""

    layer: str
    file: str | None = None
    line: int | None = None


class LayeredConfig(Mapping[str, Any]):
    """What the layers give together; a key without a value is as good as left out.

    `depends` are the digests of the further files that the plugin says its configuration is made
    of, None for one that is not there. Equal when values and these files are.
    """

    def __init__(
        self,
        layers: Iterable[ConfigLayer] = (),
        depends: Mapping[str, str | None] | None = None,
    ) -> None:
        self.layers = tuple(layers)
        self.depends = dict(depends or {})
        self._values = {
            key: value
            for layer in self.layers
            for key, value in layer.values.items()
            if value is not None
        }

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LayeredConfig):
            return self.depends == other.depends and alike(self._values, other._values)
        return alike(self._values, other) if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def sections(self) -> dict[str, Mapping[str, Any]]:
        """Layer → values, of those that stand in the project's own files."""
        return {x.name: x.values for x in self.layers if x.name in _OF_PROJECT and x.values}

    def origin(self, key: str) -> Origin | None:
        """Where the value of a key stands, None for a key without one."""
        for layer in reversed(self.layers):
            if layer.values.get(key) is not None:
                return Origin(layer=layer.name, file=layer.file, line=layer.line(key))
        return None


def alike(one: Any, other: Any) -> bool:
    """Equality of plain values that tells 1 from true and from 1.0, and finds NaN the same."""
    try:
        return _alike(one, other)
    except RecursionError:  # a YAML alias that contains itself
        return False


def _alike(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_alike(one[k], other[k]) for k in one)
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other or (one != one and other != other))


def with_overrides(
    config: Mapping[str, Any],
    overrides: Mapping[str, Any],
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The effective values: `overrides` over `config`. `changes` are still to be made to the
    overrides; what they have no value for (None) shows what `config` has."""
    changes = changes or {}
    kept = {k: v for k, v in overrides.items() if k not in changes}
    set_now = {k: v for k, v in changes.items() if v is not None}
    return {**config, **kept, **set_now}
