"""What this interpreter can import, found without importing or executing anything."""

from __future__ import annotations

import importlib.machinery
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from devserver.validation.analysis import ModuleAnalysis
from devserver.validation.distributions import Distributions
from devserver.validation.lookup import GIVEN, Presence
from devserver.validation.outline import Unparsable, analyse_module

_BUILTIN_FINDERS = (importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter)
_FINDERS_OF_OURS = "devserver"
_HIDES_NAMES = re.compile(
    rb"\b(setattr|lazy\w*|attach\w*|import_module|__import__|__getattr__|meta_path)\b"
)
_HIDES_MODULES = re.compile(
    rb"\b(sys\.modules|import modules|lazy\w*|__getattr__|__path__|extend_path|meta_path)\b"
)
"""Words in a module that may give it names, or modules below it, that its text does not show."""


class Environment:
    """Answers for the interpreter that runs it. What was found is kept until a folder of
    sys.path changes, what was not found until the next `refresh()`."""

    def __init__(self) -> None:
        self._stamp: object = None
        self._specs: dict[str, ModuleSpec | None] = {}
        self._sources: dict[str, tuple[object, bytes | None]] = {}
        self._analyses: dict[str, tuple[bytes, ModuleAnalysis | None]] = {}
        self.distributions = Distributions()

    def forget(self) -> None:
        """Looks everything up anew from now on."""
        self._specs.clear()
        self._sources.clear()
        self._analyses.clear()
        self.distributions.forget()
        self._stamp = None

    def refresh(self) -> None:
        """Has modules seen that have been installed since the last time."""
        stamp = (tuple(sys.path), tuple(map(_stamp_of, sys.path)))
        if stamp != self._stamp:
            self.forget()
            importlib.machinery.PathFinder.invalidate_caches()
            self._stamp = stamp
        for name in [n for n, spec in self._specs.items() if spec is None]:
            del self._specs[name]

    # -- modules -----------------------------------------------------------------------------

    def module(self, name: str) -> Presence:
        """Whether an absolute name outside of `plugins` can be imported."""
        top, _, rest = name.partition(".")
        if name in sys.builtin_module_names or name in sys.modules:
            return Presence.PRESENT
        if self._spec(top) is None:
            return Presence.UNKNOWN if _is_promised(top) else Presence.ABSENT
        parent = top
        for part in rest.split(".") if rest else ():
            child = f"{parent}.{part}"
            if self._spec(child) is None:
                if child in sys.modules:
                    return Presence.PRESENT
                return Presence.UNKNOWN if self._may_hide_modules(parent) else Presence.ABSENT
            parent = child
        return Presence.PRESENT

    def _spec(self, name: str) -> ModuleSpec | None:
        if name not in self._specs:
            parent, _, _ = name.rpartition(".")
            self._specs[name] = self._find_below(name, parent) if parent else _find_top(name)
        return self._specs[name]

    def _find_below(self, name: str, parent: str) -> ModuleSpec | None:
        spec = self._spec(parent)
        if spec is None or spec.submodule_search_locations is None:
            return None
        return _path_spec(name, _locations(spec))

    # -- names -------------------------------------------------------------------------------

    def name(self, module: str, name: str) -> Presence:
        """Whether `from module import name` works; the module is there."""
        if name in GIVEN:
            return Presence.PRESENT
        loaded = sys.modules.get(module)
        if loaded is not None and name in vars(loaded):
            return Presence.PRESENT
        if self.module(f"{module}.{name}") is Presence.PRESENT:
            return Presence.PRESENT
        content = self._source(module)
        if content is None or _HIDES_NAMES.search(content):
            return Presence.UNKNOWN
        if _defines(content, name):
            return Presence.PRESENT
        analysis = self._analysis(module, content)
        if analysis is None or analysis.is_open or _has_star(analysis):
            return Presence.UNKNOWN
        return Presence.PRESENT if name in analysis.bound else Presence.ABSENT

    def names_in(self, module: str) -> list[str]:
        """Names to choose a hint from."""
        content = self._source(module)
        analysis = None if content is None else self._analysis(module, content)
        return [] if analysis is None else sorted(analysis.bound)

    def _may_hide_modules(self, module: str) -> bool:
        spec = self._spec(module)
        if spec is not None and spec.loader is None:
            return False  # a namespace package is nothing but its folders
        content = self._source(module)
        return content is None or _HIDES_MODULES.search(content) is not None

    def _source(self, module: str) -> bytes | None:
        spec = self._spec(module)
        origin = None if spec is None else spec.origin
        if origin is None or not origin.endswith(".py"):
            return None
        stamp = _stamp_of(origin)
        known = self._sources.get(module)
        if known is None or known[0] != stamp:
            known = self._sources[module] = (stamp, _read(origin))
        return known[1]

    def _analysis(self, module: str, content: bytes) -> ModuleAnalysis | None:
        known = self._analyses.get(module)
        if known is None or known[0] is not content:
            known = self._analyses[module] = (content, _analysed(module, content))
        return known[1]


@cache
def this_environment() -> Environment:
    """The one of this process: what can be imported is the same for all that ask."""
    return Environment()


def known_top_level() -> list[str]:
    """Names of modules and packages on sys.path and in the standard library, for hints."""
    found = set(sys.stdlib_module_names)
    for folder in sys.path:
        try:
            entries = [p.name for p in Path(folder or ".").iterdir()]
        except OSError:
            continue
        found.update(n.removesuffix(".py") for n in entries if "-" not in n and n[:1] not in "._")
    return sorted(n for n in found if n.isidentifier())


def _find_top(name: str) -> ModuleSpec | None:
    if name == "__main__":
        return ModuleSpec(name, None)
    for finder in (*_BUILTIN_FINDERS, importlib.machinery.PathFinder):
        spec = finder.find_spec(name)
        if spec is not None:
            return spec
    return next(_found_by_others(name), None)


def _found_by_others(name: str) -> Iterator[Any]:
    """What finders of editable installs and the like know; none of them is asked for a module
    below another one, which some answer by importing that."""
    known = (*_BUILTIN_FINDERS, importlib.machinery.PathFinder)
    for finder in sys.meta_path:
        module = getattr(finder, "__module__", None) or type(finder).__module__
        if finder in known or module.partition(".")[0] in (_FINDERS_OF_OURS, "_distutils_hack"):
            continue
        find_spec = getattr(finder, "find_spec", None)
        try:
            spec = find_spec(name, None) if find_spec is not None else None
        except Exception:  # noqa: BLE001 - a finder that some package installed may raise anything
            continue
        if spec is not None:
            yield spec


def _path_spec(name: str, locations: Sequence[str]) -> ModuleSpec | None:
    try:
        return importlib.machinery.PathFinder.find_spec(name, locations)
    except KeyError:
        # A namespace package below one that is not imported: a folder and nothing else.
        spec = ModuleSpec(name, None, is_package=True)
        folders = (Path(place, name.rpartition(".")[2]) for place in locations)
        spec.submodule_search_locations = [str(f) for f in folders if f.is_dir()]
        return spec


def _locations(spec: ModuleSpec) -> list[str]:
    locations: Any = spec.submodule_search_locations
    # Iterating over that of a nested namespace package looks its parent up in sys.modules.
    return list(getattr(locations, "_path", locations) or ())


def _is_promised(top: str) -> bool:
    """`distutils` can be there by a hook that setuptools installs."""
    return top == "distutils" and any(
        type(f).__module__ == "_distutils_hack" for f in sys.meta_path
    )


def _stamp_of(path: str) -> object:
    """What changes when a file or folder does."""
    try:
        found = Path(path or ".").stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def _analysed(module: str, content: bytes) -> ModuleAnalysis | None:
    try:
        return analyse_module(content, name=module, file="", is_package=False)
    except Unparsable:
        return None


def _defines(content: bytes, name: str) -> bool:
    """True when a line of the text begins to define the name: far cheaper than parsing."""
    word = re.escape(name.encode())
    pattern = rb"^(?:(?:async )?def |class )?" + word + rb"\b *(?:[:=(\[]|$)"
    return re.search(pattern, content, re.MULTILINE) is not None


def _has_star(analysis: ModuleAnalysis) -> bool:
    return any(n.name == "*" for i in analysis.imports for n in i.names)
