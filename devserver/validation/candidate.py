"""What validation knows of a plugin: its source, read and analysed, never run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Protocol

from devserver.core.diagnostics import Diagnostic
from devserver.core.manifest import Manifest
from devserver.core.names import normalise
from devserver.core.source import PluginSource
from devserver.validation.analysis import ModuleAnalysis
from devserver.validation.host_use import HostUse
from devserver.validation.lookup import Lookup
from devserver.validation.project_config import ProjectConfigs, project_configs
from devserver.validation.resolve import Environment, this_environment

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One plugin needs another. `name` is normalised. `kind` is `declared` or `imported`;
    `file` (relative to the project) and `line` say where. `specifier` is a PEP 440 set or ""."""

    name: str
    kind: str
    specifier: str = ""
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A plugin's source with its analysis.

    `modules` maps import names to analyses, of the files that could be parsed; `module_names`
    are all that can be imported, with those that could not be parsed and folders. `early` are the
    diagnostics that analysis itself met (a syntax error, a manifest that is no JSON). `use` is
    what the modules deal with the host in.
    """

    source: PluginSource
    manifest: Manifest
    modules: Mapping[str, ModuleAnalysis]
    dependencies: tuple[Dependency, ...]
    early: tuple[Diagnostic, ...] = ()
    module_names: frozenset[str] = frozenset()
    use: HostUse = field(default_factory=HostUse)

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def key(self) -> str:
        """The normalised name, by which plugins are looked up."""
        return normalise(self.source.name)

    @property
    def package(self) -> str:
        """The import name of the plugin, `plugins.NAME`."""
        return f"plugins.{self.key}"

    @property
    def entry_module(self) -> str:
        """The import name of the module that holds the plugin."""
        name = f"{self.package}.plugin"
        return name if name in self.module_names else self.package

    @property
    def config_dependencies(self) -> frozenset[str]:
        """Files of the project that its configuration is made of besides its layers: what the
        manifest and literal class attributes of that name say, but for paths that lead out."""
        found = set(self.manifest.config_dependencies)
        for analysis in self.modules.values():
            for cls in analysis.classes:
                stated = cls.attribute("config_dependencies")
                if stated is not None and isinstance(stated.value, list):
                    found.update(path for path in stated.value if isinstance(path, str))
        return frozenset(path for path in map(project_path, found) if path is not None)

    @property
    def is_core(self) -> bool:
        """What the manifest says, else a literal class attribute of that name."""
        if self.manifest.is_core is not None:
            return self.manifest.is_core
        entry = self.modules.get(self.entry_module)
        stated = (c.attribute("is_core") for c in (() if entry is None else entry.classes))
        return any(one is not None and one.value is True for one in stated)

    @property
    def is_whole(self) -> bool:
        """True when every file could be read: what is not seen is not there."""
        return not any(d.is_error for d in self.early)

    @property
    def manifest_file(self) -> str | None:
        """manifest.json relative to the project, None when there is none."""
        return self.source.project_path(MANIFEST) if MANIFEST in self.source.files else None


def project_path(path: str) -> str | None:
    """`./schemas/a.json` → `schemas/a.json`; None for what is not below the project."""
    parts = PurePosixPath(path).parts
    is_below = bool(parts) and not path.startswith("/") and ".." not in parts and "\0" not in path
    return "/".join(parts) if is_below else None


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a candidate is judged against.

    `plugins` is how all plugins would be after the change, by normalised name. `running` are
    the candidates of the live generations. `changed` are the keys under judgement. `disabled`
    are the keys of plugins that are not to be used. `unreadable` tells, by key, of plugins that
    are on disk but could not be read, and are in `plugins` as they were before or not at all.
    `overrides` are, by key, what configuration was set at run time, `configured` the keys that
    have a value in the running plugins. `environment` answers for what is outside, `configs` for
    the project's configuration files. `lookup` knows what names of `plugins` stand for,
    `lookup_before` what those of `running` do.
    """

    plugins: Mapping[str, Candidate]
    running: Mapping[str, Candidate]
    changed: frozenset[str]
    disabled: frozenset[str] = frozenset()
    unreadable: Mapping[str, Diagnostic] = field(default_factory=dict)
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    configured: Mapping[str, frozenset[str]] = field(default_factory=dict)
    environment: Environment = field(default_factory=this_environment)
    configs: ProjectConfigs = field(default_factory=project_configs)
    lookup: Lookup = field(init=False, repr=False, compare=False)
    lookup_before: Lookup = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lookup", Lookup(self.plugins))
        object.__setattr__(self, "lookup_before", Lookup(self.running))

    def may_run(self, key: str) -> bool:
        """False for a plugin that is out of service: nothing that is judged can hurt it now."""
        if key in self.disabled:
            return False
        return not self.running or key in self.running or key in self.changed

    def why_absent(self, key: str) -> str | None:
        """What keeps a plugin that is on disk from being known, with its file; or None."""
        found = self.unreadable.get(key)
        if found is None:
            return None
        reason = found.message.removeprefix("the file cannot be read: ")
        return f"plugin {found.plugin!r} cannot be read: {found.file}: {reason}"


class Validator(Protocol):
    """One check. A file in `validators/` defines a subclass-free class with these two members
    and a module attribute `validator` that is an instance of it."""

    name: str

    def check(self, candidate: Candidate, world: World) -> Iterable[Diagnostic]:
        """All findings on `candidate`; must not import or run anything of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationReport:
    """What the pipeline found, in order of plugin, file and line."""

    diagnostics: tuple[Diagnostic, ...]
    ms: float = 0.0

    @property
    def refused(self) -> bool:
        return any(d.is_error for d in self.diagnostics)
