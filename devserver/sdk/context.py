"""The context that `on_load(ctx)` gets, also as `self.ctx`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from devserver.sdk.host import Host
from devserver.sdk.permissions import require


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

    def register(self, name: str, provided: Any) -> None:
        """Offers an object (or function) as `name`; it vanishes with the plugin."""
        self._host.register_service(name, provided)

    def get(self, name: str) -> Any:
        """A proxy that always reaches the provider's live generation.

        Raises ServiceNotFound when no active plugin provides it.
        """
        return self._host.get_service(name)


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
        """Overrides a key at run time; does not reload the plugin."""
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
        """Raises PermissionDenied when the caller lacks one of them."""
        require(*keys)

    @property
    def registered(self) -> tuple[Any, ...]:
        """What `register_permissions()` returned."""
        return self._host.permissions()


class PluginContext(Mapping[str, Any]):
    """A mapping and a set of attributes: `ctx["services"]` is `ctx.services`."""

    _PARTS = ("services", "events", "config", "data", "permissions", "logger", "patch")

    def __init__(self, host: Host) -> None:
        self.services = Services(host)
        self.events = Events(host)
        self.config = Config(host)
        self.data = Data(host)
        self.permissions = Permissions(host)
        self.logger: logging.Logger = host.logger
        self.patch = host.patch

    def __getitem__(self, key: str) -> Any:
        if key not in self._PARTS:
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._PARTS)

    def __len__(self) -> int:
        return len(self._PARTS)
