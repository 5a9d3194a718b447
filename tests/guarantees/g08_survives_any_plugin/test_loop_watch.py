"""The watch over the plugin loop: who blocks it is told early, and left behind in time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from devserver.core.errors import LoopBlocked, PluginHookFailed
from devserver.runtime.hooks import HookRunner
from devserver.runtime.loop import PluginLoop
from devserver.runtime.loop_watch import LoopWatch
from devserver.runtime.stall import Stall
from tests.guarantees.g08_survives_any_plugin.gates import Gates
from tests.integration.lab import wait_for


@pytest.fixture
def loop() -> Iterator[PluginLoop]:
    loop = PluginLoop()
    loop.start()
    yield loop
    loop.stop()


def test_the_watch_warns_once_and_then_moves_the_loop(loop: PluginLoop, gates: Gates) -> None:
    told: list[Stall] = []
    watch = LoopWatch(loop, limit=lambda: 1.6, tell=told.append)
    watch.start()
    block = gates.new()

    async def stuck() -> None:
        block()

    try:
        call = loop.submit(stuck)
        with pytest.raises(LoopBlocked):
            call.result(10)
        wait_for(lambda: len(told) == 2, "both")
    finally:
        watch.stop()
    early, late = told
    assert early.thread is None
    assert 0.9 < early.seconds < 1.5
    assert (late.thread, late.abandoned) == ("plugin-loop", True)
    assert "gates.py" in early.where
    assert "cannot be ended" in late.message


def test_who_sits_at_a_debugger_is_left_alone(loop: PluginLoop, gates: Gates) -> None:
    """Code of a module called pdb, called by the coroutine, is a prompt."""
    told: list[Stall] = []
    watch = LoopWatch(loop, limit=lambda: 0.2, tell=told.append)
    block = gates.new()
    prompt: dict[str, Any] = {"__name__": "pdb", "block": block}
    exec("def interaction():\n    return block()", prompt)

    async def breaks() -> bool:
        return prompt["interaction"]()

    hooks = HookRunner(loop)
    watch.start()
    try:
        call = loop.submit(breaks)
        other = loop.submit(asyncio.sleep, 0, "later")
        with pytest.raises(PluginHookFailed):
            hooks.call(asyncio.Event().wait, plugin="users", hook="initialize", timeout=0.5)
        assert loop.abandoned == []
        gates.open()
        assert call.result(5) is True
        assert other.result(5) == "later"
    finally:
        watch.stop()
        hooks.close()
    assert told == []
