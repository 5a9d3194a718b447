"""The plugin loop goes on in a new thread; what was on it does not notice."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from devserver.core.errors import LoopBlocked
from devserver.runtime.interrupt import HookInterrupted
from devserver.runtime.loop import PluginLoop
from devserver.runtime.stall import Stall
from tests.guarantees.g08_survives_any_plugin.gates import Gates, give_up_soon
from tests.integration.lab import wait_for


@pytest.fixture
def loop() -> Iterator[PluginLoop]:
    loop = PluginLoop()
    loop.start()
    yield loop
    loop.stop()


def move(loop: PluginLoop) -> Stall:
    """Takes the loop from what blocks it."""
    return wait_for(lambda: loop.free(0.05), "a loop that is blocked")


def test_tasks_that_wait_go_on_with_their_state(
    loop: PluginLoop, gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up_soon(monkeypatch)
    ticks: list[tuple[int, int]] = []
    tasks: list[asyncio.Task[Any]] = []

    async def count() -> None:
        own = 0
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        while True:
            own += 1
            ticks.append((own, threading.get_ident()))
            assert asyncio.current_task() is task
            await asyncio.sleep(0.001)

    counting = loop.submit(count)
    wait_for(lambda: len(ticks) > 3, "ticks")
    for _ in range(3):
        block = gates.new()

        async def stuck(block: Callable[[], bool] = block) -> None:
            block()

        call = loop.submit(stuck)
        stall = move(loop)
        assert stall.abandoned
        with pytest.raises(LoopBlocked):
            call.result(5)
        seen = len(ticks)
        wait_for(lambda seen=seen: len(ticks) > seen + 3, "ticks in the new thread")
    assert len(tasks) == 1
    assert [own for own, _ in ticks] == list(range(1, len(ticks) + 1))
    assert len({thread for _, thread in ticks}) == 4
    assert not counting.done()
    assert len(loop.abandoned) == 3


def test_queues_events_locks_timers_and_connections_go_on(
    loop: PluginLoop, gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up_soon(monkeypatch)

    async def prepare() -> dict[str, Any]:
        server = await asyncio.start_server(_echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        return {
            "queue": asyncio.Queue(),
            "event": asyncio.Event(),
            "lock": asyncio.Lock(),
            "server": server,
            "reader": reader,
            "writer": writer,
        }

    parts = loop.submit(prepare).result(5)
    loop.submit(parts["lock"].acquire).result(5)
    waiting = {
        "queue": loop.submit(parts["queue"].get),
        "event": loop.submit(parts["event"].wait),
        "lock": loop.submit(parts["lock"].acquire),
        "timer": loop.submit(asyncio.sleep, 0.3, "rung"),
        "reader": loop.submit(parts["reader"].readline),
        "thread": loop.submit(asyncio.to_thread, gates.new()),
        "inner": loop.submit(_awaits_a_task),
    }
    block = gates.new()

    async def stuck() -> None:
        block()

    loop.submit(stuck)
    move(loop)

    async def feed() -> None:
        parts["queue"].put_nowait(7)
        parts["event"].set()
        parts["lock"].release()
        parts["writer"].write(b"hello\n")
        await parts["writer"].drain()

    loop.submit(feed).result(5)
    gates.open()
    found = {name: call.result(5) for name, call in waiting.items()}
    assert found == {
        "queue": 7,
        "event": True,
        "lock": True,
        "timer": "rung",
        "reader": b"hello\n",
        "thread": True,
        "inner": [0, 1, 2],
    }

    async def close() -> None:
        parts["writer"].close()
        await parts["writer"].wait_closed()
        parts["server"].close()
        await parts["server"].wait_closed()

    loop.submit(close).result(5)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def _awaits_a_task() -> list[int]:
    async def inner() -> list[int]:
        found = []
        for number in range(3):
            await asyncio.sleep(0.1)
            found.append(number)
        return found

    return await asyncio.create_task(inner())


def test_what_is_left_behind_runs_nothing_more_when_it_comes_back(
    loop: PluginLoop, gates: Gates
) -> None:
    """Callbacks that stood behind it in the queue run once, in the new thread."""
    block = gates.new()
    ran: list[tuple[int, int]] = []
    left: list[threading.Thread] = []

    async def stuck() -> None:
        left.append(threading.current_thread())
        own = asyncio.get_running_loop()
        for number in range(100):
            own.call_soon(lambda n=number: ran.append((n, threading.get_ident())))
        own.call_soon(block)
        for number in range(100, 200):
            own.call_soon(lambda n=number: ran.append((n, threading.get_ident())))

    loop.submit(stuck).result(5)
    stall = move(loop)
    assert stall.abandoned
    wait_for(lambda: len(ran) == 200, "the callbacks behind it")
    gates.open()
    left[0].join(5)
    assert not left[0].is_alive()
    assert loop.abandoned == []
    assert [number for number, _ in ran] == list(range(200))
    assert left[0].ident not in {thread for _, thread in ran[100:]}
    assert loop.submit(asyncio.sleep, 0, "well").result(5) == "well"


def test_a_coroutine_that_swallows_its_end_gets_nowhere(loop: PluginLoop, gates: Gates) -> None:
    block = gates.new()
    steps: list[str] = []
    left: list[threading.Thread] = []

    async def stubborn() -> None:
        left.append(threading.current_thread())
        try:
            block()
            while True:  # an interrupt comes at the next line at the latest
                steps.append("on")
        except BaseException as error:
            steps[:] = [type(error).__name__]
        try:
            await asyncio.sleep(0)
            steps.append("slept")
        except BaseException as error:
            steps.append(type(error).__name__)

    call = loop.submit(stubborn)
    assert move(loop).abandoned
    gates.open()
    left[0].join(5)
    assert not left[0].is_alive()
    wait_for(lambda: len(steps) >= 2, "its second end")
    assert steps == ["HookInterrupted", "CancelledError"]
    wait_for(lambda: len(asyncio.all_tasks(loop._loop)) == 0, "the end of the task")
    with pytest.raises(LoopBlocked):
        call.result(0)


def test_one_that_is_left_behind_starts_no_timer(loop: PluginLoop, gates: Gates) -> None:
    block = gates.new()
    raised: list[BaseException] = []

    async def stuck() -> None:
        try:
            block()
            time.sleep(0)
        except BaseException:
            try:
                asyncio.get_running_loop().call_later(0.01, print)
            except BaseException as error:
                raised.append(error)

    loop.submit(stuck)
    move(loop)
    gates.open()
    wait_for(lambda: raised, "its end")
    assert isinstance(raised[0], HookInterrupted)


def test_python_code_that_blocks_is_interrupted_and_its_thread_ends(loop: PluginLoop) -> None:
    async def spin() -> None:
        while True:
            pass

    async def answer() -> int:
        return 42

    for _ in range(3):
        call, behind = loop.submit(spin), loop.submit(answer)
        stall = move(loop)
        assert not stall.abandoned
        assert "test_movable_loop.py" in stall.where
        with pytest.raises(LoopBlocked, match="blocked the plugin loop"):
            call.result(5)
        assert behind.result(5) == 42
    assert loop.abandoned == []
    assert [t.name for t in threading.enumerate() if t.name.startswith("plugin-loop")] == [
        "plugin-loop-4"
    ]


def test_a_loop_that_goes_on_by_itself_is_not_moved(loop: PluginLoop) -> None:
    async def busy() -> int:
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            await asyncio.sleep(0)
        return 1

    call = loop.submit(busy)
    assert loop.free(0.1) is None
    assert call.result(5) == 1
    assert loop.free(0) is None


def test_a_stop_does_not_wait_for_what_blocks(
    gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up_soon(monkeypatch)
    monkeypatch.setattr("devserver.runtime.loop._FAREWELL", 1.2)
    loop = PluginLoop()
    loop.start()
    ended = threading.Event()
    block = gates.new()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def stuck() -> None:
        block()

    waiting = loop.submit(waits)
    loop.submit(stuck)
    behind = loop.submit(waits)
    wait_for(lambda: loop.running() is not None, "what blocks")
    begun = time.monotonic()
    loop.stop()
    assert time.monotonic() - begun < 8
    assert ended.is_set()
    assert waiting.cancelled()
    assert behind.cancelled()
