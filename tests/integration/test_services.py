"""Services that go on after the call: a reload waits for them, and never for ever."""

from __future__ import annotations

import builtins
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.lab import Lab, plugin, wait_for

FEED = """
    open = True

    def on_load(self, ctx):
        ctx.services.register("feed", self)

    def shutdown(self):
        Users.open = False

    async def fetch(self):
        from devserver.runtime.gate import CURRENT
        entered, go_on = __import__("builtins").test_gates
        entered.set()
        while not go_on.is_set():
            await asyncio.sleep(0.001)
        if not Users.open:
            raise RuntimeError("called after shutdown()")
        return f"{VERSION} {CURRENT.get().label}"

    def rows(self):
        entered, go_on = __import__("builtins").test_gates
        for n in range(3):
            yield f"{VERSION}:{n}:{Users.open}"
            entered.set()
            go_on.wait(20)

    async def ticks(self):
        for row in self.rows():
            yield row
            await asyncio.sleep(0)
"""
ROUTES = """
    @router.get("/fetch")
    async def fetch():
        return {"told": await self.get_service("feed").fetch()}

    @router.get("/task")
    async def task():
        call = asyncio.create_task(self.get_service("feed").fetch())
        return {"told": (await asyncio.gather(call))[0]}

    @router.get("/awaitable")
    def awaitable():
        return self.get_service("feed").fetch()

    @router.get("/rows")
    def rows():
        return {"told": list(self.get_service("feed").rows())}

    @router.get("/ticks")
    async def ticks():
        return {"told": [tick async for tick in self.get_service("feed").ticks()]}

    @router.get("/pool")
    def pool():
        entered, go_on = __import__("builtins").test_gates
        entered.set()
        go_on.wait(20)
        with ThreadPoolExecutor(1) as threads:
            return {"told": threads.submit(lambda: self.get_service("version")()).result()}
"""


def feed(version: int) -> str:
    return plugin("users", version, top="import asyncio", body=FEED)


@pytest.fixture
def gates() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Set by the plugin when it has begun, and by the test to let it end."""
    builtins.test_gates = gates = (threading.Event(), threading.Event())
    yield gates
    gates[1].set()
    del builtins.test_gates


@pytest.fixture
def running(lab: Lab) -> Lab:
    lab.write("users", feed(1))
    top = "import asyncio\nfrom concurrent.futures import ThreadPoolExecutor"
    lab.write("shop", plugin("shop", top=top, routes=ROUTES))
    lab.start()
    return lab


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ("fetch", "{version} service feed"),
        ("task", "{version} service feed"),
        ("rows", ["{version}:0:True", "{version}:1:True", "{version}:2:True"]),
        ("ticks", ["{version}:0:True", "{version}:1:True", "{version}:2:True"]),
    ],
)
def test_a_reload_waits_until_a_prolonged_call_has_ended(
    running: Lab,
    gates: tuple[threading.Event, threading.Event],
    route: str,
    told: str | list[str],
) -> None:
    def expected(version: int) -> object:
        texts = [told] if isinstance(told, str) else told
        texts = [text.format(version=version) for text in texts]
        return {"told": texts[0] if isinstance(told, str) else texts}

    entered, go_on = gates
    with ThreadPoolExecutor(2) as pool:
        in_flight = pool.submit(running.json, f"/shop/{route}")
        assert entered.wait(10)
        assert len(running.generation("users").flights) == 1
        reload = pool.submit(running.save, ("users", feed(2)))
        wait_for(lambda: running.generation("users").hold is not None, "the hold")
        assert not reload.done()
        go_on.set()
        assert in_flight.result(20) == expected(1)
        assert reload.result(20).success
    assert running.json(f"/shop/{route}") == expected(2)
    wait_for(lambda: running.live("users") == [2], "the end of g1")
    assert not running.generation("users").flights


def test_a_view_may_return_what_a_service_has_it_await(
    running: Lab, gates: tuple[threading.Event, threading.Event]
) -> None:
    gates[1].set()
    assert running.get("/shop/awaitable").text == "1 service feed"


def test_a_call_that_is_never_awaited_holds_up_nothing(
    running: Lab, gates: tuple[threading.Event, threading.Event]
) -> None:
    service = running.generation("shop").plugin.get_service("feed")
    call = service.fetch()
    assert running.generation("users").flights
    call.close()
    assert not running.generation("users").flights
    call = service.rows()
    assert running.generation("users").streams
    del call
    assert not running.generation("users").streams


def test_what_is_iterated_outside_of_any_request_delays_no_commit(
    running: Lab, gates: tuple[threading.Event, threading.Event]
) -> None:
    gates[1].set()
    rows = running.generation("shop").plugin.get_service("feed").rows()
    seen = [next(rows)]
    outcome = running.save(("users", feed(2)))
    assert outcome is not None
    assert outcome.success
    assert seen + list(rows) == ["1:0:True", "1:1:True", "1:2:True"]
    wait_for(lambda: running.live("users") == [2], "the end of g1")


def test_what_feeds_a_stream_delays_no_commit(
    lab: Lab, gates: tuple[threading.Event, threading.Event]
) -> None:
    stream = """
        @router.get("/stream")
        def stream():
            return self.get_service("feed").rows()
    """
    gates[1].set()
    lab.write("users", feed(1))
    lab.write("shop", plugin("shop", routes=stream))
    lab.start()
    answer = lab._client.open("/shop/stream", buffered=False)
    parts = iter(answer.response)
    first = [next(parts), next(parts)]
    outcome = lab.save(("users", feed(2)))
    assert outcome is not None
    assert outcome.success
    assert [*first, *parts] == [b"1:0:True", b"1:1:True", b"1:2:True"]
    answer.close()
    assert not lab.generation("users").streams


def test_a_thread_that_a_request_waits_for_is_never_held(
    lab: Lab, gates: tuple[threading.Event, threading.Event]
) -> None:
    offering = """
        def on_load(self, ctx):
            ctx.services.register("version", lambda: VERSION)
    """
    top = textwrap.dedent("""
        from concurrent.futures import ThreadPoolExecutor
        from plugins.users.plugin import VERSION as V
    """)
    lab.write("users", plugin("users", 1, body=offering))
    lab.write("shop", plugin("shop", top=top, routes=ROUTES.replace("asyncio", "threading")))
    lab.start()
    entered, go_on = gates
    with ThreadPoolExecutor(2) as pool:
        in_flight = pool.submit(lab.json, "/shop/pool")
        assert entered.wait(10)
        reload = pool.submit(lab.save, ("users", plugin("users", 2, body=offering)))
        wait_for(lambda: lab.generation("users").hold is not None, "the hold")
        go_on.set()
        assert in_flight.result(20) == {"told": 1}
        assert reload.result(20).success
    assert lab.json("/shop/pool") == {"told": 2}


ENTERED = """
    def on_load(self, ctx):
        ctx.services.register("feed", self)

    def shutdown(self):
        Users.open = False

    open = True

    def rows(self):
        for number in range(2):
            yield number

    @contextlib.contextmanager
    def entered(self):
        yield f"{VERSION}:{Users.open}"
        self.told.append(f"{VERSION}:{Users.open}")

    @contextlib.asynccontextmanager
    async def entered_async(self):
        with self.entered() as told:
            yield told

    def mark(self, row):
        return f"{VERSION}:{row}"
"""
USES = """
    def wait():
        entered, go_on = __import__("builtins").test_gates
        entered.set()
        go_on.wait(20)

    @router.get("/loop")
    def loop():
        told = []
        feed = self.get_service("feed")
        for row in feed.rows():
            wait()
            told.append(feed.mark(row))
        return {"told": told}

    @router.get("/with")
    def entered():
        with self.get_service("feed").entered() as told:
            wait()
            return {"told": [told, self.get_service("feed").mark(0)]}

    @router.get("/async_with")
    async def entered_async():
        async with self.get_service("feed").entered_async() as told:
            await asyncio.to_thread(wait)
            return {"told": [told, self.get_service("feed").mark(0)]}

    @router.get("/later")
    def later():
        entered, go_on = __import__("builtins").test_gates
        entered.set()
        go_on.wait(20)
        go_on.clear()
        return loop()
"""


def using(version: int) -> str:
    top = "import contextlib"
    return plugin("users", version, top=top, init="self.told = []", body=ENTERED)


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ("loop", ["1:0", "1:1"]),
        ("with", ["1:True", "1:0"]),
        ("async_with", ["1:True", "1:0"]),
    ],
)
def test_what_a_consumer_does_with_a_prolonged_call_may_call_the_provider_again(
    lab: Lab, gates: tuple[threading.Event, threading.Event], route: str, told: list[str]
) -> None:
    lab.settings("reload:\n  timeout: 10\n")
    lab.write("users", using(1))
    lab.write("shop", plugin("shop", top="import asyncio", routes=USES))
    lab.start()
    entered, go_on = gates
    with ThreadPoolExecutor(2) as pool:
        in_flight = pool.submit(lab.json, f"/shop/{route}")
        assert entered.wait(10)
        reload = pool.submit(lab.save, ("users", using(2)))
        wait_for(lambda: lab.generation("users").hold is not None, "the hold")
        assert not reload.done()
        go_on.set()
        assert in_flight.result(20) == {"told": told}
        outcome = reload.result(20)
        assert outcome.success, outcome.error
    wait_for(lambda: lab.live("users") == [2], "the end of g1")
    if route != "loop":
        assert lab.generation("users").plugin.told == ["1:True"]


def test_it_sees_the_provider_that_the_call_began_on(
    lab: Lab, gates: tuple[threading.Event, threading.Event]
) -> None:
    lab.settings("reload:\n  timeout: 10\n")
    lab.write("users", using(1))
    lab.write("shop", plugin("shop", top="import asyncio", routes=USES))
    lab.start()
    entered, go_on = gates
    with ThreadPoolExecutor(2) as pool:
        in_flight = pool.submit(lab.json, "/shop/later")
        assert entered.wait(10)
        assert lab.save(("users", using(2))).success
        entered.clear()
        go_on.set()
        assert entered.wait(10)
        reload = pool.submit(lab.save, ("users", using(3)))
        wait_for(lambda: lab.generation("users").hold is not None, "the hold")
        go_on.set()
        assert in_flight.result(20) == {"told": ["2:0", "2:1"]}
        assert reload.result(20).success
