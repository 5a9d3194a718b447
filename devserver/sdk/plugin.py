"""BasePlugin: what every plugin derives from."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from devserver.core.errors import HostRequired
from devserver.core.lifecycle import PluginStatus
from devserver.sdk.context import PluginContext
from devserver.sdk.health import HealthStatus
from devserver.sdk.host import Host


class BasePlugin:
    """Override what you need; every hook may be `def` or `async def`.

    Called in this order: construct, `on_load(ctx)`, state restored, `initialize()`,
    `register_routes(app, router)` / `get_api_routes()`, `register_permissions()`,
    `health_check()`; on the way out `on_unload(ctx)`, `shutdown()`.

    Public attributes of the instance are its state and live through reloads: a value changed at
    run time is kept, one that was not takes the new code's value. `_private` ones start anew.
    `PERSISTENT = ("cache", "counter")` in any module of the plugin does the same for globals of
    that module. They have their kept values before the plugin is constructed, so
    `self.cache = cache` in `__init__` shares the kept object, and so does whoever imported it;
    attributes get theirs between `on_load` and `initialize`.

    With `on_config_change(old, new)` a plugin takes another configuration live, as mappings of
    all values, instead of being reloaded for it; while it runs `self.config` is the new one, for
    it alone. Raising, or returning False, refuses the change.

    A plugin can be constructed and tested without a host; a helper that needs one then raises
    HostRequired.
    """

    name: str = ""
    version: str = ""
    description: str = ""
    author: str = ""
    category: str = ""
    is_core: bool = False
    config_dependencies: Sequence[str] = ()
    """Further files, relative to the project, that its configuration is made of."""
    initialized: bool = False

    _host: Host | None = None
    _ctx: PluginContext | None = None
    _logger: logging.Logger | None = None
    _config: Mapping[str, Any] | None = None

    def __init__(self) -> None:
        """Takes no arguments; a plugin's own `__init__` need not call it."""

    # -- hooks ------------------------------------------------------------------------------

    @staticmethod
    def migrations_path() -> Path | None:
        """The folder of the plugin's SQL migrations, or None."""
        return None

    def on_load(self, ctx: PluginContext) -> Any:
        """The plugin is constructed; its state is not restored yet."""

    def initialize(self) -> Any:
        """State is restored. Returning False, or raising, refuses the new version."""
        return True

    def register_routes(self, app: Any, router: Any) -> Any:
        """Declares routes: `@router.get("/path")`. `app` is a Flask app of the plugin's own."""

    def get_api_routes(self) -> Any:
        """Routers or Flask Blueprints to serve besides those of `register_routes`."""
        return []

    def register_permissions(self) -> Any:
        """Permissions that the plugin introduces."""
        return []

    async def health_check(self) -> HealthStatus:
        """Called before a new version goes live, and when somebody asks."""
        return HealthStatus(healthy=True, message="ok")

    def on_unload(self, ctx: PluginContext) -> Any:
        """This generation has been replaced or is being unloaded."""

    def shutdown(self) -> Any:
        """The last call; close what `initialize()` opened, also when it failed half-way."""

    # -- what the host tells ------------------------------------------------------------------

    def _need_host(self, helper: str) -> Host:
        if self._host is None:
            raise HostRequired(helper)
        return self._host

    @property
    def ctx(self) -> PluginContext:
        """The context that `on_load` got."""
        if self._ctx is None:
            raise HostRequired("ctx")
        return self._ctx

    @property
    def logger(self) -> logging.Logger:
        """A logger named `plugins.NAME`; a test may set another."""
        if self._logger is not None:
            return self._logger
        if self._host is not None:
            return self._host.logger
        return logging.getLogger(f"plugins.{self.name or type(self).__name__}")

    @logger.setter
    def logger(self, logger: logging.Logger) -> None:
        self._logger = logger

    @property
    def config(self) -> Mapping[str, Any]:
        """The effective configuration; a plugin may set its own picture of it."""
        if self._config is not None:
            return self._config
        return self._host.config() if self._host is not None else {}

    @config.setter
    def config(self, config: Mapping[str, Any]) -> None:
        self._config = config

    @property
    def status(self) -> PluginStatus:
        """`registered` without a host."""
        return self._host.status if self._host is not None else PluginStatus.REGISTERED

    @property
    def last_loaded(self) -> datetime | None:
        """When this generation went live, or None."""
        return self._host.last_loaded if self._host is not None else None

    @property
    def reload_count(self) -> int:
        """How often the plugin has been reloaded since the server started."""
        return self._host.reload_count if self._host is not None else 0

    @property
    def registered_commands(self) -> Mapping[str, Any]:
        """The commands that this generation registered, by name."""
        return self._host.commands() if self._host is not None else {}

    @property
    def plugin_manager(self) -> Any:
        """Enables, disables and reloads plugins, and tells of them:
        `await self.plugin_manager.enable_plugin("reports")`, `get_plugin_info(name)`."""
        return self._need_host("plugin_manager").plugin_manager

    def get_metrics(self) -> dict[str, float]:
        """uptime (seconds), requests, errors and reloads; all 0 without a host."""
        if self._host is None:
            return {"uptime": 0.0, "requests": 0, "errors": 0, "reloads": 0}
        return self._host.metrics()

    # -- helpers ----------------------------------------------------------------------------------

    async def get_config(self, key: str, default: Any = None) -> Any:
        """The effective value of a configuration key."""
        value = self._need_host("get_config").config().get(key)
        return default if value is None else value

    async def set_config(self, key: str, value: Any) -> None:
        """Overrides a key at run time, or with None takes its override out; does not reload the
        plugin. Keys that the manifest does not declare may be set too.

        Raises ConfigurationRefused (a ValueError) for a value that does not fit its declaration.
        """
        self._need_host("set_config").set_config(key, value)

    async def get_data(self, key: str, default: Any = None) -> Any:
        """A value that the host keeps for the plugin."""
        return self._need_host("get_data").get_data(key, default)

    async def set_data(self, key: str, value: Any) -> None:
        """Keeps a JSON value. Raises TypeError when it is none."""
        self._need_host("set_data").set_data(key, value)

    async def publish_event(self, topic: str, data: Any = None) -> None:
        """Queues an event for every subscriber and returns."""
        self._need_host("publish_event").publish(topic, data)

    async def subscribe_to_event(self, topic: str, handler: Callable[..., Any]) -> None:
        """`handler(event)` gets each event of the topic, which may end in `.*`."""
        self._need_host("subscribe_to_event").subscribe(topic, handler)

    def register_service(self, name: str, provided: Any, *, version: str = "") -> None:
        """Offers an object to other plugins, as `ctx.services.register`."""
        self._need_host("register_service").register_service(name, provided, version)

    def get_service(self, name: str, version: str = "") -> Any:
        """A proxy of another plugin's service, as `ctx.services.get`. Raises ServiceNotFound."""
        return self._need_host("get_service").get_service(name, version)

    def register_command(self, name: str, fn: Callable[..., Any], help: str = "") -> None:
        """Offers a command: `sysctl plugins run PLUGIN NAME key=value`."""
        self._need_host("register_command").register_command(name, fn, help)

    def register_connection(self, connection_id: str, connection: Any) -> None:
        """Hands a connection to the host, which passes it on to the next generation."""
        self._need_host("register_connection").register_connection(connection_id, connection)

    def get_connection(self, connection_id: str) -> Any:
        """A registered connection, or None."""
        return self._need_host("get_connection").get_connection(connection_id)

    def create_task(self, coroutine_function: Callable[..., Any], name: str | None = None) -> Any:
        """Runs a coroutine function in the background, from the moment that this generation
        goes live until it is replaced, when it is cancelled."""
        return self._need_host("create_task").create_task(coroutine_function, name)

    def on_cleanup(self, function: Callable[[], Any]) -> None:
        """`function()` is called when this generation is let go, last registered first."""
        self._need_host("on_cleanup").on_cleanup(function)


Plugin = BasePlugin

OWN_ATTRIBUTES = frozenset(name for name in vars(BasePlugin) if not name.startswith("_")) | {
    "active_connections"
}
"""Attributes of the instance that are BasePlugin's own and therefore not a plugin's state."""
