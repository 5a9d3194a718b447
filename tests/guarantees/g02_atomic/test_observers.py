"""Whoever looks during a commit sees all of it or nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.integration.lab import Lab, plugin, wait_for

_STAMP = """
    @router.get("/stamp")
    def stamp():
        return self.stamp()
"""
_BODY = """
    async def initialize(self):
        self.register_service("{name}.stamp", self.stamp)
        self.register_command("stamp", self.stamp)
        await self.subscribe_to_event("look", self.look)

    def look(self, event):
        event.data.append(self.stamp())

    def stamp(self):
        seen = {{"{name}": VERSION}}
        for module in PEERS:
            seen["import of " + module.__name__] = module.VERSION
        for service in {services}:
            seen["service " + service] = self.get_service(service)()
        return seen
"""
_NEEDS: dict[str, tuple[str, ...]] = {
    "base": (),
    "left": ("base",),
    "right": ("base",),
    "top": ("left", "right", "base"),
}


def _source(name: str, version: int) -> str:
    imports = [f"from plugins.{n} import plugin as {n}" for n in _NEEDS[name]]
    services = [f"{n}.stamp" for n in _NEEDS[name]]
    return plugin(
        name,
        version,
        top="\n".join([*imports, f"PEERS = [{', '.join(_NEEDS[name])}]"]),
        routes=_STAMP,
        body=_BODY.format(name=name, services=services),
    )


def _versions(stamp: Any) -> set[int]:
    """All versions that a stamp, or a tree of them, tells of."""
    if isinstance(stamp, dict):
        return {v for part in stamp.values() for v in _versions(part)}
    if isinstance(stamp, list):
        return {v for part in stamp for v in _versions(part)}
    return {stamp}


@pytest.fixture
def family(lab: Lab) -> Lab:
    """base ← left, right ← top, running at version 1."""
    for name in _NEEDS:
        lab.write(name, _source(name, 1))
    lab.start()
    return lab


class Crowd:
    """Threads that look again and again, and keep what is neither old nor new."""

    def __init__(self, **looks: Callable[[], Any]) -> None:
        self._looks = looks
        self._ended = threading.Event()
        self.mixed: list[Any] = []
        self.seen: dict[str, set[int]] = {name: set() for name in looks}

    @contextmanager
    def watching(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._watch, args=i) for i in self._looks.items()]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def _watch(self, name: str, look: Callable[[], Any]) -> None:
        while not self._ended.wait(0.005):  # or they would starve what they look at
            try:
                stamp = look()
            except Exception as error:  # an observer that gets no answer is a fault too
                self.mixed.append((name, error))
                continue
            versions = _versions(stamp)
            self.seen[name] |= versions
            if len(versions) > 1:
                self.mixed.append((name, stamp))


def _crowd(lab: Lab) -> Crowd:
    running = lab.running
    control, registry = running.control, running.registry

    def view() -> list[int]:
        plugins = registry.view.plugins
        return [plugins[name].generation_number for name in _NEEDS]

    def modules() -> list[int]:
        found = registry.view
        generations = [found.generation(name) for name in _NEEDS]
        return [
            g.table.modules[f"plugins.{g.key}.plugin"].VERSION for g in generations if g is not None
        ]

    return Crowd(
        request=lambda: lab.json("/top/stamp"),
        another_request=lambda: lab.json("/left/stamp"),
        command=lambda: control.run_command("top", "stamp", {}),
        view=view,
        modules=modules,
    )


def _hammer(lab: Lab, reloads: int) -> Crowd:
    crowd = _crowd(lab)
    with crowd.watching():
        for version in range(2, reloads + 2):
            edits = [(n, _source(n, version)) for n in _NEEDS]
            outcome = lab.save(*edits)
            assert outcome is not None
            assert outcome.success, outcome.error
    return crowd


def test_each_of_many_observers_sees_all_old_or_all_new(family: Lab) -> None:
    crowd = _hammer(family, 40)
    assert crowd.mixed == []
    assert min(len(seen) for seen in crowd.seen.values()) > 10, "they hardly looked"


@pytest.mark.soak
def test_nobody_sees_a_mixture_in_a_thousand_reloads(family: Lab) -> None:
    assert _hammer(family, 1000).mixed == []


def test_events_published_meanwhile_reach_every_plugin_once_and_see_one_generation(
    family: Lab,
) -> None:
    bus = family.running.system.bus
    told: list[list[Any]] = []
    ended = threading.Event()

    def publish() -> None:
        while not ended.is_set():
            told.append([])
            bus.publish("look", told[-1], "nobody")
            ended.wait(0.002)

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        for version in range(2, 22):
            edits = [(n, _source(n, version)) for n in _NEEDS]
            outcome = family.save(*edits)
            assert outcome is not None
            assert outcome.success, outcome.error
    finally:
        ended.set()
        publisher.join()
    wait_for(lambda: all(len(stamps) == len(_NEEDS) for stamps in told), "each event, everywhere")
    # Each delivery is an observation of its own: one subscriber may be reached before the
    # commit, another behind it.
    assert [s for stamps in told for s in stamps if len(_versions(s)) > 1] == []
    assert [s for s in told if len(s) != len(_NEEDS)] == []
