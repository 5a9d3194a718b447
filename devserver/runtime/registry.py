"""What is live, published as immutable views by one assignment."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from devserver.core.diagnostics import Diagnostic
from devserver.core.lifecycle import DesiredState, PluginStatus
from devserver.core.manifest import Manifest
from devserver.core.names import normalise

if TYPE_CHECKING:
    from devserver.runtime.generation import Generation

_log = logging.getLogger("devserver.registry")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRecord:
    """One known plugin. `generation` is what answers, None when nothing does.

    `reason` says why the plugin is in its status. `diagnostics` are those of the last attempt
    (of a refused change too, while the old generation serves on); `pending` is True while
    content on disk is refused or waits to be asked for. `routed` is False for one that serves
    all but its routes, `standing` what goes on answering them while it is out of service.
    `is_lazy` is True for a plugin that was registered to be loaded at its first use.
    """

    name: str
    status: PluginStatus
    reason: str
    manifest: Manifest = field(default_factory=Manifest)
    generation: Generation | None = None
    generation_number: int = 0
    desired: DesiredState = DesiredState.ACTIVE
    diagnostics: tuple[Diagnostic, ...] = ()
    pending: bool = False
    last_loaded: datetime | None = None
    reload_count: int = 0
    routed: bool = True
    standing: Generation | None = None
    is_lazy: bool = False

    @property
    def answering(self) -> Generation | None:
        """What requests go to."""
        if self.generation is None:
            return self.standing
        return self.generation if self.routed else None

    @property
    def key(self) -> str:
        return normalise(self.name)

    @property
    def withheld(self) -> bool:
        """True when the operator keeps it out of service: no save brings it back."""
        waits = self.awaits_use or self.pending
        unloaded = self.status is PluginStatus.REGISTERED and not waits
        return unloaded or self.status is PluginStatus.DISABLED

    @property
    def awaits_use(self) -> bool:
        """True until the first use has loaded it, or has tried to."""
        known = self.status in (PluginStatus.REGISTERED, PluginStatus.LOADING)
        return self.is_lazy and known

    @property
    def version(self) -> str:
        if self.generation is not None:
            return self.generation.version
        return self.manifest.version or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`source` depends on `target`; `kind` is declared, imported or both (`declared+imported`)."""

    source: str
    target: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemView:
    """All plugins at one moment, by normalised name. `number` rises with every publication."""

    number: int = 0
    plugins: Mapping[str, PluginRecord] = field(default_factory=lambda: MappingProxyType({}))
    edges: tuple[Edge, ...] = ()

    def find(self, name: str) -> PluginRecord | None:
        """The plugin of that name in either spelling, or None."""
        return self.plugins.get(normalise(name))

    def dependencies(self, key: str) -> frozenset[str]:
        """The keys of the plugins that one depends on itself."""
        return frozenset(edge.target for edge in self.edges if edge.source == key)

    def generation(self, name: str) -> Generation | None:
        """The generation that answers for the plugin, or None."""
        record = self.find(name)
        return record.generation if record is not None else None

    def answering(self, name: str) -> Generation | None:
        """The generation that requests to the plugin go to, or None."""
        record = self.find(name)
        return record.answering if record is not None else None


class Registry:
    """Holds the current `SystemView`. Readers take `view` once and take no lock."""

    def __init__(self) -> None:
        self._view = SystemView()
        self._lock = threading.Lock()
        self._listeners: list[Callable[[SystemView], None]] = []

    @property
    def view(self) -> SystemView:
        """The view that is live now."""
        return self._view

    def on_publish(self, listener: Callable[[SystemView], None]) -> None:
        """`listener` is called after every publication, on the publishing thread; it must be
        quick and must not raise."""
        self._listeners.append(listener)

    def publish(
        self,
        *records: PluginRecord,
        remove: tuple[str, ...] = (),
        edges: tuple[Edge, ...] | None = None,
    ) -> SystemView:
        """Puts records in (replacing those of the same key), takes `remove` (keys) out."""
        with self._lock:
            plugins = dict(self._view.plugins)
            for key in remove:
                plugins.pop(key, None)
            for record in records:
                plugins[record.key] = record
            view = replace(
                self._view,
                number=self._view.number + 1,
                plugins=MappingProxyType(plugins),
                edges=self._view.edges if edges is None else edges,
            )
            self._view = view
        for listener in self._listeners:
            try:
                listener(view)
            except Exception:  # noqa: BLE001 - the view is out; whoever published it goes on
                _log.exception("a listener of the registry failed")
        return view
