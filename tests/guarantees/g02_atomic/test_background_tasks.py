"""Tasks of a generation stand still while its state is taken over."""

from __future__ import annotations

import pytest

from devserver.core.outcome import Result
from tests.integration.lab import Lab, plugin, wait_for

_COUNTING = """
    def initialize(self):
        self.create_task(self.tick)

    async def tick(self):
        while True:
            self.count += 1
            SEEN.append(self.count)
            await asyncio.sleep(0)
"""
_SEEN = "import asyncio, builtins\nSEEN = builtins.counts_seen"


def _counting(version: int) -> str:
    return plugin("clock", version, top=_SEEN, init="self.count = 0", body=_COUNTING)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the tasks of all generations counted."""
    seen: list[int] = []
    monkeypatch.setattr("builtins.counts_seen", seen, raising=False)
    return seen


def test_a_task_that_never_rests_loses_no_count_in_30_reloads(lab: Lab, counts: list[int]) -> None:
    lab.write("clock", _counting(1))
    lab.settings("safety:\n  trial_process: false\n")
    lab.start()
    for version in range(2, 32):
        here = len(counts)
        wait_for(lambda here=here: len(counts) > here, "a tick")
        assert lab.save(("clock", _counting(version))).success
    here = len(counts)
    wait_for(lambda: len(counts) > here, "a tick of the last one")
    taken = counts[:]
    assert taken == list(range(1, len(taken) + 1))


def test_after_a_roll_back_the_same_task_goes_on_where_it_was(lab: Lab, counts: list[int]) -> None:
    lab.write("clock", _counting(1))
    lab.settings("safety:\n  trial_process: false\n")
    lab.start()
    (task,) = lab.generation("clock").host.tasks()
    wait_for(lambda: counts, "a tick")
    failing = _counting(2).replace("self.create_task(self.tick)", "raise ValueError('boom')")
    outcome = lab.save(("clock", failing))
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    assert lab.generation("clock").host.tasks() == (task,)
    here = len(counts)
    wait_for(lambda: len(counts) > here, "the next tick")
    assert not task.done()
    taken = counts[:]
    assert taken == list(range(1, len(taken) + 1))


def test_what_a_task_holds_a_hook_of_the_successor_gets_all_the_same(lab: Lab) -> None:
    holding = plugin(
        "clock",
        top="import asyncio",
        init="self.lock = asyncio.Lock()\nself.held = False",
        body="""
    def initialize(self):
        self.create_task(self.work)

    async def work(self):
        while True:
            async with self.lock:
                self.held = True
                await asyncio.sleep(0.05)
    """,
    )
    lab.write("clock", holding)
    lab.start()
    wait_for(lambda: lab.generation("clock").plugin.held, "the lock")
    waiting = holding.replace("VERSION = 1", "VERSION = 2").replace(
        "    def initialize(self):\n",
        "    async def initialize(self):\n        async with self.lock:\n            pass\n",
    )
    assert waiting.count("async with self.lock") == 2
    outcome = lab.save(("clock", waiting))
    assert outcome is not None
    assert outcome.success, outcome.error
    assert lab.json("/clock/version")["version"] == 2


def test_a_timeout_that_runs_out_meanwhile_is_told_to_the_task_behind_it(lab: Lab) -> None:
    text = plugin(
        "clock",
        top="import asyncio\nimport builtins",
        init="self.ends = 0",
        body="""
    def initialize(self):
        self.create_task(self.work)

    async def work(self):
        while True:
            try:
                async with asyncio.timeout(0.001):
                    await asyncio.sleep(60)
            except TimeoutError:
                self.ends += 1
    """,
    )
    lab.write("clock", text)
    lab.start()
    old = lab.generation("clock").plugin
    wait_for(lambda: old.ends > 3, "some timeouts")
    failing = text.replace("self.create_task(self.work)", "import time; time.sleep(0.05); 1 / 0")
    assert lab.save(("clock", failing)).result is Result.ROLLED_BACK
    here = old.ends
    wait_for(lambda: old.ends > here, "the next timeout")
    assert lab.generation("clock").plugin is old
