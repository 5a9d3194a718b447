"""One generation of a plugin: its modules, its instance and all that it registered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from devserver.core.config_layers import LayeredConfig
from devserver.core.manifest import Manifest
from devserver.core.names import normalise
from devserver.core.source import PluginSource
from devserver.runtime.latency import Latency
from devserver.runtime.ledger import Ledger
from devserver.runtime.modules import ModuleTable

if TYPE_CHECKING:
    from devserver.runtime.gate import Flight
    from devserver.runtime.hold import Hold
    from devserver.runtime.route_list import RouteEntry
    from devserver.runtime.routes import PluginApp
    from devserver.sdk.health import HealthStatus
    from devserver.sdk.permissions import Permission
    from devserver.sdk.plugin import BasePlugin


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command as a plugin registered it."""

    name: str
    function: Callable[..., Any]
    help: str = ""


@dataclass(frozen=True, slots=True)
class Subscription:
    """`topic` may end in `.*`."""

    topic: str
    listener: Callable[..., Any]

    def matches(self, topic: str) -> bool:
        """True for the topic itself, and for those below a wildcard."""
        return self.covers(self.topic, topic)

    @staticmethod
    def covers(pattern: str, topic: str) -> bool:
        """True where a subscription to `pattern` gets an event of `topic`."""
        if pattern in ("*", topic):
            return True
        return pattern.endswith(".*") and topic.startswith(pattern[:-1])


@dataclass(frozen=True, slots=True)
class Baseline:
    """The state right after `initialize()`: attribute → fingerprint. `sticky` attributes were
    restored and not reassigned since; they count as changed at run time for ever."""

    fingerprints: Mapping[str, bytes] = field(default_factory=dict)
    sticky: frozenset[str] = frozenset()


@dataclass(slots=True)
class Counters:
    """Counts of one plugin, the same for all its generations."""

    requests: int = 0
    errors: int = 0
    latency: Latency = field(default_factory=Latency)


@dataclass(eq=False, kw_only=True)
class Generation:
    """Built by a transaction; immutable in what matters once it is published, but for what the
    plugin registers at run time, and its configuration. `flights` is the work inside, `hold` what
    new work waits at.

    `config` is without the overrides of run time. `candidate` is the static analysis of `source`
    (opaque here), `extra` the import names of modules that belong to the table but were loaded
    lazily. `stopped` is True once the hooks on the way out have run. `company` are the
    generations of a canary, itself included: what work inside calls of them it finds there.
    Empty for any other.
    """

    source: PluginSource
    manifest: Manifest
    candidate: Any
    number: int
    table: ModuleTable
    config: LayeredConfig
    counters: Counters = field(default_factory=Counters)
    ledger: Ledger = field(default_factory=Ledger)
    plugin: BasePlugin | None = None
    host: Any = None
    app: PluginApp | None = None
    routes: tuple[RouteEntry, ...] = ()
    permissions: tuple[Permission, ...] = ()
    services: dict[str, Any] = field(default_factory=dict)
    service_versions: dict[str, str] = field(default_factory=dict)
    subscriptions: tuple[Subscription, ...] = ()
    commands: dict[str, Command] = field(default_factory=dict)
    connections: dict[str, Any] = field(default_factory=dict)
    health: HealthStatus | None = None
    baseline: Baseline = field(default_factory=Baseline)
    persistent: Mapping[str, Any] = field(default_factory=dict)
    flights: dict[int, Flight] = field(default_factory=dict)
    streams: dict[int, Flight] = field(default_factory=dict)
    hold: Hold | None = None
    stated_version: str = ""
    loaded_at: datetime | None = None
    live_since: float = 0.0
    live: bool = False
    stopped: bool = False
    closed: bool = False
    company: Mapping[str, Generation] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def key(self) -> str:
        return normalise(self.source.name)

    @property
    def version(self) -> str:
        return self.stated_version or self.manifest.version or ""

    def forget_registrations(self) -> None:
        """It is about to register anew what it offers."""
        self.subscriptions = ()
        self.services.clear()
        self.service_versions.clear()
        self.commands.clear()

    @property
    def uptime(self) -> float:
        """Seconds since this generation went live."""
        return time.monotonic() - self.live_since if self.live else 0.0
