"""Long runs: nothing grows, and nobody is accused."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.guarantees.g07_nothing_leaks.deeds import wait_disposed
from tests.integration.lab import Lab, plugin, wait_for

EXAMPLES = Path(__file__).parents[3]
TOP = """
import abc, dataclasses, enum, functools, logging, sys, typing, warnings
import pydantic

sys.path.insert(0, "/nowhere/vendor")
warnings.filterwarnings("ignore", message="of the users plugin")
logging.getLogger("elsewhere").addHandler(logging.NullHandler())
logging.getLogger(__name__).addHandler(logging.NullHandler())

class Colour(enum.Enum):
    RED = 1

class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self) -> float: ...

@Shape.register
class Square:
    pass

@dataclasses.dataclass
class Point:
    x: int
    colour: Colour | None = None

class Model(pydantic.BaseModel):
    name: str
    points: list[Point] = []
    other: "typing.Optional[Model]" = None

T = typing.TypeVar("T")

class Box(pydantic.BaseModel, typing.Generic[T]):
    content: T

@functools.lru_cache
def cached(number):
    return Point(number)

@functools.singledispatch
def show(thing):
    return str(thing)

@show.register
def _(thing: Point):
    return str(thing.x)
"""
BODY = """
def initialize(self):
    import plugins.orders.plugin as orders
    self.create_task(self.tick)
    self.ctx.events.subscribe("users.*", self.on_event)
    self.register_service("users.version", lambda: VERSION)
    self.ctx.patch(orders, "patched", cached)
    self.model = Model(name="m", points=[Point(1, Colour.RED)])
    Box[Point](content=cached(1))
    show(Point(1))
    isinstance(Square(), Shape)

def on_event(self, event):
    pass

async def tick(self):
    import asyncio
    while True:
        await self.publish_event("users.tick")
        await asyncio.sleep(0.01)
"""


def users(version: int) -> str:
    routes = '@router.post("/model")\ndef model(model: Model):\n    return model'
    return plugin("users", version, top=TOP, body=BODY, routes=routes)


def measured() -> dict[str, int]:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "KiB": pages * os.sysconf("SC_PAGE_SIZE") // 1024,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "modules": len(sys.modules),
        "objects": len(gc.get_objects()),
        "import paths": len(sys.path),
        "warnings filters": len(warnings.filters),
    }


def leak_notices(lab: Lab) -> list[Any]:
    events = lab.running.journal.events_after(0, 0)
    return [e.payload for e in events if "in memory" in str(e.payload.get("message"))]


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_5000_reloads_leave_everything_level(lab: Lab) -> None:
    lab.write("orders", plugin("orders", top="patched = None"))
    lab.write("users", users(1))
    lab.write(
        "mailer", plugin("mailer", top="from plugins.users.plugin import VERSION as V, Model")
    )
    lab.start()

    def reload(version: int) -> None:
        lab.json("/users/hit")
        assert lab.ask("POST", "/users/model", json={"name": "x"}).status_code == 200
        assert lab.save(("users", users(version))).success  # type: ignore[union-attr]

    def settle() -> dict[str, int]:
        wait_disposed(lab)
        wait_for(lambda: len(lab.live("users")) == 1, "the end of old generations")
        return measured()

    for version in range(2, 1202):  # as long as the journal, which keeps 1,000 outcomes, fills
        reload(version)
    level = settle()
    for version in range(1202, 5002):
        reload(version)
    now = settle()
    print(f"\n{level}\n{now}")
    assert lab.json("/users/hit") == {"hits": 5001}
    assert leak_notices(lab) == []
    for kind in ("modules", "import paths", "warnings filters"):
        assert now[kind] == level[kind], (kind, level, now)
    assert now["descriptors"] <= level["descriptors"] + 2
    assert now["threads"] <= level["threads"] + 2
    assert now["objects"] - level["objects"] < 2000, (level, now)
    assert now["KiB"] - level["KiB"] < 4000, (level, now)


@pytest.mark.parametrize("rounds", [15, pytest.param(100, marks=pytest.mark.soak)])
def test_ordinary_reloads_of_the_example_plugins_raise_no_alarm(lab: Lab, rounds: int) -> None:
    shutil.copytree(EXAMPLES / "plugins", lab.root / "plugins", dirs_exist_ok=True)
    shutil.copytree(EXAMPLES / "config", lab.root / "config", dirs_exist_ok=True)
    lab.settings("safety:\n  trial_process: false\n")
    host = lab.start()
    host.leaks.quiet = 0.01
    lab.ask("POST", "/orders/", json={"customer": "Ada", "item": "engine", "total": 1})
    for number in range(rounds):
        for file in ("users/models.py", "hello.py"):
            path = lab.path(file)
            path.write_text(f"{path.read_text()}\nNUMBER_{number} = {number}\n")
            outcome = host.changed(path)
            assert outcome is not None
            assert outcome.success, outcome
            assert lab.get("/users/").status_code == lab.get("/hello/").status_code == 200
    wait_disposed(lab)
    for name in ("users", "orders", "mailer", "hello", "clock"):
        assert host.control.leaks(name, look=True) == []
        assert len(host.control.live_generations(name)) == 1
    assert leak_notices(lab) == []
