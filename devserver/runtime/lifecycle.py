"""The hooks of one generation, on the way in and on the way out."""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from devserver.core.errors import DevServerError, PluginHookFailed
from devserver.core.merge import GLOBAL
from devserver.runtime.entry import find_entry
from devserver.runtime.gate import CURRENT, Flight
from devserver.runtime.generation import Baseline, Generation
from devserver.runtime.hooks import HookRunner
from devserver.runtime.registry import SystemView
from devserver.runtime.routes import AsyncBridge, PluginApp, listed, mount
from devserver.runtime.settling import baseline_after, settle
from devserver.runtime.surroundings import untraced
from devserver.runtime.system import PluginSystem
from devserver.sdk.context import PluginContext
from devserver.sdk.health import HealthStatus
from devserver.sdk.plugin import BasePlugin
from devserver.sdk.routing import Router


class Lifecycle:
    """Calls the hooks of one generation, each with a time limit (`time_left()` seconds), and
    checks what they give.

    Every method but `leave` raises PluginHookFailed, which names plugin and hook.
    """

    def __init__(
        self,
        generation: Generation,
        *,
        system: PluginSystem,
        hooks: HookRunner,
        time_left: Callable[[], float],
    ) -> None:
        self.generation = generation
        self.loaded = False
        self.initialized = False
        self._begun = False
        self._was_live = False
        self._system = system
        self._hooks = hooks
        self._time_left = time_left
        self._view: SystemView | None = None

    @classmethod
    def of_live(
        cls,
        generation: Generation,
        *,
        system: PluginSystem,
        hooks: HookRunner,
        time_left: Callable[[], float],
    ) -> Lifecycle:
        """For a generation that has all its hooks on the way in behind it."""
        lifecycle = cls(generation, system=system, hooks=hooks, time_left=time_left)
        lifecycle._was_live = True
        lifecycle.loaded = lifecycle.initialized = not generation.stopped
        return lifecycle

    def hurry(self, time_left: Callable[[], float]) -> None:
        """Hooks from now on have this time limit."""
        self._time_left = time_left

    def see(self, view: SystemView) -> None:
        """Hooks from now on see the other plugins as they are in `view`."""
        self._view = view

    def import_modules(self) -> None:
        """Executes the entry module (and routes.py) and finds the entry."""
        table = self.generation.table

        def run() -> None:
            table.load(table.entry_name())
            if table.has(f"{table.package}.routes"):
                table.load(f"{table.package}.routes")
            find_entry(table)

        self._call(run, hook="import")

    def construct(self) -> None:
        """Makes the plugin object and gives it its host."""
        entry = find_entry(self.generation.table)
        plugin = self._call(entry, hook=getattr(entry, "__name__", "construct"))
        if not isinstance(plugin, BasePlugin):
            raise self._fault(
                "construct",
                f"the entry gave {type(plugin).__name__}, not a BasePlugin",
                hint="derive the class from devserver.sdk.BasePlugin",
            )
        plugin._host = self.generation.host
        plugin._ctx = PluginContext(self.generation.host)
        self.generation.plugin = plugin
        self.generation.stated_version = self._call(_version_of, plugin, hook="version")

    def on_load(self) -> None:
        self._hook("on_load", self._plugin.ctx)
        self.loaded = True

    def restore(
        self,
        attributes: Mapping[str, Any],
        custom: Mapping[str, Any],
        *,
        from_version: str,
        predecessor: Generation | None,
    ) -> dict[str, Any]:
        """Puts kept state in; gives the attributes as `migrate_state` left them, and the globals
        of modules, which are in place already."""
        plugin = self._plugin
        state = {name: value for name, value in attributes.items() if GLOBAL not in name}
        if predecessor is not None and _offers(plugin, "migrate_state"):
            answer = self._hook("migrate_state", state, from_version)
            state = dict(state if answer is None else answer)
        if state:
            self._call(_set_all, plugin, state, hook="restoring state")
        if "value" in custom and _offers(plugin, "restore_persistent_state"):
            self._hook("restore_persistent_state", custom["value"])
        if predecessor is not None:
            self._restore_connections(predecessor)
        return state | {n: v for n, v in attributes.items() if GLOBAL in n}

    def _restore_connections(self, predecessor: Generation) -> None:
        plugin = self._plugin
        for connection_id, connection in predecessor.connections.items():
            if _offers(plugin, "adopt_connection"):
                self._hook("adopt_connection", connection_id, connection)
            elif connection_id.isidentifier():
                self._call(setattr, plugin, connection_id, connection, hook="set a connection")
        old = predecessor.plugin
        if _offers(plugin, "restore_connections") and _offers(old, "active_connections"):
            active = self._call(getattr, old, "active_connections", hook="active_connections")
            self._hook("restore_connections", active)

    def initialize(
        self, restored: Mapping[str, Any], passed: Collection[str], before: Baseline
    ) -> dict[str, Any]:
        """Runs `initialize()`, settles state and takes the baseline; gives the restored
        attributes that stand."""
        self._begun = True
        if self._hook("initialize") is False:
            raise self._fault(
                "initialize",
                f"'initialize' of {self.generation.name!r} returned False",
                hint="return True (or nothing) when the plugin is ready; log why it is not",
            )
        self.initialized = True
        standing: dict[str, Any] = self._call(
            self._settle, restored, passed, before, hook="settling state"
        )
        return standing

    def _settle(
        self, restored: Mapping[str, Any], passed: Collection[str], before: Baseline
    ) -> dict[str, Any]:
        self._plugin.initialized = True
        standing = settle(self.generation, restored, passed, before)
        self.generation.baseline = baseline_after(self.generation, standing)
        return standing

    def register(self) -> None:
        """Routes and permissions."""
        generation = self.generation
        report = self._system.report
        bridge = AsyncBridge(self._system.loop)
        app = PluginApp(
            generation.key,
            generation.source.root,
            self._system.project.instance,
            lambda error: report(generation.key, "a request", error),
            bridge,
        )
        router = Router()
        self._hook("register_routes", app, router)
        offers = [router, *self._list_of("get_api_routes", self._hook("get_api_routes"))]
        routes = generation.table.modules.get(f"{generation.table.package}.routes")
        if routes is not None and hasattr(routes, "get_router"):
            offers.append(self._call(routes.get_router, hook="get_router"))
        if len(offers) > 1 or router.routes:
            self._call(mount, app, offers, bridge, hook="register_routes")
        generation.app = app
        generation.routes = listed(app)
        permissions = self._hook("register_permissions")
        generation.permissions = tuple(self._list_of("register_permissions", permissions))

    def _list_of(self, hook: str, answer: Any) -> Iterable[Any]:
        if answer is None:
            return ()
        if not isinstance(answer, (list, tuple, set)):
            raise self._fault(hook, f"{hook!r} returned {type(answer).__name__}, not a list")
        return answer

    def verify(self) -> None:
        """Asks `health_check()`; an unhealthy answer is a failure."""
        answer = self._hook("health_check")
        try:
            health = HealthStatus.of(answer)
        except TypeError as error:
            raise self._fault("health_check", str(error)) from None
        if not health.healthy:
            raise self._fault(
                "health_check",
                f"'health_check' of {self.generation.name!r} says that it is unhealthy"
                + (f": {health.message or health.components}" if _says(health) else ""),
                hint="health_check() said so about the new version",
                code="RUN004",
            )
        self.generation.health = health

    def persistent_state(self) -> dict[str, Any]:
        """`{"value": ...}` of `get_persistent_state()`; empty where there is no such hook."""
        if not _offers(self._plugin, "get_persistent_state"):
            return {}
        return {"value": self._hook("get_persistent_state")}

    def leave(self) -> list[str]:
        """Undoes everything, for good. Gives what went wrong."""
        troubles = self.stop()
        surroundings = self._system.surroundings
        for trace in surroundings.take(self.generation.table, rolled_back=not self._was_live):
            troubles += self._attempt(str(trace), partial(self._undo, surroundings.undo), trace)
        self.generation.host.close()
        return troubles

    def stop(self) -> list[str]:
        """Hooks on the way out, then the ledger, the last registration first. Gives what went
        wrong."""
        self.generation.stopped = True
        troubles = []
        if self.loaded:
            troubles += self._attempt("on_unload", self._hook, self._plugin.ctx)
        if self.initialized:
            troubles += self._attempt("shutdown", self._hook)
        elif self._begun:
            # What initialize() opened before it failed; what it did not get to is not there.
            with suppress(PluginHookFailed):
                self._hook("shutdown")
        for label, undo, arguments in self.generation.ledger.take():
            troubles += self._attempt(label, partial(self._undo, undo), *arguments)
        return troubles

    def _undo(self, undo: Callable[..., Any], label: str, *arguments: Any) -> Any:
        return self._call(undo, *arguments, hook=label)

    def _attempt(self, hook: str, function: Callable[..., Any], *arguments: Any) -> list[str]:
        try:
            function(hook, *arguments)
        except PluginHookFailed as error:
            cause = error.__cause__
            if cause is not None:
                self._system.report(self.generation.key, hook, cause)
            return [error.message]
        return []

    @property
    def _plugin(self) -> Any:
        return self.generation.plugin

    def _hook(self, name: str, *arguments: Any) -> Any:
        """Calls a hook of the plugin; one that it does not override has nothing to do."""
        hook = getattr(self._plugin, name)
        if getattr(hook, "__func__", hook) is _DEFAULTS.get(name):
            return None
        return self._call(hook, *arguments, hook=name)

    def _call(self, function: Callable[..., Any], *arguments: Any, hook: str) -> Any:
        context = contextvars.Context()
        if self._view is not None:
            flight = Flight(f"hook {hook}", self._view, self.generation, pinned=True)
            context.run(CURRENT.set, flight)
        leaving = self._was_live and self.generation.stopped
        plain = not inspect.iscoroutinefunction(function)
        try:
            with self._system.surroundings.window(self.generation.table, leaving=leaving):
                return self._hooks.call(
                    *((untraced, function) if plain else (function,)),
                    *arguments,
                    plugin=self.generation.name,
                    hook=hook,
                    timeout=self._time_left(),
                    context=context,
                )
        except PluginHookFailed as error:
            cause = error.__cause__
            if isinstance(cause, DevServerError) and plain:
                error.hint = error.hint or cause.hint
            raise

    def _fault(
        self, hook: str, message: str, *, hint: str | None = None, code: str = "RUN003"
    ) -> PluginHookFailed:
        return PluginHookFailed(
            message, plugin=self.generation.name, hook=hook, code=code, hint=hint
        )


def _offers(plugin: object, name: str) -> bool:
    """True when the plugin has an attribute of that name, without asking its own code."""
    return inspect.getattr_static(plugin, name, None) is not None


def _version_of(plugin: BasePlugin) -> str:
    return str(plugin.version or "")


def _set_all(plugin: BasePlugin, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(plugin, name, value)


_DEFAULTS = {name: value for name, value in vars(BasePlugin).items() if callable(value)}


def _says(health: HealthStatus) -> bool:
    return bool(health.message or health.components)
