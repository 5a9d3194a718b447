"""A queue is handed on as it is; what waits in it becomes new."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from typing import Any

import pytest

from tests.integration.lab import Lab, plugin, wait_for

TOP = """
import asyncio, queue

class Job:
    def __init__(self, name, level=0):
        self.name = name
        self.level = level
    def __lt__(self, other):
        return self.level < other.level
    def show(self):
        return VERSION
"""


def source(version: int, init: str = "", body: str = "") -> str:
    init = "self.jobs = queue.Queue()\nself.last = None\n" + init
    return plugin("users", version, top=TOP, init=init, body=body)


def job(name: str, level: int = 0) -> Any:
    return sys.modules["plugins.users.plugin"].Job(name, level)


@pytest.fixture
def jobs(lab: Lab) -> Lab:
    lab.write("users", source(1))
    lab.start()
    return lab


def saved(lab: Lab, text: str) -> Any:
    outcome = lab.save(("users", text))
    assert outcome is not None
    assert outcome.success, outcome.error
    return lab.generation("users").plugin


@pytest.mark.parametrize("kind", [queue.Queue, queue.LifoQueue, queue.PriorityQueue])
def test_what_waits_is_of_the_new_class_in_the_same_order(jobs: Lab, kind: Any) -> None:
    users = jobs.generation("users").plugin
    waiting = users.jobs = kind()
    for level in (3, 1, 2):
        waiting.put((level, job(f"job {level}")))
    users.last = waiting.queue[0][1]
    order = [item[0] for item in waiting.queue]
    users = saved(jobs, source(2))
    assert users.jobs is waiting
    assert [item[0] for item in waiting.queue] == order
    assert [item[1].show() for item in waiting.queue] == [2, 2, 2]
    assert users.last is waiting.queue[0][1]
    assert waiting.unfinished_tasks == 3


def test_a_consumer_that_waits_at_the_queue_goes_on_waiting_there(jobs: Lab) -> None:
    waiting = jobs.generation("users").plugin.jobs
    taken: list[Any] = []
    consumer = threading.Thread(target=lambda: taken.append(waiting.get()))
    consumer.start()
    try:
        users = saved(jobs, source(2))
    finally:
        waiting.put(job("late"))
        consumer.join()
    assert users.jobs is waiting
    assert taken[0].show() == 2


def test_what_waits_is_untouched_when_the_reload_is_rolled_back(jobs: Lab) -> None:
    waiting = jobs.generation("users").plugin.jobs
    first = job("a")
    waiting.put(first)
    outcome = jobs.save(("users", source(2, body="def initialize(self): return False")))
    assert outcome is not None
    assert outcome.rolled_back
    assert list(waiting.queue) == [first]
    assert type(waiting.queue[0]) is type(first)


def test_what_waits_and_is_unknown_to_the_new_code_stays_as_it_is_and_is_named(jobs: Lab) -> None:
    waiting = jobs.generation("users").plugin.jobs
    first = job("a")
    waiting.put(first)
    text = source(2).replace("class Job", "class Task")
    outcome = jobs.save(("users", text))
    assert outcome is not None
    assert outcome.success
    assert outcome.state.lost == ("jobs (what waits in it)",)
    assert waiting.queue[0] is first


def test_a_task_gets_new_objects_from_an_asyncio_queue_that_it_shares(lab: Lab) -> None:
    init = "self.inbox = None\nself.seen = []"
    body = """
        async def initialize(self):
            self.inbox = self.inbox or asyncio.Queue()
            self.create_task(self.work)

        async def work(self):
            while True:
                self.seen.append((VERSION, (await self.inbox.get()).show()))
    """
    lab.write("users", source(1, init, body))
    lab.start()
    loop = lab.running.system.loop
    inbox = lab.generation("users").plugin.inbox

    async def put(target: asyncio.Queue[Any], *items: Any) -> None:
        for item in items:
            target.put_nowait(item)

    loop.submit(put, inbox, job("a")).result(10)
    wait_for(lambda: lab.generation("users").plugin.seen == [(1, 1)])
    users = saved(lab, source(2, init, body))
    loop.submit(put, users.inbox, job("b")).result(10)
    wait_for(lambda: users.seen == [(1, 1), (2, 2)])


def test_what_waits_in_an_asyncio_queue_is_new(lab: Lab) -> None:
    lab.write("users", source(1, "self.inbox = None"))
    lab.start()

    async def with_a_loop() -> asyncio.Queue[Any]:
        made: asyncio.Queue[Any] = asyncio.Queue(1)
        made.put_nowait(job("a"))
        full = asyncio.ensure_future(made.put(job("b")))
        await asyncio.sleep(0)
        await made.get()
        await full
        return made

    inbox = lab.running.system.loop.submit(with_a_loop).result(10)
    lab.generation("users").plugin.inbox = inbox
    users = saved(lab, source(2, "self.inbox = None"))
    wait_for(lambda: users.inbox._queue[0].show() == 2)
