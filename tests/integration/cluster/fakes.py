"""Instances of a group without servers: their plugins do what a test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devserver.cluster.group import Group
from devserver.core.errors import PluginNotFound
from devserver.core.lifecycle import PluginStatus
from devserver.core.outcome import Outcome, Result
from devserver.reload.journal import Journal
from devserver.runtime.registry import PluginRecord, Registry
from devserver.store.address import find_address
from devserver.store.database import Database
from devserver.store.upgrade import upgrade

LEASE = 3.0
BEAT = 0.2


class FakeControl:
    """Keeps `calls`; `on_call` may raise, block, or give the result of one."""

    def __init__(self, *known: str) -> None:
        self.registry = Registry()
        self.registry.publish(
            *(PluginRecord(name=n, status=PluginStatus.ACTIVE, reason="") for n in known)
        )
        self.journal = Journal()
        self.started_at = time.time()
        self.calls: list[tuple[str, str, bool]] = []
        self.on_call: Callable[[str, str], Result | None] = lambda _deed, _name: None

    def enable(self, name: str, *, trigger: str = "api") -> Outcome:
        return self._call("enable", name, False)

    def disable(self, name: str, *, force: bool = False, trigger: str = "api") -> Outcome:
        return self._call("disable", name, force)

    def reload(
        self, name: str, *, force: bool = False, backup_state: bool = False, trigger: str = "api"
    ) -> Outcome:
        return self._call("reload, state kept" if backup_state else "reload", name, force)

    def reload_all(
        self, *, force: bool = False, backup_state: bool = False, trigger: str = "api"
    ) -> list[Outcome]:
        names = sorted(r.name for r in self.registry.view.plugins.values())
        return [self.reload(n, force=force, backup_state=backup_state) for n in names]

    def _call(self, deed: str, name: str, force: bool) -> Outcome:
        self.calls.append((deed, name, force))
        if self.registry.view.find(name) is None:
            raise PluginNotFound(name)
        result = self.on_call(deed, name) or Result.RELOADED
        return Outcome(
            plugin=name, plugins=(name,), result=result, message=f"{deed} {name}: {result}"
        )


class Instance:
    """One member of the group."""

    def __init__(self, url: str, number: int, *known: str, installer: Any = None) -> None:
        self.database = Database(find_address(Path("/"), {"url": url}, {}))
        self.control = FakeControl(*known)
        self.group = Group(
            database=self.database,
            control=self.control,  # type: ignore[arg-type]
            installer=installer,
            lease=LEASE,
            beat=BEAT,
        )
        # The lowest id is known to the tests.
        self.group.id = f"{number:08d}-{self.group.id[9:]}"
        self.url = f"http://127.0.0.1:{9000 + number}/"
        self.asking: list[threading.Thread] = []

    @property
    def id(self) -> str:
        return self.group.id

    @property
    def notices(self) -> list[str]:
        events = self.control.journal.events_after(0, 0)
        return [e.payload["message"] for e in events if e.kind == "notice"]

    def start(self) -> None:
        upgrade(self.database)
        self.group.start(self.url)

    def row(self) -> dict[str, Any]:
        """This instance as the group shows it."""
        known = {row["id"]: row for row in self.group.shown()["instances"]}
        return dict(known.get(self.id, {"live": False, "revision": None}))

    def stop(self) -> None:
        self.group.stop(10)
        for thread in self.asking:
            thread.join()
        self.database.close()

    def vanish(self) -> None:
        """As if it were killed: its lease is not given back."""
        heart, agent = self.group._heart, self.group._agent
        assert heart is not None
        assert agent is not None
        heart._membership.leave = _lost  # type: ignore[method-assign]
        heart._stopping.set()
        heart._thread.join()
        agent._stopping.set()


def _lost(*_arguments: object) -> None:
    return


class Asking:
    """A word that is being waited for on a thread of its own."""

    def __init__(self, instance: Instance, *arguments: Any, **more: Any) -> None:
        self._report: Any = None
        self._thread = threading.Thread(
            target=self._ask, args=(instance, arguments, more), name="asking"
        )
        instance.asking.append(self._thread)
        self._thread.start()

    def _ask(self, instance: Instance, arguments: Any, more: Any) -> None:
        self._report = instance.group.ask(*arguments, **more)

    @property
    def is_answered(self) -> bool:
        return not self._thread.is_alive()

    def report(self) -> dict[str, Any]:
        self._thread.join(30)
        assert self._report is not None, "no report"
        return dict(self._report)


def ids(found: list[dict[str, Any]]) -> list[str]:
    """The instances that a part of a report names."""
    return sorted(row.get("instance", row)["id"] for row in found)
