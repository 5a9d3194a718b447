"""Health: states, components, time limits, and what is told of changes."""

from __future__ import annotations

import time
from typing import Any

import pytest

from devserver.runtime.asked import health_of
from devserver.sdk import HealthStatus
from tests.integration.lab import Lab, plugin, wait_for

CHECK = """
    def health_check(self):
        from devserver.sdk import HealthStatus
        return HealthStatus({answer})
"""


@pytest.mark.parametrize(
    ("components", "status"),
    [
        ({}, "healthy"),
        ({"db": "ok", "queue": True, "configuration": {"status": "disabled"}}, "healthy"),
        ({"db": {"status": "healthy", "actions": 3}}, "healthy"),
        ({"db": "down"}, "degraded"),
        ({"db": False}, "degraded"),
        ({"db": {"healthy": False}}, "degraded"),
        ({"a": "ok", "b": {"status": "Degraded"}}, "degraded"),
    ],
)
def test_who_works_with_an_ill_component_is_degraded(
    components: dict[str, Any], status: str
) -> None:
    assert HealthStatus(components=components).status == status
    assert HealthStatus(healthy=False, components=components).status == "unhealthy"


def test_a_degraded_version_goes_live_and_says_so(lab: Lab) -> None:
    answer = (
        "components={'db': {'status': 'down', 'password': 'x', 'at': object}}, metrics={'n': 3}"
    )
    lab.write("users", plugin("users", 1, body=CHECK.format(answer=answer)))
    lab.start()
    health = lab.running.control.health("users")
    assert (health["status"], health["healthy"]) == ("degraded", True)
    assert health["metrics"] == {"n": 3.0}
    assert health["components"]["db"]["password"] == "***"
    assert health["components"]["db"]["at"]["$type"] == "type"


def test_a_change_of_health_is_told_once_without_anybody_asking(lab: Lab) -> None:
    body = CHECK.format(answer="healthy=self.well, message='it coughs'")
    lab.write("/config/main.yaml", "health: {interval: 0.05, timeout: 1}")
    lab.write("users", plugin("users", 1, init="self.well = True", body=body))
    lab.start()

    def told() -> list[tuple[str, str]]:
        events = lab.running.journal.events_after(0, 0)
        found = [e.payload for e in events if e.kind == "notice"]
        return [(p["level"], p["message"]) for p in found if p["plugin"] == "users"]

    users = lab.generation("users").plugin
    users.well = False
    wait_for(told, "the notice")
    assert told() == [("error", "users is unhealthy: it coughs")]
    users.well = True
    wait_for(lambda: len(told()) == 2, "the second notice")
    assert told()[1] == ("info", "users is healthy again")


def test_one_that_hangs_is_unhealthy_and_holds_up_nobody(lab: Lab) -> None:
    lab.write("/config/main.yaml", "health: {interval: 0, timeout: 0.3}")
    body = """
        def health_check(self):
            while self.hanging:
                pass
            return {"healthy": True}
    """
    lab.write("users", plugin("users", 1, init="self.hanging = False", body=body))
    lab.write("shop", plugin("shop"))
    lab.start()
    lab.generation("users").plugin.hanging = True
    control = lab.running.control
    health = wait_for(lambda: (h := control.health("users"))["status"] == "unhealthy" and h)
    assert "did not finish within 0.3 s" in health["message"]
    assert control.health("shop")["status"] == "healthy"
    assert lab.json("/users/hit") == {"hits": 1}


@pytest.mark.parametrize(
    "answer",
    [
        "HealthStatus(False, f'no {key}', {'db': [key, {key: f'at {key}'}]}, {f'of {key}': 1})",
        "raises(f'no {key}')",
    ],
)
def test_no_health_tells_a_secret(lab: Lab, answer: str) -> None:
    body = f"""
        def health_check(self):
            key = self.ctx.config["api_key"]
            return {answer} if self.ill else HealthStatus(message=f'with {{key}}')
    """
    top = """
        from devserver.sdk import HealthStatus

        def raises(words):
            raise ConnectionError(words)
    """
    lab.write("/config/plugins.yaml", "users: {api_key: hunter-two}")
    lab.write("users", plugin("users", 1, top=top, init="self.ill = False", body=body))
    lab.start()
    assert lab.running.control.health("users")["message"] == "with ***"
    lab.generation("users").plugin.ill = True
    lab.generation("users").live_since -= 60  # its last answer is old
    health = wait_for(lambda: (h := lab.running.control.health("users"))["healthy"] is False and h)
    assert "no ***" in health["message"]
    assert "hunter-two" not in str(health)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (HealthStatus(metrics={"n": 1, "huge": 10**400}), {"n": 1.0}),
        (HealthStatus(metrics={"a\udcffb": 2}), {"a?b": 2.0}),
    ],
)
def test_figures_that_nobody_could_read_make_nobody_ill(
    answer: HealthStatus, told: dict[str, float]
) -> None:
    health = health_of(answer, ())
    assert isinstance(health, HealthStatus)
    assert health.metrics == told


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"status": "healthy"}, "healthy"),
        ({"status": "ok", "components": {"db": "down"}}, "degraded"),
        ({"status": "degraded"}, "degraded"),
        ({"status": "unhealthy", "message": "no database"}, "unhealthy"),
        ({"status": "Down"}, "unhealthy"),
        ({"healthy": True, "status": "down"}, "degraded"),
        ({"healthy": False, "status": "healthy"}, "unhealthy"),
    ],
)
def test_a_dict_may_tell_its_state_by_name(answer: dict[str, Any], status: str) -> None:
    assert HealthStatus.of(answer).status == status


def test_a_plugin_that_failed_is_unhealthy_and_one_that_is_disabled_unknown(lab: Lab) -> None:
    lab.write("users", plugin("users", init="raise ValueError('no database')"))
    lab.write("shop", plugin("shop"))
    lab.start()
    control = lab.running.control
    assert control.disable("shop").success
    failed = control.health("users")
    assert (failed["status"], failed["healthy"]) == ("unhealthy", False)
    assert "no database" in failed["message"]
    assert control.last_health("shop")["status"] == "unknown"


def test_the_time_of_a_check_is_that_of_the_answer(lab: Lab) -> None:
    lab.write("/config/main.yaml", "health: {interval: 0, timeout: 20}")
    body = """
        def health_check(self):
            return self.gate.wait() or True
    """
    top = "import threading"
    init = "self.gate = threading.Event(); self.gate.set()"
    lab.write("users", plugin("users", 1, top=top, init=init, body=body))
    lab.start()
    control, users = lab.running.control, lab.generation("users")
    users.live_since -= 3600
    users.plugin.gate.clear()
    assert control.health("users")["last_check"] < time.time() - 3000
    users.plugin.gate.set()
    wait_for(lambda: control.health("users")["last_check"] > time.time() - 60, "a new answer")
