"""The effective configuration of a plugin: its layers, lowest first."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from devserver.core.config_layers import (
    DEFAULTS,
    ENVIRONMENT,
    PLUGIN,
    PLUGIN_ENVIRONMENT,
    PROJECT,
    ConfigLayer,
    LayeredConfig,
    line_of,
)
from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.manifest import Manifest
from devserver.core.names import normalise
from devserver.core.source import PluginSource, digest_of
from devserver.runtime.project import Project

PLUGINS_FILE = "config/plugins.yaml"
ENVIRONMENTS_FILE = "config/environments.yaml"
_MANIFEST = "manifest.json"
_CORRECT = "correct the file and save; the former configuration stays until then"
_QUOTED = re.compile(r" '[^'<]{2,}'")
"""What YAML took for the name of a tag or an anchor may be a secret that begins like one."""


_STAGES = frozenset({"development", "production", "staging", "test", "testing"})
"""Environments that are known without being named in config/environments.yaml."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the project, as it was when it was last in order."""

    value: Mapping[str, Any] = field(default_factory=dict)
    content: bytes = b""


class Configuration:
    """Reads the layers: defaults of the manifest, the plugin's config/default.yaml and
    config/ENVIRONMENT.yaml, the project's config/plugins.yaml and config/environments.yaml.

    SYSCTL_ENV picks the environment (default: development).
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._plugins = _File()
        self._environments = _File()
        self.environment = os.environ.get("SYSCTL_ENV") or "development"

    def read(self) -> tuple[Diagnostic, ...]:
        """Reads the project's files anew; an invalid one keeps its former content and is told."""
        self._plugins, about_plugins = self._read_file(PLUGINS_FILE, self._plugins)
        self._environments, more = self._read_file(ENVIRONMENTS_FILE, self._environments)
        return (*about_plugins, *more)

    def sections(self) -> dict[str, dict[str, Any]]:
        """Key → layer → what the project's files have for a plugin, in this environment."""
        found: dict[str, dict[str, Any]] = {}
        for layer, _, _, section, _ in self._project_layers():
            for plugin, values in section.items() if isinstance(section, Mapping) else ():
                if values is not None and values != {}:
                    found.setdefault(normalise(str(plugin)), {}).setdefault(layer, values)
        return found

    def effective(
        self, source: PluginSource, manifest: Manifest, depends: Iterable[str] = ()
    ) -> tuple[LayeredConfig, tuple[Diagnostic, ...]]:
        """The plugin's configuration, and what is wrong with its own layers. `depends` are
        further files that it is made of, relative to the project."""
        layers = [_defaults(source, manifest)]
        problems: list[Diagnostic] = []
        for name, relative in self._own_files():
            file = None if source.single_file else source.files.get(relative)
            if file is not None:
                place = source.project_path(relative)
                value, problem = _mapping(file.content, place, source.name)
                layers.append(
                    ConfigLayer(name=name, values=value, file=place, content=file.content)
                )
                problems += [problem] if problem else []
        for name, file_name, path, section, content in self._project_layers():
            key, value, problem = _for_plugin(section, source.name, file_name, path)
            if problem is not None:
                problem = replace(problem, line=line_of(content, (*path, key)))
            layers.append(
                ConfigLayer(
                    name=name, values=value, file=file_name, path=(*path, key), content=content
                )
            )
            problems += [problem] if problem else []
        digests = {path: self._digest_of(path) for path in depends}
        return LayeredConfig(layers, digests), tuple(problems)

    def is_layer(self, relative: str) -> bool:
        """True for a file of a plugin that is nothing but one of its layers, in whichever
        environment."""
        folder, _, name = relative.rpartition("/")
        known = {"default", self.environment, *_STAGES, *map(str, self._environments.value)}
        return folder == "config" and name.endswith(".yaml") and name[:-5] in known

    def _own_files(self) -> tuple[tuple[str, str], ...]:
        return (
            (PLUGIN, "config/default.yaml"),
            (PLUGIN_ENVIRONMENT, f"config/{self.environment}.yaml"),
        )

    def _read_file(self, name: str, former: _File) -> tuple[_File, tuple[Diagnostic, ...]]:
        try:
            content = (self._project.root / name).read_bytes()
        except FileNotFoundError:
            return _File(), ()
        except OSError as error:
            return former, (_problem(name, f"cannot be read: {error.strerror}"),)
        value, problem = _mapping(content, name)
        if problem is None and name == ENVIRONMENTS_FILE:
            problem = _misshapen(value, name, content)
        return (_File(value, content), ()) if problem is None else (former, (problem,))

    def _project_layers(self) -> Iterator[tuple[str, str, tuple[str, ...], Any, bytes]]:
        """The project's mappings of plugin to configuration: each with its layer, its file, the
        keys that lead to it there, and the file's content."""
        yield PROJECT, PLUGINS_FILE, (), self._plugins.value, self._plugins.content
        environment = self._environments.value.get(self.environment)
        if isinstance(environment, Mapping):
            path, content = (self.environment, "plugins"), self._environments.content
            yield ENVIRONMENT, ENVIRONMENTS_FILE, path, environment.get("plugins"), content

    def _digest_of(self, path: str) -> str | None:
        try:
            return digest_of((self._project.root / path).read_bytes())
        except (OSError, ValueError):
            return None


def _defaults(source: PluginSource, manifest: Manifest) -> ConfigLayer:
    file = source.files.get(_MANIFEST)
    return ConfigLayer(
        name=DEFAULTS,
        values={key: option.default for key, option in manifest.configuration.items()},
        file=None if file is None else source.project_path(_MANIFEST),
        path=("configuration",),
        below=("default",),
        content=b"" if file is None else file.content,
    )


def _for_plugin(
    section: Any, name: str, file: str, path: tuple[str, ...]
) -> tuple[str, Mapping[str, Any], Diagnostic | None]:
    """How the file spells the plugin, what it says of it, and what is wrong with that."""
    if not isinstance(section, Mapping):
        return name, {}, None
    for key, value in section.items():
        if normalise(str(key)) != normalise(name) or value is None:
            continue
        if isinstance(value, Mapping):
            return str(key), value, None
        return str(key), {}, _no_mapping(file, (*path, str(key)), value, name)
    return name, {}, None


def _mapping(
    content: bytes, file: str, plugin: str | None = None
) -> tuple[Mapping[str, Any], Diagnostic | None]:
    try:
        value = yaml.safe_load(content)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = None if mark is None else mark.line + 1
        column = None if mark is None else mark.column + 1
        fact, hint = _QUOTED.sub("", str(error.problem)), _CORRECT
        if fact != error.problem:
            hint = "put quotes around a value that begins with `!`, `*` or `&`"
        return {}, _problem(file, f"no valid YAML: {fact}", plugin, line, column, hint=hint)
    except yaml.YAMLError as error:
        return {}, _problem(file, f"no valid YAML: {error}", plugin)
    except (ValueError, RecursionError) as error:
        # A date that no calendar has, a number of thousands of digits, or endless nesting.
        return {}, _problem(file, f"holds a value that cannot be read: {error}", plugin)
    if value is None:
        return {}, None
    if not isinstance(value, Mapping):
        return {}, _problem(file, f"must be a mapping, not {_kind(value)}", plugin, 1)
    return value, None


def _misshapen(environments: Mapping[str, Any], file: str, content: bytes) -> Diagnostic | None:
    """What is wrong above the level of the single plugin."""
    for name, environment in environments.items():
        if environment is not None and not isinstance(environment, Mapping):
            told = _no_mapping(file, (str(name),), environment)
            return replace(told, line=line_of(content, (str(name),)))
        plugins = None if environment is None else environment.get("plugins")
        if plugins is not None and not isinstance(plugins, Mapping):
            told = _no_mapping(file, (str(name), "plugins"), plugins)
            return replace(told, line=line_of(content, (str(name), "plugins")))
    return None


def _no_mapping(
    file: str, path: tuple[str, ...], value: Any, plugin: str | None = None
) -> Diagnostic:
    return _problem(
        file,
        f"{'.'.join(path)} must be a mapping of keys to values, not {_kind(value)}",
        plugin,
        code="CFG003",
        hint=f"write the keys below `{path[-1]}:`, indented, each as `key: value`",
    )


def _kind(value: Any) -> str:
    """What a value is, without telling it: it may be a secret."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    return "a list" if isinstance(value, (list, tuple, set)) else "text"


def _problem(
    file: str,
    message: str,
    plugin: str | None = None,
    line: int | None = None,
    column: int | None = None,
    *,
    code: str = "CFG001",
    hint: str = _CORRECT,
) -> Diagnostic:
    return Diagnostic(
        code=code,
        severity=Severity.ERROR,
        message=message,
        plugin=plugin,
        file=file,
        line=line,
        column=column,
        hint=hint,
    )
