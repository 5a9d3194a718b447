"""Copies of run-time values that bind to new classes, functions and modules.

Values are pickled in memory (never read from disk). What belongs to a plugin is replaced by a
name on the way out and looked up in the new modules on the way in; what cannot be copied passes
by reference.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import io
import pickle
import types
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from devserver.runtime import release
from devserver.runtime.capture_foreign import Foreign
from devserver.runtime.capture_functions import (
    attribute_of,
    digest_of,
    function_state,
    is_earlier,
    lookup,
    parameters_of,
)
from devserver.runtime.capture_instances import (
    RUNNING,
    VALUES,
    hashes_its_state,
    instance_reduction,
    visible,
)
from devserver.runtime.capture_weak import WEAK, weak_reduction
from devserver.runtime.interrupt import HookInterrupted
from devserver.runtime.modules import ROOT
from devserver.runtime.release import is_of_plugin
from devserver.runtime.undisturbed import without_collection
from devserver.sdk.plugin import BasePlugin

_CACHED = type(functools.lru_cache(len))
_PLAIN = frozenset(
    (type(None), bool, int, float, str, bytes, bytearray, list, tuple, dict, set, frozenset)
)


class Capture:
    """Pickles values; `passed` collects what goes by reference.

    `plugins` are the keys of those that are being replaced (None for all); objects of other
    plugins' classes pass by reference. `find_module` gives the modules that the values come
    from. `substitutes` maps objects of the old generations (their plugin, context) to the keys
    by which Release finds the new ones; `entries` does so for plugin objects of any generation,
    by module and name of their class.

    With `prints` the result is a fingerprint: what goes by reference is told apart. With
    `structural` equal values give equal bytes, whatever objects they share. With `deferred` the
    states of instances are dumped one after the other, which takes chains of any length.
    `reached` has the keys of the substitutes that were met, of each dumped value. Of `watched`,
    ids of objects, `met` has those that the dumped values hold.
    """

    def __init__(
        self,
        substitutes: Mapping[int, str],
        *,
        plugins: Collection[str] | None,
        find_module: Callable[[str], types.ModuleType | None],
        entries: Mapping[tuple[str, str], str] | None = None,
        prints: bool = False,
        structural: bool = False,
        deferred: bool = False,
        watched: Collection[int] = frozenset(),
    ) -> None:
        self.passed: list[Any] = []
        self.reached: list[set[str]] = [set()]
        self._passed_ids: dict[int, int] = {}
        self._substitutes = substitutes
        self._entries = entries or {}
        self._packages = (ROOT,) if plugins is None else tuple(f"{ROOT}.{k}" for k in plugins)
        self._find_module = find_module
        self._prints = prints
        self._structural = structural
        self._deferred = deferred
        self._later: list[tuple[Any, Any]] = []
        self._watched = frozenset(watched)
        self.met: frozenset[int] = frozenset()
        self._foreign = Foreign()
        self._how: dict[type, Callable[[Capture, Any], Any]] = {}

    def dump(self, *values: Any) -> bytes:
        """The pickled form of `values`, each of which `Release.load_all` gives in turn; what they
        share stays shared.

        Raises pickle's own errors, RecursionError for very deep values.
        """
        buffer = io.BytesIO()
        self.dump_to(buffer, *values)
        return buffer.getvalue()

    def dump_to(self, stream: Writable, *values: Any) -> None:
        """Writes it piece by piece. Raises what `stream` does."""
        pickler = _Pickler(stream, self)
        pickler.fast = self._structural
        with without_collection():
            for value in values:
                pickler.dump(value)
                for pair in self._later:  # grows meanwhile
                    pickler.dump(pair)
                pickler.dump(None)
                self._later.clear()
                self.reached.append(set())
        if self._watched:
            self.met = self._watched & pickler.memo.copy().keys()

    def is_passed(self, value: Any) -> bool:
        """True when this very object went by reference."""
        return id(value) in self._passed_ids

    def passes(self, value: Any) -> bool:
        """True when this object as such (not something in it) goes by reference."""
        if type(value) in _PLAIN:
            return False
        self.reduction(value)
        return self.is_passed(value)

    def reduction(self, value: Any) -> Any:
        """What `reducer_override` answers for an object that pickle has no own way for."""
        substitute = self._substitutes.get(id(value))
        if substitute is not None:
            return self._substituted(substitute)
        try:
            return self._reduced(value)
        except RecursionError:
            if not self._deferred:
                raise  # the depth may be the chain's and not this object's fault
        except HookInterrupted:
            raise
        except BaseException:  # noqa: BLE001 - a plugin's __reduce__ may raise anything
            pass
        return self.by_reference(value)

    def _substituted(self, key: str) -> Any:
        self.reached[-1].add(key)
        return release.substituted, (key,)

    def _reduced(self, value: Any) -> Any:
        kind = type(value)
        how = self._how.get(kind)
        if how is None:
            how = self._how[kind] = self._how_for(kind)
        return how(self, value)

    def _how_for(self, kind: type) -> Callable[[Capture, Any], Any]:
        for kinds, how in self._ways:
            if issubclass(kind, kinds):
                return how
        if self.is_replaced(kind.__module__):
            return Capture._own_instance
        if is_of_plugin(kind.__module__):
            return Capture.by_reference
        if issubclass(kind, VALUES) or kind in copyreg.dispatch_table:
            return lambda *_: NotImplemented
        return Capture._foreign_instance

    def is_replaced(self, module: str | None) -> bool:
        """True for a module of a plugin that is being replaced."""
        return isinstance(module, str) and any(
            module == package or module.startswith(package + ".") for package in self._packages
        )

    def by_reference(self, value: Any) -> Any:
        """Hands the object itself over."""
        known = self._passed_ids.get(id(value))
        index = self._passed_ids[id(value)] = len(self.passed) if known is None else known
        if known is None:
            self.passed.append(value)
        return release.passed, (id(value), visible(value)) if self._prints else (index,)

    # -- code ----------------------------------------------------------------------------------

    def _code(self, value: Any) -> Any:
        """A class or function: by its name, where its module knows it under that name."""
        return self._global(value, value.__qualname__)

    def _global(self, value: Any, qualname: str) -> Any:
        module = getattr(value, "__module__", None)
        found = lookup(self._find_module(module or ""), qualname)
        if value is not found and not is_earlier(value, found):
            if isinstance(value, types.FunctionType):
                return self._function(value)
            return self.by_reference(value)
        return (release.named, (module, qualname)) if self.is_replaced(module) else NotImplemented

    def _function(self, function: types.FunctionType) -> Any:
        module = function.__globals__.get("__name__")
        if not self.is_replaced(module):
            return self.by_reference(function)
        code = function.__code__
        has_defaults = function.__defaults__ or function.__kwdefaults__
        arguments = (
            (module, code.co_qualname),
            code.co_freevars,
            parameters_of(code) if has_defaults else None,
            digest_of(code),
            0 if self._prints else len(self.passed),
            function.__closure__ or (),
        )
        self.passed.append(function)  # for the case that it has no counterpart
        state = function_state(function)
        return release.function_like, arguments, state, None, None, release.set_function

    def _module(self, module: types.ModuleType) -> Any:
        if self.is_replaced(module.__name__):
            return release.module_named, (module.__name__,)
        return self.by_reference(module)

    def _method(self, method: types.MethodType) -> Any:
        function, owner = method.__func__, method.__self__
        name = attribute_of(type(owner), function)
        if name is None and not isinstance(owner, type):
            return types.MethodType, (function, owner)
        return getattr, (owner, name or function.__name__)

    def _cached(self, cached: Any) -> Any:
        module = getattr(cached, "__module__", None)
        if cached is lookup(self._find_module(module or ""), cached.__qualname__):
            return self._global(cached, cached.__qualname__)
        settings = cached.cache_parameters()
        return release.cached, (cached.__wrapped__, settings["maxsize"], settings["typed"])

    # -- instances -----------------------------------------------------------------------------

    def _plugin(self, plugin: BasePlugin) -> Any:
        kind = type(plugin)
        key = self._entries.get((kind.__module__, kind.__qualname__))
        return self.by_reference(plugin) if key is None else self._substituted(key)

    def _member(self, value: enum.Enum) -> Any:
        kind = type(value)
        if not self.is_replaced(kind.__module__):
            return self.by_reference(value) if is_of_plugin(kind.__module__) else NotImplemented
        parts = [value]
        if isinstance(value, enum.Flag) and value.name not in kind.__members__:
            parts = list(value)
        return release.member, (kind, tuple(p.name for p in parts), value.value)

    def _own_instance(self, value: Any) -> Any:
        reduced = value.__reduce_ex__(5)
        if isinstance(reduced, str):
            return self._global(value, reduced)
        reduction = instance_reduction(value, reduced)
        if self._structural:
            # Nothing is remembered here: a setter, which gets the instance once more, would
            # lead back to it for ever. The parts alone tell the value.
            made, arguments, state, items, pairs = reduction[:5]
            return release.named, (made, arguments, state, tuple(items or ()), tuple(pairs or ()))
        may_wait = reduction[-1] is release.set_state and not hashes_its_state(type(value))
        if self._deferred and may_wait:
            self._later.append((value, reduction[2]))
            return (*reduction[:2], None, *reduction[3:5])
        return reduction

    def _foreign_instance(self, value: Any) -> Any:
        if self._foreign.is_uncopyable(value):
            return self.by_reference(value)
        reduced = value.__reduce_ex__(5)
        return self._global(value, reduced) if isinstance(reduced, str) else NotImplemented

    _ways: tuple[tuple[Any, Callable[[Capture, Any], Any]], ...] = (
        ((type, types.FunctionType, types.BuiltinFunctionType), _code),
        (types.ModuleType, _module),
        (types.MethodType, _method),
        (types.CellType, lambda *_: (release.cell, ())),
        (BasePlugin, _plugin),
        (RUNNING, by_reference),
        (WEAK, lambda _, value: weak_reduction(value)),
        (enum.Enum, _member),
        (_CACHED, _cached),
        (types.MappingProxyType, lambda _, view: (types.MappingProxyType, (dict(view),))),
    )


class Writable(Protocol):
    """What is written to, piece by piece."""

    def write(self, data: bytes, /) -> Any: ...


class _Pickler(pickle.Pickler):
    def __init__(self, stream: Writable, capture: Capture) -> None:
        super().__init__(stream, protocol=5)
        self._capture = capture

    def reducer_override(self, obj: Any) -> Any:
        return self._capture.reduction(obj)
