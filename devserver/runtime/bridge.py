"""What a generation's plugin reaches of the host."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from types import MappingProxyType
from typing import Any

from devserver.core.lifecycle import PluginStatus
from devserver.core.names import check_offered
from devserver.runtime.events import EventBus
from devserver.runtime.gate import Flight
from devserver.runtime.generation import Command, Generation, Subscription
from devserver.runtime.loop import PluginLoop
from devserver.runtime.own_values import OwnValues
from devserver.runtime.patches import PatchBoard
from devserver.runtime.registry import Registry
from devserver.runtime.service_proxy import ServiceProxy
from devserver.runtime.services import ServiceDirectory, check_name, specifier
from devserver.runtime.tasks import Pause, TaskHandle
from devserver.runtime.topics import check_subscription, check_topic
from devserver.runtime.work_database import PluginDatabase, current_connection
from devserver.sdk.permissions import Permission

ErrorReport = Callable[[str, str, BaseException], Any]
"""Called with plugin, place and what its code raised; logs it with the plugin's frames."""
_STEP = 1.0
"""Seconds that a step of a task which is under way gets; one that blocks is not waited for."""


class GenerationHost:
    """Implements `devserver.sdk.host.Host` for one generation.

    Until the generation is live nothing of what it does is visible: events wait in a list,
    values in `own`; `go_live` lets them out, `close` drops them.
    """

    def __init__(
        self,
        generation: Generation,
        *,
        registry: Registry,
        bus: EventBus,
        services: ServiceDirectory,
        loop: PluginLoop,
        own: OwnValues,
        database: Callable[[], PluginDatabase],
        manager: Any,
        report: ErrorReport,
        patches: PatchBoard,
    ) -> None:
        self._generation = generation
        self._registry = registry
        self._bus = bus
        self._services = services
        self._loop = loop
        self.own = own
        """What the plugin is configured with, and what it sets."""
        self._database = database
        self._manager = manager
        self._report = report
        self._patches = patches
        self._lock = threading.Lock()
        self._waiting: list[Callable[[], Any]] = []
        self._tasks: list[TaskHandle] = []
        self._cancelled: list[TaskHandle] = []
        self._pause = Pause(loop)
        self._hooks: list[Flight] = []
        self._is_beside = False

    # -- the generation's life ---------------------------------------------------------------

    def go_live(self) -> None:
        """What waited for the commit happens now: tasks start, events go out."""
        key = self._generation.key
        with self._lock:
            self._generation.live = True
            waiting, self._waiting = self._waiting, []
        for action in waiting:
            try:
                action()
            except Exception as error:  # noqa: BLE001 - the commit is over; it must be finished
                self._report(key, "what waited for the commit", error)
        self._forget_views()

    def serve_beside(self) -> None:
        """The generation answers requests though it is not live. From now on what it publishes
        goes out and what it sets is kept at once; what its hooks did waits for a commit that
        does not come, and tasks do not start."""
        with self._lock:
            self._is_beside = True
            self._waiting.clear()
        self.own.let_through()
        self._forget_views()

    def close(self) -> None:
        """The generation is gone: it can no longer reach anything."""
        with self._lock:
            self._generation.live = False
            self._generation.closed = True
            self._waiting.clear()
        self._forget_views()
        self.cancel_tasks()
        self._patches.remove(self._generation)

    def hook_ended(self, flight: Flight) -> None:
        """What a hook of a candidate has left running sees the other candidates until the
        generation goes live or is let go; one of any other sees what is live."""
        if self._generation.live or self._generation.closed:
            flight.forget_view()
        else:
            self._hooks.append(flight)

    def _forget_views(self) -> None:
        while self._hooks:
            self._hooks.pop().forget_view()

    def cancel_tasks(self) -> None:
        """Asks every task to end."""
        self._cancelled = [t for t in self._tasks if not t.done()]
        for task in self._tasks:
            task.cancel()
        self._pause.end()

    def pause_tasks(self) -> None:
        """When it returns, no step of a task is under way, and none begins until `resume_tasks`
        or `cancel_tasks`: what they write to state is in the snapshot, or comes after it is no
        longer needed."""
        if all(t.done() for t in self._tasks):
            return
        self._pause.begin()
        with suppress(TimeoutError):
            self._loop.submit(_nothing).result(_STEP)

    def resume_tasks(self) -> None:
        """They go on exactly where they were."""
        self._pause.end()

    def restart_tasks(self) -> None:
        """Begins those anew that the last `cancel_tasks` ended."""
        for task in self._cancelled:
            self.create_task(task.function, task.name)

    def wait_for_tasks(self, timeout: float) -> list[str]:
        """Waits until all that were cancelled have ended; the names of those that did not within
        `timeout` seconds."""
        deadline = time.monotonic() + timeout
        if self._tasks:
            with suppress(TimeoutError):
                self._loop.submit(_nothing).result(timeout)  # what was put on the loop is there
        return [t.name for t in self._tasks if not t.wait(max(0.0, deadline - time.monotonic()))]

    def tasks(self) -> tuple[TaskHandle, ...]:
        """Its background tasks."""
        return tuple(self._tasks)

    def _when_live(self, action: Callable[[], Any]) -> None:
        with self._lock:
            if self._generation.closed:
                return
            if not self._generation.live:
                self._waiting.append(action)
                return
        action()

    # -- what the plugin asks for ---------------------------------------------------------------

    @property
    def logger(self) -> logging.Logger:
        return logging.getLogger(f"plugins.{self._generation.key}")

    @property
    def status(self) -> PluginStatus:
        record = self._registry.view.find(self._generation.key)
        return PluginStatus.LOADING if record is None else record.status

    @property
    def last_loaded(self) -> datetime | None:
        return self._generation.loaded_at

    @property
    def reload_count(self) -> int:
        record = self._registry.view.find(self._generation.key)
        return 0 if record is None else record.reload_count

    @property
    def plugin_manager(self) -> Any:
        return self._manager

    def db(self) -> Any:
        return current_connection(self._database())

    def transaction(self) -> AbstractContextManager[Any]:
        return self._database().write()

    def config(self) -> Mapping[str, Any]:
        return self.own.config()

    def set_config(self, key: str, value: Any) -> None:
        self.own.set_config(key, value)

    def get_data(self, key: str, default: Any) -> Any:
        return self.own.get_data(key, default)

    def set_data(self, key: str, value: Any) -> None:
        self.own.set_data(key, value)

    def publish(self, topic: str, data: Any) -> None:
        check_topic(topic)
        key = self._generation.key
        if self._is_beside and not self._generation.closed:
            self._bus.publish(topic, data, key)
            return
        self._when_live(lambda: self._bus.publish(topic, data, key))

    def subscribe(self, topic: str, listener: Callable[..., Any]) -> None:
        check_subscription(topic, listener)
        subscription = Subscription(topic, listener)
        with self._lock:
            self._generation.subscriptions = (*self._generation.subscriptions, subscription)

    def unsubscribe(self, topic: str, listener: Callable[..., Any]) -> None:
        unwanted = Subscription(topic, listener)
        with self._lock:
            self._generation.subscriptions = tuple(
                s for s in self._generation.subscriptions if s != unwanted
            )

    def register_service(self, name: str, provided: Any, version: str) -> None:
        check_name(name, version)
        self._services.refuse_second(name, self._generation.key)
        self._generation.service_versions[name] = version
        self._generation.services[name] = provided

    def get_service(self, name: str, version: str) -> Any:
        check_name(name, version)
        wanted = specifier(version)
        if name not in self._generation.services:
            self._services.provider(name, wanted)
        return ServiceProxy(self._services, name, wanted=wanted)

    def register_command(self, name: str, function: Callable[..., Any], help: str) -> None:
        check_offered("a command", name, "report")
        if not callable(function):
            raise TypeError(f"the command {name!r} is a {type(function).__name__}, not a function")
        text = str(help or (function.__doc__ or "").strip().partition("\n")[0])
        self._generation.commands[name] = Command(name=name, function=function, help=text)

    def commands(self) -> Mapping[str, Any]:
        return MappingProxyType(self._generation.commands)

    def register_connection(self, connection_id: str, connection: Any) -> None:
        self._generation.connections[connection_id] = connection

    def get_connection(self, connection_id: str) -> Any:
        return self._generation.connections.get(connection_id)

    def create_task(self, function: Callable[..., Any], name: str | None) -> TaskHandle:
        label = str(name or getattr(function, "__name__", "task"))
        handle = TaskHandle(function, label, self._pause)
        self._tasks = [t for t in self._tasks if not t.done()]
        self._tasks.append(handle)
        self._generation.ledger.record(f"task {label}", handle.cancel)
        key = self._generation.key
        self._when_live(
            lambda: handle.start(self._loop, lambda e: self._report(key, f"task {label}", e))
        )
        return handle

    def on_cleanup(self, function: Callable[[], Any]) -> None:
        self._generation.ledger.record(f"cleanup {_name(function)}", function)

    def patch(self, target: Any, attribute: str, value: Any) -> None:
        """Sets `target.attribute` until this generation is let go."""
        self._patches.put(self._generation, target, attribute, value)

    def metrics(self) -> dict[str, float]:
        counters = self._generation.counters
        return {
            "uptime": self._generation.uptime,
            "requests": counters.requests,
            "errors": counters.errors,
            "reloads": self.reload_count,
        }

    def permissions(self) -> tuple[Permission, ...]:
        return self._generation.permissions


async def _nothing() -> None: ...


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
