"""The parts that all plugins share, and how a generation is put together from them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from devserver.core.config_layers import LayeredConfig
from devserver.core.errors import DatabaseUnavailable
from devserver.core.manifest import Manifest
from devserver.core.source import PluginSource
from devserver.runtime.bridge import GenerationHost
from devserver.runtime.code_cache import CodeCache
from devserver.runtime.events import EventBus
from devserver.runtime.finder import PluginFinder
from devserver.runtime.gate import Gate
from devserver.runtime.generation import Counters, Generation
from devserver.runtime.importing import ImportModule
from devserver.runtime.live import LiveGenerations
from devserver.runtime.loop import PluginLoop
from devserver.runtime.modules import ROOT, ModuleTable
from devserver.runtime.namespace import LiveRoot
from devserver.runtime.own_values import OwnValues
from devserver.runtime.patches import PatchBoard
from devserver.runtime.project import Project
from devserver.runtime.registry import Registry
from devserver.runtime.secrets import Secrets
from devserver.runtime.services import ServiceDirectory
from devserver.runtime.surroundings import Surroundings
from devserver.runtime.tracebacks import format_error
from devserver.runtime.uncaught import UncaughtErrors
from devserver.runtime.values import RunTimeValues
from devserver.runtime.work_database import NoDatabase, PluginDatabase, PluginSchema

_log = logging.getLogger("devserver.plugins")


class PluginSystem:
    """Registry, gate, loop, events, services and code cache of one host."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.registry = Registry()
        self.loop = PluginLoop()
        self.gate = Gate(self.registry, may_wait=lambda: not self.loop.is_current())
        self.values = RunTimeValues()
        self.secrets = Secrets()
        nothing = NoDatabase(DatabaseUnavailable("there is no database"))
        self.database: PluginDatabase = nothing
        self.schema: PluginSchema = nothing
        self.services = ServiceDirectory(self.registry, self.gate)
        self.bus = EventBus(
            self.registry, self.gate, self.loop, secrets=self.secrets, on_error=self.report
        )
        self.code = CodeCache(project.cache)
        self.live = LiveGenerations()
        self.patches = PatchBoard()
        self.surroundings = Surroundings()
        self.manager: Any = None
        self._finder = PluginFinder(self._table_for_import)
        self._import_module = ImportModule()
        self._uncaught = UncaughtErrors(self.report)
        self._staging: Mapping[str, ModuleTable] = {}
        self._before: dict[str, ModuleType] = {}
        self._counters: dict[str, Counters] = {}

    def start(self) -> None:
        """Starts the loop and answers imports below `plugins`."""
        self.loop.start()
        for name in [n for n in list(sys.modules) if n == ROOT or n.startswith(ROOT + ".")]:
            self._before[name] = sys.modules.pop(name)
        sys.modules[ROOT] = LiveRoot(ROOT, self.project.plugins)
        sys.meta_path.insert(0, self._finder)
        self._import_module.install()
        self._uncaught.install()
        self.surroundings.start()

    def stop(self) -> None:
        """Stops the loop and leaves the interpreter's imports as they were."""
        self.bus.stop()
        self.loop.stop()
        self.surroundings.stop()
        self._uncaught.uninstall()
        self._import_module.uninstall()
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        for name in [n for n in list(sys.modules) if n == ROOT or n.startswith(ROOT + ".")]:
            del sys.modules[name]
        sys.modules.update(self._before)

    def counters(self, key: str) -> Counters:
        """What is counted of a plugin (normalised) in this run, also while it is out of service."""
        return self._counters.setdefault(key, Counters())

    def requests_served(self) -> int:
        """Requests to plugins, of those that are gone too."""
        return sum(counters.requests for counters in list(self._counters.values()))

    def report(self, plugin: str, place: str, error: BaseException) -> str:
        """Logs what plugin code raised, with the plugin's own frames; gives the text."""
        text = self.secrets.mask(plugin, format_error(error))
        generation = self.registry.view.generation(plugin)
        if generation is not None:
            generation.counters.errors += 1
        logging.getLogger(f"plugins.{plugin}").error("%s failed\n%s", place, text)
        return text

    def staging(self, tables: Mapping[str, ModuleTable]) -> None:
        """Imports through sys.modules find these tables first, until called with none."""
        self._staging = tables

    def _table_for_import(self, key: str) -> ModuleTable | None:
        table = self._staging.get(key)
        if table is not None:
            return table
        generation = self.registry.view.generation(key)
        return None if generation is None else generation.table

    def new_generation(
        self,
        source: PluginSource,
        *,
        manifest: Manifest,
        candidate: Any,
        number: int,
        config: LayeredConfig,
        changes: Mapping[str, str | None] | None = None,
        resolve: Callable[[str], ModuleTable | None],
        predecessor: Generation | None,
    ) -> Generation:
        """A generation whose modules are not executed yet; `changes` are overrides of its
        configuration that are kept when it goes live."""
        generation = Generation(
            source=source,
            manifest=manifest,
            candidate=candidate,
            number=number,
            table=ModuleTable(source, cache=self.code, resolve=resolve),
            config=config,
        )
        self.surroundings.open(generation.table)
        generation.counters = self.counters(generation.key)
        if predecessor is not None:
            generation.connections = dict(predecessor.connections)
        generation.host = GenerationHost(
            generation,
            registry=self.registry,
            bus=self.bus,
            services=self.services,
            loop=self.loop,
            own=self._own_values(generation, changes or {}),
            database=lambda: self.database,
            manager=self.manager,
            report=self.report,
            patches=self.patches,
        )
        return generation

    def _own_values(self, generation: Generation, changes: Mapping[str, str | None]) -> OwnValues:
        own = OwnValues(generation, self.values, self.secrets)
        own.begin_with(changes)
        self.secrets.learn(generation.key, own.config(), generation.manifest)
        return own
