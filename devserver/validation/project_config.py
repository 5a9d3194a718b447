"""The files that configure plugins, with the place of every value."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from devserver.core.names import normalise
from devserver.core.source import PluginSource, SourceFile
from devserver.core.yaml_text import KeyPath, Place, YamlDocument, read_yaml

PLUGINS = "config/plugins.yaml"
ENVIRONMENTS = "config/environments.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigText:
    """A YAML file as it was read: `file` is relative to the project."""

    file: str
    lines: tuple[str, ...]
    document: YamlDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one file says of a plugin: `values`, which stand at `path` in it. `is_active` is False
    for an environment that is not the present one."""

    text: ConfigText
    path: KeyPath
    values: Mapping[str, Any]
    is_active: bool = True

    def place(self, key: str, *, of_value: bool = False) -> Place | None:
        """Where a key stands, or what stands behind it."""
        places = self.text.document.values if of_value else self.text.document.keys
        return places.get((*self.path, key))


class ProjectConfigs:
    """Reads configuration files, each again only when it has changed. What cannot be read gives
    no layers: the host tells of that. For one thread at a time."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, ConfigText | None]] = {}

    def layers(self, source: PluginSource) -> Iterator[Layer]:
        """Everything that configures a plugin, lowest first, all environments included."""
        environment = os.environ.get("SYSCTL_ENV") or "development"
        if not source.single_file:
            for relative, file in source.files.items():
                if relative.startswith("config/") and relative.endswith(".yaml"):
                    yield from self._own(source, file, environment)
        plugins = self._read(source.base, PLUGINS)
        yield from _of_plugin(plugins, (), source.name, is_active=True)
        environments = self._read(source.base, ENVIRONMENTS)
        for name in _mapping(None if environments is None else environments.document.value):
            path = (name, "plugins")
            yield from _of_plugin(environments, path, source.name, is_active=name == environment)

    def strangers(self, source: PluginSource) -> Iterator[tuple[ConfigText, str, Place | None]]:
        """The top-level names of config/plugins.yaml, with their places."""
        text = self._read(source.base, PLUGINS)
        if text is not None:
            for name in _mapping(text.document.value):
                yield text, name, text.document.keys.get((name,))

    def _own(self, source: PluginSource, file: SourceFile, environment: str) -> Iterator[Layer]:
        path = str(file.path)
        known = self._known.get(path)
        if known is None or known[0] != file.digest:
            text = _parsed(source.project_path(file.relative), file.content)
            known = self._known[path] = (file.digest, text)
        text = known[1]
        if text is not None and isinstance(text.document.value, dict):
            stem = Path(file.relative).stem
            active = stem in ("default", environment)
            yield Layer(text=text, path=(), values=text.document.value, is_active=active)

    def _read(self, base: Path, name: str) -> ConfigText | None:
        path = f"{base}/{name}"
        try:
            status = os.stat(path)
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            known = self._known.get(path)
            if known is None or known[0] != stamp:
                known = self._known[path] = (stamp, _parsed(name, Path(path).read_bytes()))
        except OSError:
            return None
        return known[1]


@cache
def project_configs() -> ProjectConfigs:
    """The one of this process: files are the same for all that ask."""
    return ProjectConfigs()


def _parsed(file: str, content: bytes) -> ConfigText | None:
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        return None
    document = read_yaml(text)
    return ConfigText(file=file, lines=tuple(text.split("\n")), document=document)


def _of_plugin(
    text: ConfigText | None, path: tuple[str, ...], plugin: str, *, is_active: bool
) -> Iterator[Layer]:
    if text is None:
        return
    section = text.document.value
    for part in path:
        section = _mapping(section).get(part)
    for name, values in _mapping(section).items():
        if normalise(name) == normalise(plugin) and isinstance(values, dict):
            yield Layer(text=text, path=(*path, name), values=values, is_active=is_active)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
