"""Faults of `get_router()`, of `get_api_routes()`, and of `get_persistent_state()` of the old
generation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.lab import Lab, plugin

FAULTS = {
    "raises": "raise ValueError('fault')",
    "raises a base exception": "raise type('Odd', (BaseException,), {})('fault')",
    "ends the interpreter": "raise SystemExit(3)",
    "hangs": "while ARMED: pass",
}
GARBAGE = {
    "a number": "return 5",
    "a class": "return type('Router', (), {})",
    "what raises when it is looked at": (
        "return type('Mean', (), {'__getattribute__': lambda s, n: 1 / 0})()"
    ),
    "what says it is of another class": (
        "return type('Liar', (), {'__class__': property(lambda s: exit(3))})()"
    ),
}
OWN_STATE = """
def get_persistent_state(self):
    if ARMED:
        {fault}
    return {{"hits": self.hits}}

def restore_persistent_state(self, state):
    self.own = state
"""


def started(lab: Lab, *, body: str = "", timeout: float = 5) -> dict[str, Any]:
    lab.settings(
        "safety:\n  trial_process: false\n  max_reload_attempts: 1\n"
        f"reload:\n  timeout: {timeout}\n"
    )
    lab.write("users", source(1, body=body))
    lab.write("orders", plugin("orders", top="from plugins.users.plugin import VERSION as SEEN"))
    lab.start()
    lab.json("/users/hit")
    return picture(lab)


def source(version: int, *, body: str = "") -> str:
    routes = """
    @router.get("/arm/<int:on>")
    def arm(on):
        global ARMED
        ARMED = bool(on)
        return "done"
    """
    return plugin("users", version, top="ARMED = False", init="self.items = []",
                  routes=routes, body=body)  # fmt: skip


def picture(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("users", "orders"):
        generation = lab.generation(name)
        found[name] = (
            id(generation),
            id(generation.plugin),
            {k: id(v) for k, v in vars(generation.plugin).items()},
            [id(r) for r in generation.app.url_map.iter_rules()],  # type: ignore[union-attr]
            lab.json(f"/{name}/version"),
            generation.hold,
        )
    return found


def rolled_back_and_goes_on(lab: Lab, before: dict[str, Any], outcome: Any) -> None:
    assert outcome is not None
    assert not outcome.success
    assert outcome.error
    assert picture(lab) == before


def good_save(lab: Lab, *files: tuple[str, str | None]) -> None:
    outcome = lab.save(("users", source(3)), *files)
    assert outcome is not None
    assert outcome.success, outcome.error
    assert lab.json("/users/version")["version"] == 3
    assert lab.json("/users/hit") == {"hits": 2}


@pytest.mark.parametrize("fault", [*FAULTS, *GARBAGE])
def test_a_bad_router_changes_nothing(lab: Lab, fault: str) -> None:
    before = started(lab, timeout=0.5 if fault == "hangs" else 5)
    text = {**FAULTS, **GARBAGE}[fault].replace("ARMED", "True")
    routes = f"def get_router():\n    {text}\n"
    outcome = lab.save(("users", source(2)), ("users/routes.py", routes))
    rolled_back_and_goes_on(lab, before, outcome)
    good_save(lab, ("users/routes.py", None))


@pytest.mark.parametrize("fault", [*FAULTS, *GARBAGE])
def test_bad_api_routes_change_nothing(lab: Lab, fault: str) -> None:
    before = started(lab, timeout=0.5 if fault == "hangs" else 5)
    text = {**FAULTS, **GARBAGE}[fault].replace("ARMED", "True")
    if fault in GARBAGE:
        text = f"return [(lambda: {text.removeprefix('return ')})()]"
    outcome = lab.save(("users", source(2, body=f"def get_api_routes(self):\n    {text}")))
    rolled_back_and_goes_on(lab, before, outcome)
    good_save(lab)


HOSTILE = {k: v for k, v in GARBAGE.items() if k.startswith("what")}


@pytest.mark.parametrize("fault", [*FAULTS, *HOSTILE])
def test_a_failing_get_persistent_state_rolls_back(lab: Lab, fault: str) -> None:
    body = OWN_STATE.format(fault={**FAULTS, **HOSTILE}[fault])
    before = started(lab, body=body, timeout=0.5 if fault == "hangs" else 5)
    lab.get("/users/arm/1")
    outcome = lab.save(("users", source(2)))
    rolled_back_and_goes_on(lab, before, outcome)
    assert "get_persistent_state" in str(outcome.error)  # type: ignore[union-attr]
    lab.get("/users/arm/0")
    good_save(lab)


@pytest.mark.parametrize("garbage", sorted(GARBAGE.keys() - HOSTILE))
def test_whatever_get_persistent_state_gives_is_handed_on(lab: Lab, garbage: str) -> None:
    started(lab, body=OWN_STATE.format(fault=GARBAGE[garbage]))
    lab.get("/users/arm/1")
    good_save(lab)
