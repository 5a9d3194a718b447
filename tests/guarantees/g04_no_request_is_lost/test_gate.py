"""Who waits at a hold that is being put up at this moment."""

from __future__ import annotations

import pytest

from devserver.core.errors import PluginUnavailable
from devserver.runtime.hold import Hold
from tests.integration.lab import Lab, plugin

ORDERS = plugin("orders", top="from plugins.users.plugin import VERSION as USERS")


@pytest.fixture
def running(lab: Lab) -> Lab:
    lab.write("users", plugin("users"))
    lab.write("orders", ORDERS)
    lab.start()
    lab.running.system.gate.wait_limit = 0.2
    return lab


def test_work_that_a_hold_waits_for_is_let_in_also_before_its_own_generation_is_held(
    running: Lab,
) -> None:
    gate = running.running.system.gate
    users, orders = running.generation("users"), running.generation("orders")
    with gate.inside("orders", "a request"):
        users.hold = Hold([users, orders])  # that of orders comes a moment later
        try:
            with gate.inside("users", "what it calls") as flight:
                assert flight.generation is users
        finally:
            users.hold = None


def test_work_of_a_plugin_that_the_hold_does_not_cover_waits(running: Lab) -> None:
    gate = running.running.system.gate
    users = running.generation("users")
    with gate.inside("orders", "a request"):
        users.hold = Hold([users])
        try:
            with pytest.raises(PluginUnavailable, match="still being reloaded"):
                gate.enter("users", "what it calls")
        finally:
            users.hold = None


def test_a_stream_that_nobody_waits_for_waits_itself(running: Lab) -> None:
    gate = running.running.system.gate
    users, orders = running.generation("users"), running.generation("orders")
    with gate.inside("orders", "a stream") as stream:
        gate.leave(stream)  # its headers are out
        users.hold = Hold([users, orders])
        try:
            with pytest.raises(PluginUnavailable, match="still being reloaded"):
                gate.enter("users", "what it calls")
        finally:
            users.hold = None
