"""Long runs: nothing grows."""

from __future__ import annotations

import gc
import os
import sys
import threading
from pathlib import Path

import pytest

from tests.integration.lab import Lab, plugin, wait_for

BODY = """
    def initialize(self):
        self.create_task(self.tick)
        self.ctx.events.subscribe("users.*", self.on_event)
        self.register_service("users.version", lambda: VERSION)

    def on_event(self, event):
        pass

    async def tick(self):
        import asyncio
        while True:
            await self.publish_event("users.tick")
            await asyncio.sleep(0.01)
"""


def resident_kib() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_5000_reloads_leave_everything_level(lab: Lab) -> None:
    lab.settings("safety:\n  trial_process: false\n")
    lab.write("users", plugin("users", 1, body=BODY))
    lab.write("orders", plugin("orders", top="from plugins.users.plugin import VERSION as V"))
    lab.start()

    def reload(version: int) -> None:
        lab.json("/users/hit")
        assert lab.save(("users", plugin("users", version, body=BODY))).success

    for version in range(2, 1002):
        reload(version)
    wait_for(lambda: len(lab.live("users")) == 1, "the end of old generations")
    level = (resident_kib(), descriptors(), threading.active_count(), len(sys.modules))
    for version in range(1002, 5002):
        reload(version)
    wait_for(lambda: len(lab.live("users")) == 1, "the end of old generations")
    memory, fds, threads, modules = (
        resident_kib(),
        descriptors(),
        threading.active_count(),
        len(sys.modules),
    )
    assert lab.json("/users/hit") == {"hits": 5001}
    assert modules <= level[3]
    assert fds <= level[1] + 2
    assert threads <= level[2] + 2
    assert memory - level[0] < 4000, f"{memory - level[0]} KiB more after 4,000 reloads"
