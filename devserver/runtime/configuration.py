"""The effective configuration of a plugin: its layers, lowest first."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import yaml

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.manifest import Manifest
from devserver.core.names import normalise
from devserver.core.source import PluginSource
from devserver.runtime.project import Project


class Configuration:
    """Reads the layers: defaults of the manifest, the plugin's config/default.yaml and
    config/ENVIRONMENT.yaml, the project's config/plugins.yaml and config/environments.yaml.

    SYSCTL_ENV picks the environment (default: development).
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._plugins: Mapping[str, Any] = {}
        self._environments: Mapping[str, Any] = {}
        self.environment = os.environ.get("SYSCTL_ENV", "development")

    def read(self) -> tuple[Diagnostic, ...]:
        """Reads the project's files anew; an invalid one keeps its former content and is told."""
        problems: list[Diagnostic] = []
        folder = self._project.root / "config"
        files = (("_plugins", "plugins.yaml"), ("_environments", "environments.yaml"))
        for attribute, name in files:
            try:
                content = (folder / name).read_bytes()
            except FileNotFoundError:
                setattr(self, attribute, {})
                continue
            except OSError as error:
                problems.append(_problem(f"config/{name}", f"cannot be read: {error.strerror}"))
                continue
            value, problem = _mapping(content, f"config/{name}")
            if problem is None and name == "environments.yaml":
                problem = _misshapen(value, f"config/{name}")
            if problem is None:
                setattr(self, attribute, value)
            else:
                problems.append(problem)
        return tuple(problems)

    def effective(
        self, source: PluginSource, manifest: Manifest
    ) -> tuple[Mapping[str, Any], tuple[Diagnostic, ...]]:
        """The plugin's configuration, and what is wrong with its own layers."""
        merged: dict[str, Any] = {
            key: option.default
            for key, option in manifest.configuration.items()
            if option.default is not None
        }
        problems: list[Diagnostic] = []
        for name in ("config/default.yaml", f"config/{self.environment}.yaml"):
            file = None if source.single_file else source.files.get(name)
            if file is not None:
                value, problem = _mapping(file.content, source.project_path(name), source.name)
                merged.update(value)
                problems += [problem] if problem else []
        for section, where, path in self._project_layers():
            value, problem = _for_plugin(section, source.name, where, path)
            merged.update(value)
            problems += [problem] if problem else []
        return MappingProxyType(merged), tuple(problems)

    def _project_layers(self) -> Iterator[tuple[Any, str, tuple[str, ...]]]:
        """The project's mappings of plugin to configuration: each with its file, and the keys
        that lead to it there."""
        yield self._plugins, "config/plugins.yaml", ()
        environment = self._environments.get(self.environment)
        if isinstance(environment, Mapping):
            path = (self.environment, "plugins")
            yield environment.get("plugins"), "config/environments.yaml", path


def _for_plugin(
    section: Any, name: str, file: str, path: tuple[str, ...]
) -> tuple[Mapping[str, Any], Diagnostic | None]:
    if not isinstance(section, Mapping):
        return {}, None
    for key, value in section.items():
        if normalise(str(key)) != normalise(name) or value is None:
            continue
        if isinstance(value, Mapping):
            return value, None
        return {}, _no_mapping(file, (*path, str(key)), value, name)
    return {}, None


def _mapping(
    content: bytes, file: str, plugin: str | None = None
) -> tuple[Mapping[str, Any], Diagnostic | None]:
    try:
        value = yaml.safe_load(content)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = None if mark is None else mark.line + 1
        column = None if mark is None else mark.column + 1
        return {}, _problem(file, f"no valid YAML: {error.problem}", plugin, line, column)
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


def _misshapen(environments: Mapping[str, Any], file: str) -> Diagnostic | None:
    """What is wrong above the level of the single plugin."""
    for name, environment in environments.items():
        if environment is not None and not isinstance(environment, Mapping):
            return _no_mapping(file, (str(name),), environment)
        plugins = None if environment is None else environment.get("plugins")
        if plugins is not None and not isinstance(plugins, Mapping):
            return _no_mapping(file, (str(name), "plugins"), plugins)
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
    hint: str = "correct the file and save; the former configuration stays until then",
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
