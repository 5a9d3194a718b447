"""Coroutine tests, and coroutines around them, without a further plugin of pytest."""

from __future__ import annotations

import asyncio

import pytest

from devserver.sdk.testing import PluginTestHost


class TestClass:
    async def setup_method(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.found: asyncio.Queue[str] = asyncio.Queue()

    async def teardown_method(self, method: object) -> None:
        assert asyncio.get_running_loop() is self.loop
        assert self.found.get_nowait() == getattr(method, "__name__", "")

    async def test_a_coroutine(self) -> None:
        assert asyncio.get_running_loop() is self.loop
        await self.found.put("test_a_coroutine")

    def test_one_that_is_none(self) -> None:
        self.found.put_nowait("test_one_that_is_none")
        assert asyncio.run(asyncio.sleep(0, "a loop of its own")) == "a loop of its own"


@pytest.mark.parametrize("times", [1, 2])
async def test_parameters_and_fixtures_arrive(
    shop: object, request: pytest.FixtureRequest, times: int
) -> None:
    request.node.add_marker(pytest.mark.plugin_host(project=shop, enabled="users"))
    host: PluginTestHost = request.getfixturevalue("plugin_host")
    for _ in range(times):
        await asyncio.sleep(0)
        answer = host.get("/users/hit")
    assert answer.json() == {"hits": times}


@pytest.mark.xfail(strict=True, raises=ZeroDivisionError)
async def test_what_fails_fails() -> None:
    await asyncio.sleep(0)
    _ = 1 / 0
