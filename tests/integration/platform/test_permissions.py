"""What a caller may do in a plugin: decorator, context, services, and what is nobody's call."""

from __future__ import annotations

from typing import Any

import pytest

from devserver.core.permissions import NOBODY, Caller
from devserver.sdk.permissions import acting_for, requires_permission
from tests.integration.lab import Lab, plugin, wait_for

GUARDED = """
    @router.post("/edit")
    @requires_permission("users.edit", "users.view")
    def edit():
        return {"edited": True}

    @router.post("/edit-async")
    @requires_permission("users.edit")
    async def edit_async():
        return {"edited": True}

    @router.get("/ask")
    async def ask():
        may = self.ctx.permissions
        return {"view": may.has("users.view"), "edit": may.has("users.edit"), "who": may.caller}

    @router.get("/require")
    def require():
        self.ctx["permissions"].require("users.edit")
        return {}

    @router.post("/tell")
    def tell():
        self.ctx.events.publish("users.told")
        return {"told": True}
"""
LISTENING = """
    heard = None

    def on_load(self, ctx):
        ctx.events.subscribe("users.told", self.on_told)
        ctx.services.register("users.edit", self.edit)

    def on_told(self, event):
        self.heard = self.ctx.permissions.has("users.edit")

    @requires_permission("users.edit")
    def edit(self):
        return {"edited": True}
"""
ASKING = """
    @router.get("/through")
    def through():
        return self.get_service("users.edit")()
"""
READER = Caller(name="reader", grants=frozenset({"users.view"}))


@pytest.fixture
def guarded(lab: Lab) -> Lab:
    top = "from devserver.sdk import requires_permission"
    lab.write("users", plugin("users", top=top, routes=GUARDED, body=LISTENING))
    lab.write("shop", plugin("shop", routes=ASKING))
    lab.start()
    return lab


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("/users/edit", ["users.edit", "users.view"]),
        ("/users/edit-async", ["users.edit"]),
    ],
)
def test_the_decorator_names_all_that_is_missing(
    guarded: Lab, path: str, missing: list[str]
) -> None:
    with acting_for(NOBODY):
        answer = guarded.ask("POST", path)
    assert (answer.status_code, answer.json["missing"]) == (403, missing)
    assert all(name in answer.json["error"] for name in missing)
    assert "Authorization: Bearer" in answer.json["hint"]
    assert guarded.ask("POST", path).json == {"edited": True}


@pytest.mark.parametrize("written", ["", "()", "('')", "(None)"])
def test_a_decorator_that_names_nothing_is_refused_not_open_to_everybody(
    lab: Lab, written: str
) -> None:
    top = "from devserver.sdk import requires_permission"
    body = f"@requires_permission{written}\ndef edit(self): ..."
    lab.write("users", plugin("users", top=top, body=body))
    lab.start()
    assert "@requires_permission('orders.edit')" in str(lab.running.control.reload("users").error)


def test_the_context_tells_who_asks_and_what_they_may(guarded: Lab) -> None:
    with acting_for(READER):
        assert guarded.json("/users/ask") == {"view": True, "edit": False, "who": "reader"}
        answer = guarded.get("/users/require")
    assert (answer.status_code, answer.json["missing"]) == (403, ["users.edit"])
    assert "'reader'" in answer.json["hint"]
    assert guarded.json("/users/ask") == {"view": True, "edit": True, "who": ""}


def test_what_a_request_calls_in_turn_is_done_for_the_same_caller(guarded: Lab) -> None:
    with acting_for(READER):
        assert guarded.get("/shop/through").status_code == 403
    assert guarded.json("/shop/through") == {"edited": True}


def test_an_event_is_not_part_of_the_call_that_published_it(guarded: Lab) -> None:
    with acting_for(NOBODY):
        assert guarded.ask("POST", "/users/tell").status_code == 200
    users = guarded.generation("users").plugin
    wait_for(lambda: users.heard is not None, "the event")
    assert users.heard is True


def test_a_command_is_run_for_its_caller(lab: Lab) -> None:
    from devserver.core.errors import PermissionDenied

    body = """
        def on_load(self, ctx):
            self.register_command("edit", self.edit)

        @requires_permission("users.edit")
        async def edit(self):
            return "edited"
    """
    top = "from devserver.sdk import requires_permission"
    lab.write("users", plugin("users", top=top, body=body))
    lab.start()
    with acting_for(READER), pytest.raises(PermissionDenied, match=r"'users\.edit' is missing"):
        lab.running.control.run_command("users", "edit", {})
    assert lab.running.control.run_command("users", "edit", {}) == "edited"


@pytest.mark.parametrize("keys", [(), (print,)])
def test_a_decorator_without_its_keys_is_refused(keys: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match="name what is required"):
        requires_permission(*keys)
