"""Ordinary reloads leave nothing."""

from __future__ import annotations

import sys
import threading
import weakref

from tests.integration.lab import Lab, plugin, wait_for


def test_the_old_generation_is_garbage_afterwards(chain: Lab) -> None:
    references = []
    for name in ("users", "orders", "mailer"):
        generation = chain.generation(name)
        references += [weakref.ref(generation.plugin), weakref.ref(type(generation.plugin))]
        references += [weakref.ref(m) for m in generation.table.modules.values()]
    del generation
    assert chain.save(("users", plugin("users", 2, top="RATE = 2"))).success
    wait_for(lambda: chain.live("users") == [2], "the end of g1")
    wait_for(lambda: chain.live("mailer") == [2], "the end of g1")
    assert [r() for r in references if r() is not None] == []


def test_200_reloads_leave_threads_and_modules_level(lab: Lab) -> None:
    lab.write(
        "users",
        plugin(
            "users",
            body="""
        def initialize(self):
            self.create_task(self.tick)

        async def tick(self):
            import asyncio
            while True:
                await asyncio.sleep(0.01)
    """,
        ),
    )
    lab.start()
    text = lab.path("users").read_text()
    for n in range(10):
        assert lab.save(("users", text.replace("VERSION = 1", f"VERSION = {n + 2}"))).success
    wait_for(lambda: len(lab.live("users")) == 1, "the end of old generations")
    threads, modules = set(threading.enumerate()), set(sys.modules)
    for n in range(200):
        assert lab.save(("users", text.replace("VERSION = 1", f"VERSION = {n + 100}"))).success
    wait_for(lambda: len(lab.live("users")) == 1, "the end of old generations")
    wait_for(lambda: set(threading.enumerate()) <= threads, "the end of threads")
    assert set(sys.modules) <= modules
    assert lab.json("/users/version")["version"] == 299
