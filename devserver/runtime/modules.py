"""The modules of one generation, and how its imports are resolved.

Each generation has its own module objects. Its code sees them through an `__import__` of its
own (in the `__builtins__` of its modules), so an old generation goes on seeing old modules and
a candidate sees candidates, while `sys.modules` shows the live generation to everybody else.
"""

from __future__ import annotations

import builtins
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from devserver.core.names import normalise
from devserver.core.source import PluginSource, SourceFile
from devserver.runtime.code_cache import CodeCache
from devserver.runtime.load_times import LoadTimes
from devserver.runtime.namespace import NamespaceRoot, packages_of

if TYPE_CHECKING:
    from importlib.resources.abc import TraversableResources

ROOT = "plugins"
NOT_ACTIVE = "is not there or not active"
"""What is said of a plugin that cannot be imported for now."""


class ModuleTable:
    """Executes the modules of a plugin's source on demand, each at most once.

    `resolve(key)` gives the table of another plugin as this generation is to see it, None when
    there is none; who was asked for is remembered in `imported`.
    """

    def __init__(
        self,
        source: PluginSource,
        *,
        cache: CodeCache,
        resolve: Callable[[str], ModuleTable | None],
    ) -> None:
        self.source = source
        self.package = f"{ROOT}.{normalise(source.name)}"
        self.modules: dict[str, ModuleType] = {}
        self.imported: set[str] = set()
        self.exposed = False
        self.times = LoadTimes()
        self._files = source.modules()
        self._packages = packages_of(self._files, self.package, single_file=source.single_file)
        self._cache = cache
        self._resolve = self._unpinned = resolve
        self._lock = threading.RLock()
        self._unfinished: set[str] = set()
        self._root = NamespaceRoot(ROOT, self.module_for)
        self._builtins = {**vars(builtins), "__import__": self._import}

    @property
    def key(self) -> str:
        return self.package.split(".")[1]

    def entry_name(self) -> str:
        """The module that holds the plugin: `plugins.NAME.plugin`, else the package itself."""
        name = f"{self.package}.plugin"
        return name if name in self._files else self.package

    def has(self, name: str) -> bool:
        """True when the plugin has a module of that import name."""
        return name in self._files or name in self._packages

    def is_package(self, name: str) -> bool:
        """True for a package of the plugin, with or without `__init__.py`."""
        return name in self._packages

    def file_of(self, name: str) -> SourceFile | None:
        """The file of a module; None for a folder without __init__.py."""
        return self._files.get(name)

    def code_of(self, file: SourceFile) -> CodeType:
        """The code object of one of the plugin's files.

        Raises SyntaxError or ValueError (null bytes) as `compile` does.
        """
        return self._cache.code(file.content, str(file.path))

    def load(self, name: str) -> ModuleType:
        """The module, executed.

        Raises ModuleNotFoundError, or whatever its body raises; it is then not in the table.
        """
        module = self.modules.get(name)
        # Half of a module is for the thread alone that executes it: others wait for the lock.
        if module is not None and name not in self._unfinished:
            return module
        with self._lock:
            parent, _, child = name.rpartition(".")
            owner = self.load(parent) if name != self.package else None
            module = self.modules.get(name)
            if module is None:
                with self.times.measure("module", name):
                    module = self._execute(name)
            if owner is not None:
                setattr(owner, child, module)
            return module

    def _execute(self, name: str) -> ModuleType:
        if not self.has(name):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        file = self._files.get(name)
        module = self._new_module(name, file)
        code = None if file is None else self.code_of(file)
        self._unfinished.add(name)
        self.modules[name] = module
        if self.exposed:
            sys.modules[name] = module
        try:
            if code is not None:
                exec(code, module.__dict__)  # noqa: S102 - loading plugins is what this is for
        except BaseException:  # plugin code raises anything; raised again
            self.modules.pop(name, None)
            if self.exposed and sys.modules.get(name) is module:
                del sys.modules[name]
            raise
        finally:
            self._unfinished.discard(name)
        return module

    def _new_module(self, name: str, file: SourceFile | None) -> ModuleType:
        spec = self.spec_of(name)
        module = ModuleType(name)
        module.__spec__ = spec
        module.__loader__ = spec.loader
        module.__package__ = spec.parent
        if file is not None:
            module.__file__ = str(file.path)
        if spec.submodule_search_locations is not None:
            module.__path__ = spec.submodule_search_locations
        module.__dict__["__builtins__"] = self._builtins
        return module

    def spec_of(self, name: str) -> importlib.machinery.ModuleSpec:
        """The spec of a module that the table has."""
        file = self._files.get(name)
        spec = importlib.machinery.ModuleSpec(
            name, GenerationLoader(self), origin=None if file is None else str(file.path)
        )
        spec.has_location = file is not None
        if name in self._packages:
            spec.submodule_search_locations = [str(self.folder_of(name))]
        return spec

    def folder_of(self, package: str) -> Path:
        """Where the files of a package of the plugin are."""
        return self.source.root.joinpath(*package.split(".")[2:])

    def pin(self, batch: Mapping[str, ModuleTable], depends_on: Collection[str]) -> None:
        """This generation is about to be replaced: what still runs of it sees `batch`, which is
        replaced with it, and the plugins that it has imported, for good as they are now.

        It keeps only what it has imported or `depends_on`: who leaves a thread behind keeps no
        dependent, which is seen while it exists.
        """
        resolve = self._unpinned
        found = {key: resolve(key) for key in list(self.imported)}
        kept = {key: table for key, table in found.items() if table is not None}
        kept |= {key: batch[key] for key in batch if key in depends_on or key in kept}
        others = WeakValueDictionary({k: t for k, t in batch.items() if k not in kept})
        self._resolve = lambda key: kept.get(key) or others.get(key) or resolve(key)

    def unpin(self) -> None:
        """It is not replaced after all."""
        self._resolve = self._unpinned

    def module_for(self, absolute: str) -> ModuleType:
        """The module of an absolute import name below `plugins`, of this or another plugin.

        Raises ModuleNotFoundError.
        """
        parts = absolute.split(".")
        if len(parts) == 1:
            return self._root
        if parts[1] == self.key:
            return self.load(absolute)
        table = self._resolve(parts[1])
        if table is None:
            raise ModuleNotFoundError(f"plugin {parts[1]!r} {NOT_ACTIVE}", name=absolute)
        self.imported.add(parts[1])
        return table.load(absolute)

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        absolute = name
        if level:
            package = (globals or {}).get("__package__") or ""
            absolute = importlib.util.resolve_name("." * level + name, package)
        if absolute != ROOT and not absolute.startswith(ROOT + "."):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        module = self.module_for(absolute)
        if not fromlist:
            return self._root if not level else module
        self._load_names(module, absolute, fromlist)
        return module

    def _load_names(self, module: ModuleType, absolute: str, names: Sequence[str]) -> None:
        """Submodules that a `from` import names are loaded, as the standard import does."""
        if not hasattr(module, "__path__"):
            return
        for name in names:
            if name == "*":
                if absolute != ROOT:
                    self._load_names(module, absolute, getattr(module, "__all__", ()))
            elif not hasattr(module, name):
                try:
                    self.module_for(f"{absolute}.{name}")
                except ModuleNotFoundError as error:
                    if error.name != f"{absolute}.{name}":
                        raise

    # -- what sys.modules shows --------------------------------------------------------------

    def expose(self) -> None:
        """Shows this table's modules in sys.modules, also those loaded later."""
        self.exposed = True
        sys.modules.update(self.modules)

    def conceal(self) -> None:
        """Takes them out again."""
        self.exposed = False
        for name, module in list(self.modules.items()):
            if sys.modules.get(name) is module:
                del sys.modules[name]


class GenerationLoader(importlib.abc.InspectLoader):
    """What `module.__loader__` is: tells the source that this generation was made from."""

    def __init__(self, table: ModuleTable) -> None:
        self.table = table

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return self.table.load(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: `create_module` gives it executed."""

    def get_source(self, fullname: str) -> str | None:
        file = self.table.file_of(fullname)
        return None if file is None else importlib.util.decode_source(file.content)

    def get_code(self, fullname: str) -> CodeType | None:
        file = self.table.file_of(fullname)
        return None if file is None else self.table.code_of(file)

    def is_package(self, fullname: str) -> bool:
        return self.table.is_package(fullname)

    def get_data(self, path: str) -> bytes:
        """The content of a file on disk; a relative path is seen from the plugin's folder.
        Raises OSError."""
        return (self.table.source.root / path).read_bytes()

    def get_resource_reader(self, fullname: str) -> TraversableResources | None:
        """What `importlib.resources` reads a package's files with; None for a module."""
        if not self.table.is_package(fullname):
            return None
        # Few plugins use it, and importlib.resources takes a while to import.
        from devserver.runtime.package_files import PackageFiles

        return PackageFiles(self.table.folder_of(fullname))
