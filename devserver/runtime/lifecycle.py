"""The hooks of one generation, on the way in and on the way out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from devserver.core.errors import PluginHookFailed
from devserver.core.merge import GLOBAL
from devserver.runtime import asked
from devserver.runtime.generation import Baseline, Generation
from devserver.runtime.hook_calls import HookCalls
from devserver.runtime.hooks import HookRunner
from devserver.runtime.registry import SystemView
from devserver.runtime.routes import AsyncBridge, PluginApp
from devserver.runtime.schema_steps import SchemaSteps
from devserver.runtime.system import PluginSystem
from devserver.sdk.health import HealthStatus
from devserver.sdk.plugin import BasePlugin
from devserver.sdk.routing import Router

CONFIG_HOOK = "on_config_change"


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
        was_live: bool = False,
    ) -> None:
        self.generation = generation
        self.loaded = False
        self.initialized = False
        self._begun = False
        self._entry = "construct"
        self._system = system
        self._calls = HookCalls(
            generation, system=system, hooks=hooks, time_left=time_left, was_live=was_live
        )

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
        lifecycle = cls(
            generation,
            system=system,
            hooks=hooks,
            time_left=time_left,
            was_live=not generation.company,  # what a canary did is undone as by a roll back
        )
        lifecycle.loaded = lifecycle.initialized = not generation.stopped
        return lifecycle

    def hurry(self, time_left: Callable[[], float]) -> None:
        """Hooks from now on have this time limit."""
        self._calls.time_left = time_left

    def see(self, view: SystemView) -> None:
        """Hooks from now on see the other plugins as they are in `view`."""
        self._calls.view = view

    # -- the way in ----------------------------------------------------------------------------

    def import_modules(self) -> None:
        """Executes the entry module (and routes.py) and finds the entry."""
        self._entry = self._calls.call(asked.load_entry, self.generation.table, hook="import")

    def construct(self) -> None:
        """Makes the plugin object and gives it its host."""
        with self.generation.table.times.measure("hook", self._entry):
            plugin = self._calls.call(asked.build, self.generation.table, hook=self._entry)
        if not issubclass(type(plugin), BasePlugin):
            raise self._calls.fault(
                "construct",
                f"the entry gave {type(plugin).__name__}, not a BasePlugin",
                hint="derive the class from devserver.sdk.BasePlugin",
            )
        self.generation.plugin = plugin
        self.generation.stated_version = self._calls.call(
            asked.adopt, plugin, self.generation.host, hook="version"
        )

    def prepare_database(self) -> list[str]:
        """Has its migrations applied, its collections made and its seed sown, each committed when
        it returns; gives what the outcome is to tell."""
        system = self._system
        return SchemaSteps(self._calls, schema=system.schema, database=system.database).run()

    def on_load(self) -> None:
        self._calls.hook("on_load", asked.context_of(self._plugin))
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
        if predecessor is not None and asked.offers(plugin, "migrate_state"):
            answer = self._calls.hook("migrate_state", state, from_version)
            if answer is not None:
                state = self._calls.call(dict, answer, hook="migrate_state")
        if state:
            self._calls.call(asked.set_all, plugin, state, hook="restoring state")
        if "value" in custom and asked.offers(plugin, "restore_persistent_state"):
            self._calls.hook("restore_persistent_state", custom["value"])
        if predecessor is not None:
            self._restore_connections(predecessor)
        return state | {n: v for n, v in attributes.items() if GLOBAL in n}

    def _restore_connections(self, predecessor: Generation) -> None:
        plugin, call = self._plugin, self._calls.call
        adopts = asked.offers(plugin, "adopt_connection")
        for connection_id, connection in predecessor.connections.items():
            if adopts:
                self._calls.hook("adopt_connection", connection_id, connection)
            elif issubclass(type(connection_id), str) and str.isidentifier(connection_id):
                call(setattr, plugin, connection_id, connection, hook="set a connection")
        old = predecessor.plugin
        if asked.offers(plugin, "restore_connections") and asked.offers(old, "active_connections"):
            active = call(getattr, old, "active_connections", hook="active_connections")
            self._calls.hook("restore_connections", active)

    def initialize(
        self, restored: Mapping[str, Any], passed: Collection[str], before: Baseline
    ) -> dict[str, Any]:
        """Runs `initialize()`, settles state and takes the baseline; gives the restored
        attributes that stand."""
        self._begun = True
        if self._calls.hook("initialize") is False:
            raise self._calls.fault(
                "initialize",
                f"'initialize' of {self.generation.name!r} returned False",
                hint="return True (or nothing) when the plugin is ready; log why it is not",
            )
        self.initialized = True
        standing: dict[str, Any] = self._calls.call(
            asked.settle_state,
            self.generation,
            restored,
            passed,
            before,
            hook="settling state",
        )
        return standing

    def register(self) -> None:
        """Routes and permissions."""
        generation = self.generation
        report, key = self._system.report, generation.key
        bridge = AsyncBridge(self._system.loop)
        app = PluginApp(
            key,
            generation.source.root,
            self._system.project.instance,
            lambda error: report(key, "a request", error),
            bridge,
            partial(self._system.secrets.mask, key),
        )
        router = Router()
        self._calls.hook("register_routes", app, router)
        more = self._list_of("get_api_routes")
        routes = generation.table.modules.get(f"{generation.table.package}.routes")
        if routes is not None:
            offered = self._calls.call(asked.router_of, routes, hook="get_router")
            more += [] if offered is None else [offered]
        generation.app = app
        generation.routes = self._calls.call(
            asked.mounted, app, router, more, bridge, hook="register_routes"
        )
        if app.mounts:
            self._calls.call(app.mounts.start, generation.ledger, hook="lifespan startup")
        generation.permissions = tuple(self._list_of("register_permissions"))

    def _list_of(self, hook: str) -> list[Any]:
        answer = self._calls.hook(hook)
        if answer is None:
            return []
        listed: list[Any] | str = self._calls.call(asked.list_of, answer, hook=hook)
        if isinstance(listed, str):
            raise self._calls.fault(hook, f"{hook!r} returned {listed}, not a list")
        return listed

    def verify(self) -> None:
        """Asks `health_check()`; an unhealthy answer is a failure."""
        answer = self._calls.hook("health_check")
        health: HealthStatus | str = HealthStatus()
        if answer is not None:
            health = self._calls.call(asked.health_of, answer, hook="health_check")
        if isinstance(health, str):
            raise self._calls.fault("health_check", health)
        if not health.healthy:
            words = self._calls.call(asked.words_of, health, hook="health_check")
            raise self._calls.fault(
                "health_check",
                f"'health_check' of {self.generation.name!r} says that it is unhealthy"
                + (f": {words}" if words else ""),
                hint="health_check() said so about the new version",
                code="RUN004",
            )
        self.generation.health = health

    def persistent_state(self) -> dict[str, Any]:
        """`{"value": ...}` of `get_persistent_state()`; empty where there is no such hook."""
        if not asked.offers(self._plugin, "get_persistent_state"):
            return {}
        return {"value": self._calls.hook("get_persistent_state")}

    # -- another configuration -----------------------------------------------------------------

    def take_config(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Asks `on_config_change`; False is a refusal."""
        if self._calls.hook(CONFIG_HOOK, old, new) is False:
            raise self._calls.fault(
                CONFIG_HOOK,
                f"{CONFIG_HOOK!r} of {self.generation.name!r} returned False",
                hint="it refuses the configuration; log why, or raise an error that says it",
            )

    def baseline_beside(self, bound: Mapping[str, Any]) -> Baseline:
        """What its state is compared with after `take_config`; `bound` are its attributes of
        before."""
        baseline: Baseline = self._calls.call(
            asked.baseline_beside, self.generation, bound, CONFIG_HOOK, hook="settling state"
        )
        return baseline

    # -- the way out ---------------------------------------------------------------------------

    def leave(self) -> list[str]:
        """Undoes everything, for good. Gives what went wrong."""
        troubles, calls = self.stop(), self._calls
        surroundings, rolled_back = self._system.surroundings, not calls.was_live
        troubles += calls.undo_all(
            surroundings.take(self.generation.table, rolled_back=rolled_back)
        )
        self.generation.host.close()
        return troubles

    def step_aside(self) -> list[str]:
        """Undoes what everybody sees of what it did to the interpreter: another generation
        serves. Gives what went wrong."""
        return self._calls.undo_all(self._system.surroundings.take_shared(self.generation.table))

    def stop(self) -> list[str]:
        """Hooks on the way out, then the ledger, the last registration first. Gives what went
        wrong."""
        calls = self._calls
        self.generation.stopped = True
        troubles = []
        if self.loaded:
            context = asked.context_of(self._plugin)
            troubles += calls.attempt("on_unload", calls.hook, context)
        if self.initialized:
            troubles += calls.attempt("shutdown", calls.hook)
        elif self._begun:
            # What initialize() opened before it failed; what it did not get to is not there.
            with suppress(PluginHookFailed):
                calls.hook("shutdown")
        for label, undo, arguments in self.generation.ledger.take():
            troubles += calls.attempt(label, partial(calls.undo, undo), *arguments)
        return troubles

    @property
    def _plugin(self) -> Any:
        return self.generation.plugin
