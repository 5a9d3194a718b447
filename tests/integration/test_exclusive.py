"""Plugins that own what only one can have: the old version stops before the new one starts."""

from __future__ import annotations

import json
import socket

from tests.integration.lab import Lab, plugin, wait_for

SERVER = """
import asyncio
import socket

class Port(BasePlugin):
    name = "port"
    version = "1.0.0"

    def __init__(self):
        super().__init__()
        self.seen = []
        self.running = True

    def initialize(self):
        self.socket = socket.create_server(("127.0.0.1", {port}))
        self.create_task(self.count)
        self.ticks = 0
        self.subscribe = self.ctx.events.subscribe("port.seen", lambda event: self.seen.append(event.data))
        self.register_service("port", self)
        {initialize}

    async def count(self):
        while True:
            await asyncio.sleep(0.005)
            self.ticks += 1

    def shutdown(self):
        self.running = False
        self.socket.close()
        self.seen.clear()

    def register_routes(self, app, router):
        @router.get("/")
        def index():
            return {{"version": {version}, "running": self.running, "seen": self.seen}}
        {routes}
"""  # noqa: E501


def exclusive(lab: Lab, port: int, version: int, *, initialize: str = "", routes: str = "") -> str:
    lab.write("port/manifest.json", json.dumps({"name": "port", "exclusive": True}))
    text = "from devserver.sdk import BasePlugin\n" + SERVER
    return text.format(port=port, version=version, initialize=initialize, routes=routes)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def publish(lab: Lab, data: object) -> None:
    plugin_object = lab.generation("port").plugin
    assert plugin_object is not None
    plugin_object.ctx.events.publish("port.seen", data)


def test_the_old_version_lets_go_of_its_port_before_the_new_one_takes_it(lab: Lab) -> None:
    port = free_port()
    lab.write("port", exclusive(lab, port, 1))
    lab.start()
    publish(lab, "a")
    wait_for(lambda: lab.json("/port/")["seen"] == ["a"])
    for version in (2, 3):
        outcome = lab.save(("port", exclusive(lab, port, version)))
        assert outcome is not None
        assert outcome.success, outcome.error
        assert lab.json("/port/") == {"version": version, "running": True, "seen": ["a"]}
    wait_for(lambda: lab.live("port") == [3], "the old ones are gone")


def test_without_the_word_the_same_plugin_cannot_be_replaced(lab: Lab) -> None:
    port = free_port()
    lab.write("port", exclusive(lab, port, 1))
    lab.write("port/manifest.json", json.dumps({"name": "port"}))
    lab.start()
    text = exclusive(lab, port, 2)
    lab.write("port/manifest.json", json.dumps({"name": "port"}))
    outcome = lab.save(("port", text))
    assert outcome is not None
    assert outcome.rolled_back
    assert "in use" in str(outcome.error)
    assert lab.json("/port/")["version"] == 1


def test_a_roll_back_starts_the_old_version_again_with_its_state(lab: Lab) -> None:
    port = free_port()
    lab.write("port", exclusive(lab, port, 1))
    lab.start()
    before = lab.generation("port")
    assert before.plugin is not None
    module = before.table.modules["plugins.port.plugin"]
    publish(lab, "a")
    wait_for(lambda: lab.json("/port/")["seen"] == ["a"])
    for _ in range(3):
        outcome = lab.save(("port", exclusive(lab, port, 2, initialize="1 / 0")))
        assert outcome is not None
        assert outcome.rolled_back
        assert lab.generation("port") is before
        assert before.table.modules["plugins.port.plugin"] is module
        assert lab.json("/port/") == {"version": 1, "running": True, "seen": ["a"]}
        lab.write("port", exclusive(lab, port, 1))
        lab.running.changed(lab.path("port"))
    with socket.create_connection(("127.0.0.1", port)):
        pass
    ticks = before.plugin.ticks
    wait_for(lambda: before.plugin.ticks > ticks + 2, "its task runs again")
    assert len(before.subscriptions) == 1
    publish(lab, "b")
    wait_for(lambda: lab.json("/port/")["seen"] == ["a", "b"], "its subscription stands once")
    assert lab.save(("port", exclusive(lab, port, 4))).success  # type: ignore[union-attr]
    assert lab.json("/port/") == {"version": 4, "running": True, "seen": ["a", "b"]}


def test_one_that_cannot_be_started_again_is_failed_and_a_good_save_brings_it_back(
    lab: Lab,
) -> None:
    port = free_port()
    lab.write("port", exclusive(lab, port, 1))
    lab.write("other", plugin("other"))
    lab.start()
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    thief = (
        "import builtins; taken = builtins._thief; "
        f"self.socket.close(); taken.bind(('127.0.0.1', {port})); taken.listen(); 1 / 0"
    )
    import builtins

    builtins._thief = taken  # type: ignore[attr-defined]
    try:
        outcome = lab.save(("port", exclusive(lab, port, 2, initialize=thief)))
    finally:
        del builtins._thief  # type: ignore[attr-defined]
    assert outcome is not None
    assert outcome.rolled_back
    assert "could not be started again" in str(outcome.error)
    assert outcome.serving == {}
    record = lab.running.registry.view.plugins["port"]
    assert (record.status, record.generation) == ("failed", None)
    assert len(record.diagnostics) == 2
    assert lab.get("/port/").status_code == 503
    assert lab.get("/other/version").status_code == 200
    taken.close()
    outcome = lab.save(("port", exclusive(lab, port, 3)))
    assert outcome is not None
    assert outcome.success, outcome.error
    assert lab.json("/port/")["version"] == 3


def test_a_new_version_that_says_exclusive_replaces_one_that_did_not(lab: Lab) -> None:
    port = free_port()
    lab.write("port", exclusive(lab, port, 1))
    lab.write("port/manifest.json", json.dumps({"name": "port"}))
    lab.start()
    text = exclusive(lab, port, 2)
    outcome = lab.running.changed(lab.write("port", text), lab.path("port/manifest.json"))
    assert outcome is not None
    assert outcome.success, outcome.error
    assert lab.json("/port/")["version"] == 2
