"""What this interpreter can import, found without importing or executing anything."""

from __future__ import annotations

import importlib.machinery
import re
import sys
from collections.abc import Mapping
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path

from devserver.validation.analysis import ModuleAnalysis
from devserver.validation.distributions import Distributions
from devserver.validation.finders import find_below, find_top, is_promised
from devserver.validation.lookup import GIVEN, Lookup, Presence
from devserver.validation.outline import Unparsable, analyse_module

_FACADE = "devserver.sdk"
_DEEPEST_STARS = 5
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
            return Presence.UNKNOWN if is_promised(top) else Presence.ABSENT
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
            self._specs[name] = self._find_below(name, parent) if parent else find_top(name)
        return self._specs[name]

    def _find_below(self, name: str, parent: str) -> ModuleSpec | None:
        spec = self._spec(parent)
        if spec is None or spec.submodule_search_locations is None:
            return None
        return find_below(name, spec)

    # -- names -------------------------------------------------------------------------------

    def name(self, module: str, name: str, depth: int = 0) -> Presence:
        """Whether `from module import name` works; the module is there. `depth` counts the star
        imports that led here."""
        if name in GIVEN:
            return Presence.PRESENT
        loaded = sys.modules.get(module)
        if loaded is not None and name in vars(loaded):
            return Presence.PRESENT
        if loaded is not None and _tells_all(module, vars(loaded)):
            below = self.module(f"{module}.{name}")
            return Presence.PRESENT if below is Presence.PRESENT else Presence.ABSENT
        if self.module(f"{module}.{name}") is Presence.PRESENT:
            return Presence.PRESENT
        content = self._source(module)
        if content is None or _HIDES_NAMES.search(content):
            return Presence.UNKNOWN
        if _defines(content, name):
            return Presence.PRESENT
        analysis = self._analysis(module, content)
        if analysis is None or analysis.is_open:
            return Presence.UNKNOWN
        if name in analysis.bound:
            return Presence.PRESENT
        return self._by_star(analysis, name, depth)

    def _by_star(self, analysis: ModuleAnalysis, name: str, depth: int) -> Presence:
        """Whether a name comes by `from module import *`."""
        for target in Lookup.star_targets(analysis):
            content = None if target is None else self._source(target)
            if target is None or content is None or depth >= _DEEPEST_STARS:
                return Presence.UNKNOWN
            if name.encode() in content or b"import *" in content:
                there = self.name(target, name, depth + 1)
                if there is not Presence.ABSENT:
                    return Presence.UNKNOWN  # it may not be among what the star takes
        return Presence.ABSENT

    def names_in(self, module: str) -> list[str]:
        """Names to choose a hint from."""
        loaded = sys.modules.get(module)
        if loaded is not None and _tells_all(module, vars(loaded)):
            return sorted(n for n in vars(loaded) if not n.startswith("_"))
        found: set[str] = set()
        for name in (module, *self._stars(module)):
            content = self._source(name)
            analysis = None if content is None else self._analysis(name, content)
            if analysis is not None:
                found |= analysis.bound
        return sorted(found)

    def _stars(self, module: str) -> list[str]:
        content = self._source(module)
        analysis = None if content is None else self._analysis(module, content)
        targets = () if analysis is None else Lookup.star_targets(analysis)
        return [target for target in targets if target is not None]

    def deprecation(self, module: str, name: str) -> str | None:
        """What `@deprecated` says of a name that a module defines, None when nothing does."""
        analysis = self._marked(module)
        if analysis is None:
            return None
        found = analysis.function(name) or analysis.class_named(name)
        if found is not None:
            return found.deprecated
        for imported in analysis.imports:
            source = analysis.absolute(imported.module, imported.level)
            for entry in imported.names:
                if entry.bound_as == name and source is not None and source != module:
                    return self.deprecation(source, entry.name)
        return None

    def deprecated_methods(self, module: str, name: str) -> dict[str, str]:
        """Method → what `@deprecated` says of it, of a class that a module defines."""
        analysis = self._marked(module)
        found = None if analysis is None else analysis.class_named(name)
        methods = () if found is None else found.methods
        return {m.name: m.deprecated for m in methods if m.deprecated is not None}

    def _marked(self, module: str) -> ModuleAnalysis | None:
        """The analysis of a module that marks something, or of the SDK's own façade; None for
        any other, which need not be parsed."""
        content = self._source(module)
        if content is None or not (b"deprecated(" in content or module == _FACADE):
            return None
        return self._analysis(module, content)

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
            spec = self._specs.get(module)
            is_package = spec is not None and spec.submodule_search_locations is not None
            found = _analysed(module, content, is_package=is_package)
            known = self._analyses[module] = (content, found)
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


def _tells_all(module: str, names: Mapping[str, object]) -> bool:
    """True for a module of the standard library that is loaded: it has the names that it has,
    unless it makes some when they are asked for."""
    return module.partition(".")[0] in sys.stdlib_module_names and "__getattr__" not in names


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


def _analysed(module: str, content: bytes, *, is_package: bool) -> ModuleAnalysis | None:
    try:
        return analyse_module(content, name=module, file="", is_package=is_package)
    except Unparsable:
        return None


def _defines(content: bytes, name: str) -> bool:
    """True when a line of the text begins to define the name: far cheaper than parsing."""
    word = re.escape(name.encode())
    pattern = rb"^(?:(?:async )?def |class )?" + word + rb"\b *(?:[:=(\[]|$)"
    return re.search(pattern, content, re.MULTILINE) is not None
