"""The effective configuration of a plugin: its layers, lowest first."""

from __future__ import annotations

import os
from collections.abc import Mapping
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
        merged.update(_for_plugin(self._plugins, source.name))
        environment = self._environments.get(self.environment)
        if isinstance(environment, Mapping):
            merged.update(_for_plugin(environment.get("plugins"), source.name))
        return MappingProxyType(merged), tuple(problems)


def _for_plugin(section: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(section, Mapping):
        return {}
    for key, value in section.items():
        if normalise(str(key)) == normalise(name) and isinstance(value, Mapping):
            return value
    return {}


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
    if value is None:
        return {}, None
    if not isinstance(value, Mapping):
        return {}, _problem(file, "holds no mapping of keys to values", plugin, 1)
    return value, None


def _problem(
    file: str,
    message: str,
    plugin: str | None = None,
    line: int | None = None,
    column: int | None = None,
) -> Diagnostic:
    return Diagnostic(
        code="CFG001",
        severity=Severity.ERROR,
        message=message,
        plugin=plugin,
        file=file,
        line=line,
        column=column,
        hint="correct the file and save; the former configuration stays until then",
    )
