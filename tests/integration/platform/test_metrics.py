"""What is counted of a plugin, through its generations."""

from __future__ import annotations

import pytest

from devserver.runtime.arguments import BadArguments
from tests.integration.lab import Lab, plugin


def test_requests_are_timed_through_reloads_also_those_that_fail_or_stream(lab: Lab) -> None:
    routes = """
        @router.get("/fail")
        def fail():
            raise ValueError("boom")

        @router.get("/stream")
        def stream():
            yield "a"
            yield "b"
    """
    lab.write("users", plugin("users", 1, routes=routes))
    lab.start()
    lab.json("/users/hit")
    assert lab.get("/users/fail").status_code == 500
    assert lab.get("/users/stream").text == "ab"
    assert lab.save(("users", plugin("users", 2, routes=routes))).success
    lab.json("/users/hit")
    figures = lab.running.control.latency("users")
    assert sum(figures.counts) == 4
    assert 0 < figures.seconds < 20
    metrics = lab.generation("users").plugin.get_metrics()
    assert metrics["requests"] == 4
    assert metrics["errors"] == 1
    assert metrics["reloads"] == 1
    assert metrics["uptime"] > 0


def test_counters_never_go_back_while_a_plugin_is_out_of_service(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    control = lab.running.control

    def counted() -> tuple[float, int, int]:
        requests = control.plugin_details("users")["metrics"]["requests"]
        return requests, sum(control.latency("users").counts), control.requests_served()

    lab.json("/users/hit")
    assert counted() == (1, 1, 1)
    assert control.disable("users").success
    assert counted() == (1, 1, 1)
    assert control.enable("users").success
    lab.json("/users/hit")
    assert counted() == (2, 2, 2)


def test_commands_that_raise_are_errors_and_refused_arguments_are_none(lab: Lab) -> None:
    body = """
        def on_load(self, ctx):
            self.register_command("half", lambda n=2: 1 / n)
    """
    lab.write("users", plugin("users", body=body))
    lab.start()
    control = lab.running.control
    for arguments, raised in (({"n": 0}, ZeroDivisionError), ({"m": 1}, BadArguments)):
        with pytest.raises(raised):
            control.run_command("users", "half", arguments)
    assert lab.generation("users").plugin.get_metrics()["errors"] == 1
