"""Calling plugin code: plain, async, raising, hanging."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from devserver.core.errors import PluginHookFailed
from devserver.runtime.hooks import HookRunner
from devserver.runtime.loop import PluginLoop


@pytest.fixture
def loop() -> Iterator[PluginLoop]:
    loop = PluginLoop()
    loop.start()
    yield loop
    loop.stop()


@pytest.fixture
def hooks(loop: PluginLoop) -> Iterator[HookRunner]:
    hooks = HookRunner(loop)
    yield hooks
    hooks.close()


def call(hooks: HookRunner, function, *arguments, timeout: float = 10):
    return hooks.call(function, *arguments, plugin="users", hook="initialize", timeout=timeout)


def test_a_plain_function_gives_its_value(hooks: HookRunner) -> None:
    assert call(hooks, lambda a, b: a + b, 1, 2) == 3


def test_a_coroutine_function_runs_on_the_plugin_loop(hooks: HookRunner, loop: PluginLoop) -> None:
    async def where() -> bool:
        await asyncio.sleep(0)
        return loop.is_current()

    assert call(hooks, where) is True


def test_a_plain_function_that_gives_an_awaitable_is_awaited(hooks: HookRunner) -> None:
    async def later() -> int:
        return 7

    assert call(hooks, lambda: later()) == 7


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(3), KeyboardInterrupt(), TimeoutError("own")]
)
@pytest.mark.parametrize("is_async", [False, True])
def test_whatever_is_raised_is_carried_to_the_caller(
    hooks: HookRunner, error: BaseException, is_async: bool
) -> None:
    def plain() -> None:
        raise error

    async def coroutine() -> None:
        raise error

    with pytest.raises(PluginHookFailed) as caught:
        call(hooks, coroutine if is_async else plain)
    assert caught.value.__cause__ is error
    assert caught.value.code == "RUN001"
    assert "'initialize' of 'users' raised" in caught.value.message
    assert call(hooks, lambda: "still there") == "still there"


def test_the_loop_survives_system_exit_in_a_task(hooks: HookRunner, loop: PluginLoop) -> None:
    async def spawn() -> None:
        async def leave() -> None:
            raise SystemExit(1)

        asyncio.get_running_loop().create_task(leave())

    call(hooks, spawn)

    async def alive() -> bool:
        return True

    assert call(hooks, alive) is True


def test_an_endless_loop_is_interrupted_in_its_thread(hooks: HookRunner) -> None:
    threads: list[threading.Thread] = []

    def spin() -> None:
        threads.append(threading.current_thread())
        while True:
            pass

    with pytest.raises(PluginHookFailed, match=r"did not finish within 0\.1 s") as caught:
        call(hooks, spin, timeout=0.1)
    assert caught.value.code == "RUN002"
    threads[0].join(5)
    assert not threads[0].is_alive()
    assert hooks.abandoned == []


def test_a_thread_that_cannot_be_ended_is_named(hooks: HookRunner) -> None:
    release = threading.Event()

    def stuck() -> None:
        deadline = time.monotonic() + 20
        while not release.is_set() and time.monotonic() < deadline:
            try:
                release.wait(20)
            except BaseException:
                continue

    with pytest.raises(PluginHookFailed, match="could not be ended") as caught:
        call(hooks, stuck, timeout=0.05)
    assert caught.value.code == "RUN002"
    assert "users.initialize" in hooks.abandoned[0]
    release.set()
    assert call(hooks, lambda: 1) == 1


def test_a_hanging_coroutine_is_cancelled(hooks: HookRunner) -> None:
    cancelled = threading.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(PluginHookFailed, match="did not finish"):
        call(hooks, hang, timeout=0.05)
    assert cancelled.wait(5)


def test_a_coroutine_that_blocks_the_loop_is_interrupted_and_named(hooks: HookRunner) -> None:
    async def spin() -> None:
        while True:
            pass

    with pytest.raises(PluginHookFailed, match=r"blocked the plugin loop .*test_hooks\.py:\d+"):
        call(hooks, spin, timeout=0.05)

    async def alive() -> bool:
        return True

    assert call(hooks, alive) is True
