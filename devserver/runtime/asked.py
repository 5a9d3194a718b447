"""Asks plugins' objects. All of it runs their code: attributes may be properties, answers may be
of classes of their own. So it is to be called with a time limit, by a HookRunner."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

from devserver.runtime.attributes import attributes_of, fingerprints
from devserver.runtime.entry import find_entry
from devserver.runtime.generation import Baseline, Generation
from devserver.runtime.handover import reads
from devserver.runtime.modules import ModuleTable
from devserver.runtime.readable import Readable
from devserver.runtime.route_list import RouteEntry, listed
from devserver.runtime.routes import AsyncBridge, PluginApp, mount
from devserver.runtime.settling import baseline_after, settle
from devserver.sdk.context import PluginContext
from devserver.sdk.health import HealthStatus
from devserver.sdk.permissions import Permission
from devserver.sdk.plugin import BasePlugin
from devserver.sdk.routing import Router

_DEFAULTS = {name: value for name, value in vars(BasePlugin).items() if callable(value)}
_NODES, _CHARACTERS = 1_000, 50_000
"""How much of the components of a health answer is shown."""
_PLAIN = (FunctionType, MethodType, staticmethod, classmethod)


# -- without running any of their code -------------------------------------------------------------


def offers(plugin: object, name: str) -> bool:
    """True when the plugin has an attribute of that name."""
    return inspect.getattr_static(plugin, name, None) is not None


def hook_of(plugin: object, name: str) -> Callable[..., Any] | None:
    """What calls a hook of the plugin; None for one that it does not override."""
    if not offers(plugin, name):
        return None
    if _looks_up(plugin):
        found = inspect.getattr_static(plugin, name, None)
        if found is _DEFAULTS.get(name):
            return None
        if type(found) in _PLAIN:
            hook: Callable[..., Any] = getattr(plugin, name)
            return hook
    return partial(call_attribute, plugin, name)


def context_of(plugin: object) -> PluginContext | None:
    """The context that the plugin was given."""
    context: PluginContext | None = inspect.getattr_static(plugin, "_ctx", None)
    return context


def attributes_bound(plugin: object) -> dict[str, Any]:
    """The attributes of an object, also private ones, as they are bound now."""
    try:
        return dict(object.__getattribute__(plugin, "__dict__"))
    except AttributeError:
        return {}


def bind_again(plugin: object, attributes: Mapping[str, Any]) -> None:
    """They are bound as they were; what is in them stays as it is."""
    try:
        now = object.__getattribute__(plugin, "__dict__")
    except AttributeError:
        return
    dict.update(now, attributes)
    for name in list(now.keys() - attributes.keys()):
        dict.pop(now, name, None)


def _looks_up(plugin: object) -> bool:
    """True for an object whose attributes are found as usual."""
    own = inspect.getattr_static(type(plugin), "__getattribute__", None)
    return own is object.__getattribute__


# -- running their code ---------------------------------------------------------------------------


def call_attribute(thing: object, name: str, *arguments: Any) -> Any:
    """`thing.name(*arguments)`."""
    return getattr(thing, name)(*arguments)


def load_entry(table: ModuleTable) -> str:
    """Executes the entry module and routes.py; gives the name of what makes the plugin.

    Raises NoEntry, or whatever the modules raise.
    """
    table.load(table.entry_name())
    if table.has(f"{table.package}.routes"):
        table.load(f"{table.package}.routes")
    return str(getattr(find_entry(table), "__name__", "construct"))


def build(table: ModuleTable) -> Any:
    """What the entry gives; the entry module has been executed."""
    return find_entry(table)()


def adopt(plugin: BasePlugin, host: Any) -> str:
    """Gives a new plugin object its host; gives its version, "" where it has none."""
    plugin._host = host
    plugin._ctx = PluginContext(host)
    return str(plugin.version or "")


def set_all(plugin: BasePlugin, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(plugin, name, value)


def settle_state(
    generation: Generation,
    restored: Mapping[str, Any],
    passed: Collection[str],
    before: Baseline,
) -> dict[str, Any]:
    """After `initialize()`: takes the baseline; gives the restored attributes that stand."""
    if generation.plugin is not None:
        generation.plugin.initialized = True
    standing = settle(generation, restored, passed, before)
    generation.baseline = baseline_after(generation, standing)
    return standing


def baseline_beside(generation: Generation, bound: Mapping[str, Any], hook: str) -> Baseline:
    """The baseline where attributes that `hook` made anew count as its code's values: a later
    reload takes what the code makes of them then. `bound` are those of before; what the hook
    made of their values is run-time state still."""
    kind, missing = type(generation.plugin), object()
    fresh = {
        name: value
        for name, value in attributes_of(generation).items()
        if bound.get(name, missing) is not value and not reads(kind, hook, name, by_text=False)
    }
    before = generation.baseline
    return Baseline(
        fingerprints={**before.fingerprints, **fingerprints(generation, fresh)},
        sticky=before.sticky - fresh.keys(),
    )


def router_of(routes: ModuleType) -> Any:
    """What `get_router()` of a plugin's routes.py gives; None where there is none."""
    return routes.get_router() if hasattr(routes, "get_router") else None


def list_of(answer: Any) -> list[Any] | str:
    """What a hook offers; for anything but a list the name of its type."""
    if answer is None:
        return []
    return list(answer) if isinstance(answer, (list, tuple, set)) else type(answer).__name__


def permissions_of(answer: list[Any]) -> tuple[Permission, ...]:
    """What `register_permissions()` gave, in values of our own. Raises TypeError."""
    return tuple(map(_permission, answer))


def _permission(item: Any) -> Permission:
    key = getattr(item, "key", item)
    if not isinstance(key, str) or not key:
        raise TypeError(f"a permission is Permission(key='orders.view') or its key, not {item!r}")
    return Permission(str(key), str(getattr(item, "description", "") or ""))


def mounted(
    app: PluginApp, router: Router, more: list[Any], bridge: AsyncBridge
) -> tuple[RouteEntry, ...]:
    """Mounts what a plugin offers, `more` besides its router; gives the routes that come of it.
    Raises as `mount` does."""
    mount(app, [("", router), *app.offers, *(("", offer) for offer in more)], bridge)
    return listed(app)


def health_of(answer: Any, secrets: Collection[str]) -> HealthStatus | str:
    """What `health_check()` answered, in values of our own that everybody can be shown; what is
    wrong with it where it is no answer. `secrets` are texts that never appear."""
    try:
        told = HealthStatus.of(answer)
    except TypeError as error:
        return str(error)
    shown = Readable(secrets, nodes=_NODES, characters=_CHARACTERS)

    def text(value: Any) -> str:
        return str(shown.of(str(value).encode(errors="replace").decode()))

    components, metrics = dict(told.components or {}), dict(told.metrics or {})
    return HealthStatus(
        healthy=bool(told.healthy),
        message=text(told.message or ""),
        components={text(n): shown.of(v, str(n)) for n, v in components.items()},
        metrics={text(n): float(v) for n, v in metrics.items() if _is_number(v)},
    )


def _is_number(value: object) -> bool:
    """False also for an integer that no float can hold."""
    try:
        return isinstance(value, (int, float)) and math.isfinite(value)
    except OverflowError:
        return False


def words_of(health: HealthStatus) -> str:
    """What the plugin says of its health, "" where that is nothing."""
    return str(health.message or health.components or "")
