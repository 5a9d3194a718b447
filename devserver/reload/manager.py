"""What an application, and every plugin, manages plugins with."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from devserver.core.errors import DevServerError, PluginUnavailable, SwitchRefused
from devserver.core.lifecycle import DesiredState, PluginStatus
from devserver.core.outcome import Outcome
from devserver.reload.control import Control
from devserver.runtime.registry import PluginRecord, SystemView

Verdict = Outcome | SwitchRefused


class Switched(Awaitable[bool]):
    """What came of enabling, disabling or reloading a plugin: true when it worked, and the same
    when it is awaited.

    It is done when the caller gets it, but on the plugin loop (in a coroutine of a plugin), which
    a reload needs itself: there it is under way, and has to be awaited.
    """

    def __init__(self, future: Future[Verdict]) -> None:
        self._future = future

    def __bool__(self) -> bool:
        return _worked(self._verdict())

    def __await__(self) -> Generator[Any, None, bool]:
        if self._future.done():
            return _worked(self._future.result())
        verdict = yield from asyncio.wrap_future(self._future).__await__()
        return _worked(verdict)

    def __repr__(self) -> str:
        told = repr(self.message) if self._future.done() else "under way"
        return f"<{type(self).__name__} {told}>"

    @property
    def outcome(self) -> Outcome | None:
        """All about it; None where it was refused before anything was tried."""
        verdict = self._verdict()
        return verdict if isinstance(verdict, Outcome) else None

    @property
    def message(self) -> str:
        """What happened, or why it did not."""
        verdict = self._verdict()
        if isinstance(verdict, Outcome):
            return verdict.error or verdict.message
        return verdict.message

    def _verdict(self) -> Verdict:
        if not self._future.done():
            raise DevServerError(
                "it is not known yet what came of it",
                hint="in a coroutine of a plugin: `await self.plugin_manager.enable_plugin(name)`",
            )
        return self._future.result()


def _worked(verdict: Verdict) -> bool:
    return isinstance(verdict, Outcome) and verdict.success


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """What is known of a plugin. `dependencies` maps the names of the plugins that it needs to
    version specifiers, "" for any; `reason` says why it is in its status."""

    name: str
    version: str
    title: str
    description: str
    author: str
    category: str
    tags: tuple[str, ...]
    status: PluginStatus
    enabled: bool
    reason: str
    is_core: bool
    dependencies: Mapping[str, str]
    dependents: tuple[str, ...]
    routes_count: int
    generation: int
    reload_count: int


class PluginManager:
    """Names are accepted in either spelling. Callable from any thread.

    The three that switch raise PluginNotFound, or PluginUnavailable when the host is stopping;
    what does not work out is a false answer that tells why.
    """

    def __init__(self, control: Control, *, on_plugin_loop: Callable[[], bool]) -> None:
        self._control = control
        self._on_plugin_loop = on_plugin_loop

    def enable_plugin(self, name: str) -> Switched:
        """Puts a plugin into service, and keeps that word for later starts."""
        return self._switch(lambda: self._control.enable(name))

    def disable_plugin(self, name: str, *, force: bool = False) -> Switched:
        """Takes a plugin out of service until it is enabled. `force` takes those that need it
        along, and does not wait for requests."""
        return self._switch(lambda: self._control.disable(name, force=force))

    def reload_plugin(self, name: str, *, force: bool = False) -> Switched:
        """Reloads a plugin from disk, with its dependents; `force` skips validation."""
        return self._switch(lambda: self._control.reload(name, force=force))

    def get_plugin_info(self, name: str) -> PluginInfo | None:
        """None for a plugin that is not known."""
        view = self._control.registry.view
        record = view.find(name)
        return None if record is None else _info(view, record)

    def get_plugin_status(self, name: str) -> PluginStatus | None:
        """False in a condition unless the plugin serves; None for one that is not known."""
        record = self._control.registry.view.find(name)
        return None if record is None else record.status

    @property
    def plugins(self) -> Mapping[str, PluginInfo]:
        """All known plugins by name, as they are now."""
        view = self._control.registry.view
        known = sorted(view.plugins.values(), key=lambda r: r.name.lower())
        return MappingProxyType({r.name: _info(view, r) for r in known})

    _plugin_info = plugins  # the name that applications written for other hosts know it by

    def _switch(self, act: Callable[[], Outcome]) -> Switched:
        future: Future[Verdict] = Future()
        if not self._on_plugin_loop():
            future.set_result(_verdict_of(act))
            return Switched(future)
        # The request, and what it sees, is that of the caller.
        context = contextvars.copy_context()
        threading.Thread(
            target=context.run,
            args=(_settle, future, act),
            name="plugin-switch",
            daemon=True,
        ).start()
        return Switched(future)


class HotReloadManager:
    """What is in service. Names are accepted in either spelling."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def get_active_plugins(self) -> list[str]:
        """The names of the plugins that serve."""
        known = self._control.registry.view.plugins.values()
        return sorted(r.name for r in known if r.status.serves)

    def is_plugin_active(self, name: str) -> bool:
        """False also for one that is not known."""
        record = self._control.registry.view.find(name)
        return record is not None and record.status.serves

    def get_plugin_route_count(self, name: str) -> int:
        """How many routes a plugin answers now, 0 for one that does not serve."""
        record = self._control.registry.view.find(name)
        return 0 if record is None else self._control.routes_count(record.name)


def _verdict_of(act: Callable[[], Outcome]) -> Verdict:
    try:
        return act()
    except SwitchRefused as refusal:
        return refusal
    except CancelledError:
        raise PluginUnavailable("the host is stopping: nothing is switched any more") from None


def _settle(future: Future[Verdict], act: Callable[[], Outcome]) -> None:
    try:
        verdict = _verdict_of(act)
    except BaseException as error:  # noqa: BLE001 - carried to whoever awaits it
        future.set_exception(error)
    else:
        future.set_result(verdict)


def _info(view: SystemView, record: PluginRecord) -> PluginInfo:
    manifest, generation = record.manifest, record.generation
    imported = {_name(view, e.target): "" for e in view.edges if e.source == record.key}
    declared = {_name(view, n): specifier for n, specifier in manifest.dependencies.items()}
    return PluginInfo(
        name=record.name,
        version=record.version,
        title=manifest.title or record.name,
        description=manifest.description or "",
        author=manifest.author or "",
        category=manifest.category or "",
        tags=tuple(manifest.tags),
        status=record.status,
        enabled=record.desired is DesiredState.ACTIVE,
        reason=record.reason,
        is_core=manifest.is_core is True,
        dependencies=MappingProxyType({**imported, **declared}),
        dependents=tuple(
            sorted(_name(view, e.source) for e in view.edges if e.target == record.key)
        ),
        routes_count=0 if generation is None else len(generation.routes),
        generation=0 if generation is None else generation.number,
        reload_count=record.reload_count,
    )


def _name(view: SystemView, name: str) -> str:
    record = view.find(name)
    return name if record is None else record.name
