"""Enable and disable that leave routes as they are."""

from __future__ import annotations

import pytest

from devserver.core.errors import PluginUnavailable
from tests.integration.lab import Lab, plugin, wait_for

BODY = """
def on_load(self, ctx):
    self.register_command("ping", lambda: "pong")

def shutdown(self):
    import builtins
    builtins.ended.append(VERSION)
"""


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    import builtins

    told: list[int] = []
    monkeypatch.setattr(builtins, "ended", told, raising=False)
    return told


@pytest.fixture
def live(lab: Lab, ended: list[int]) -> Lab:
    lab.write("clock", plugin("clock", 1, body=BODY))
    lab.start()
    return lab


def test_a_disabled_plugin_may_keep_its_routes(live: Lab, ended: list[int]) -> None:
    control = live.running.control
    outcome = control.disable("clock", routes=False)
    assert (outcome.routes_before, outcome.routes_after) == (0, 0)
    assert "or the server stops" in outcome.notes[-1]
    assert str(live.running.registry.view.plugins["clock"].status) == "disabled"
    assert live.json("/clock/hit") == {"hits": 1}
    assert live.json("/clock/hit") == {"hits": 2}
    assert control.routes_count("clock") == 2
    with pytest.raises(PluginUnavailable):
        control.run_command("clock", "ping", {})
    assert ended == []


def test_disabling_it_once_more_takes_them_away(live: Lab, ended: list[int]) -> None:
    control = live.running.control
    control.disable("clock", routes=False)
    assert control.disable("clock", routes=False).message == "Plugin clock is disabled already"
    assert control.disable("clock").routes_before == 2
    assert live.get("/clock/hit").status_code == 503
    wait_for(lambda: ended == [1], "its shutdown")
    wait_for(lambda: live.live("clock") == [], "the end of its generation")


def test_enabling_it_replaces_them(live: Lab, ended: list[int]) -> None:
    control = live.running.control
    control.disable("clock", routes=False)
    live.save(("clock", plugin("clock", 2, body=BODY)))
    assert live.json("/clock/version")["version"] == 1
    outcome = control.enable("clock", routes=False)
    assert (outcome.success, outcome.routes_before, outcome.routes_after) == (True, 2, 2)
    assert live.json("/clock/version")["version"] == 2
    wait_for(lambda: ended == [1], "the old one's shutdown")
    wait_for(lambda: len(live.live("clock")) == 1, "the end of the old generation")


def test_one_that_cannot_be_enabled_keeps_them(live: Lab) -> None:
    control = live.running.control
    control.disable("clock", routes=False)
    live.write("clock", plugin("clock", 2, body="def initialize(self):\n    return False"))
    assert not control.enable("clock").success
    assert live.json("/clock/version")["version"] == 1


def test_they_go_with_its_files_and_with_the_server(live: Lab, ended: list[int]) -> None:
    control = live.running.control
    control.disable("clock", routes=False)
    live.save(("clock", None))
    assert live.get("/clock/version").status_code == 404
    wait_for(lambda: ended == [1], "its shutdown")
    live.save(("clock", plugin("clock", 2, body=BODY)))
    control.enable("clock")
    control.disable("clock", routes=False)
    live.stop()
    assert ended == [1, 2]


def test_a_plugin_may_be_enabled_without_its_routes(live: Lab) -> None:
    control = live.running.control
    control.disable("clock")
    outcome = control.enable("clock", routes=False)
    assert outcome.routes_after == 0
    assert "or the server starts anew" in outcome.notes[-1]
    assert control.run_command("clock", "ping", {}) == "pong"
    refused = live.get("/clock/hit")
    assert refused.status_code == 503
    assert "put into service without its routes" in refused.json["error"]
    assert control.routes_count("clock") == 0
    live.save(("clock", plugin("clock", 2, body=BODY)))
    assert live.get("/clock/version").status_code == 503  # a reload leaves them so
    assert control.enable("clock").routes_after == 2
    assert live.json("/clock/version")["version"] == 2
