"""What is counted of a plugin, through its generations."""

from __future__ import annotations

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
