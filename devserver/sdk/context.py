"""The context that `on_load(ctx)` gets, also as `self.ctx`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from devserver.sdk.host import Host
from devserver.sdk.permissions import current_caller, require


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a subscribed function gets. `plugin` is who published, `time` Unix seconds."""

    topic: str
    data: Any = None
    plugin: str = ""
    time: float = 0.0
    id: int = field(default=0, compare=False)


class Services:
    """Objects that plugins offer to each other by name."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def register(self, name: str, provided: Any, *, version: str = "") -> None:
        """Offers an object (or function) as `name`; it vanishes with the plugin. `version` is the
        plugin's own unless given.

        Raises DevServerError when another plugin provides a service of that name.
        """
        self._host.register_service(name, provided, version)

    def get(self, name: str, version: str = "") -> Any:
        """A proxy that always reaches the provider's live generation. `version` is what it has to
        be, such as `>=1.2,<2`; asked at each use.

        Raises ServiceNotFound when no active plugin provides it, and says who could.
        """
        return self._host.get_service(name, version)


class Events:
    """Publish and subscribe; topics may end in `.*` when subscribing."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def publish(self, topic: str, data: Any = None) -> None:
        """Queues an event for every subscriber and returns."""
        self._host.publish(topic, data)

    def subscribe(self, topic: str, listener: Callable[..., Any]) -> None:
        """`listener(event)` is called for each event of the topic, in order; it may be async."""
        self._host.subscribe(topic, listener)

    def unsubscribe(self, topic: str, listener: Callable[..., Any]) -> None:
        """Ends a subscription; unknown ones are ignored."""
        self._host.unsubscribe(topic, listener)


class Config(Mapping[str, Any]):
    """The plugin's effective configuration, read through to the host."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def __getitem__(self, key: str) -> Any:
        return self._host.config()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._host.config())

    def __len__(self) -> int:
        return len(self._host.config())

    def set(self, key: str, value: Any) -> None:
        """As `set_config` of the plugin."""
        self._host.set_config(key, value)


class Data:
    """Values that the host keeps for the plugin, as JSON."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def get(self, key: str, default: Any = None) -> Any:
        """A copy of the kept value, or `default`."""
        return self._host.get_data(key, default)

    def set(self, key: str, value: Any) -> None:
        """Keeps a value. Raises TypeError when it is no JSON."""
        self._host.set_data(key, value)


class Permissions:
    """What the current caller may do."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def require(self, *keys: str) -> None:
        """Raises PermissionDenied, naming all of them that the caller lacks."""
        require(*keys)

    def has(self, *keys: str) -> bool:
        """True when the caller holds all of them; hooks, tasks and events hold everything."""
        return not current_caller().missing(keys)

    @property
    def caller(self) -> str:
        """The name of the token that the current work was asked for with, "" without one."""
        return current_caller().name

    @property
    def registered(self) -> tuple[Any, ...]:
        """What `register_permissions()` returned, as `Permission`s."""
        return self._host.permissions()


class PluginContext(Mapping[str, Any]):
    """A mapping and a set of attributes: `ctx["services"]` is `ctx.services`."""

    _PARTS = ("services", "events", "config", "data", "db", "permissions", "logger", "patch")

    def __init__(self, host: Host) -> None:
        self._host = host
        self.services = Services(host)
        self.events = Events(host)
        self.config = Config(host)
        self.data = Data(host)
        self.permissions = Permissions(host)
        self.logger: logging.Logger = host.logger
        self.patch = host.patch

    @property
    def db(self) -> Any:
        """The SQLAlchemy Connection of the current request, event, command, task or hook: one
        transaction, committed when that returns and rolled back when it raises (or answers with
        a status of 500 and above). `db.commit()` commits earlier, which a long task should.

        Raises DatabaseUnavailable, or DevServerError outside of such work.
        """
        return self._host.db()

    def transaction(self) -> AbstractContextManager[Any]:
        """`with ctx.transaction() as db:` is a transaction of its own, anywhere: in a thread of
        the plugin's, say. Raises DatabaseUnavailable."""
        return self._host.transaction()

    def __getitem__(self, key: str) -> Any:
        if key not in self._PARTS:
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._PARTS)

    def __len__(self) -> int:
        return len(self._PARTS)
