"""What is shared stays shared, between attributes and between plugins."""

from __future__ import annotations

from tests.integration.lab import Lab, plugin


def test_an_object_that_changed_and_unchanged_attributes_share_stays_shared(lab: Lab) -> None:
    parts = {
        "top": "class Room: pass",
        "init": "self.default = Room()\nself.spare = Room()\nself.rooms = {}",
    }
    lab.write("users", plugin("users", **parts))
    lab.start()
    users = lab.generation("users").plugin
    users.rooms["a"] = users.default
    outcome = lab.save(("users", plugin("users", 2, **parts)))
    assert outcome is not None
    assert outcome.state.kept == ("default", "rooms")
    assert "spare" in outcome.state.merged
    users = lab.generation("users").plugin
    assert users.rooms["a"] is users.default


def test_what_a_hook_gives_of_unchanged_attributes_does_not_keep_them(lab: Lab) -> None:
    body = """
        def get_persistent_state(self):
            return {"options": self.options}
        def restore_persistent_state(self, state):
            pass
    """
    lab.write("users", plugin("users", init="self.options = {'n': 1}", body=body))
    lab.start()
    lab.save(("users", plugin("users", 2, init="self.options = {'n': 2}", body=body)))
    assert lab.generation("users").plugin.options == {"n": 2}


def test_a_provider_that_holds_a_dependent_holds_the_newest_one(lab: Lab) -> None:
    lab.write("users", plugin("users", init="self.seen = []"))
    parts = {"top": "import plugins.users.plugin", "body": "def answer(self): return VERSION"}
    lab.write("orders", plugin("orders", **parts))
    lab.start()
    orders = lab.generation("orders").plugin
    lab.generation("users").plugin.seen += [orders, orders.answer]
    assert lab.save(("orders", plugin("orders", 2, **parts))).success
    assert lab.save(("users", plugin("users", 2, init="self.seen = []"))).success
    instance, method = lab.generation("users").plugin.seen
    assert instance is lab.generation("orders").plugin
    assert method() == 2


def test_a_lambda_in_kept_state_is_that_of_the_new_code(lab: Lab) -> None:
    top = "from collections import defaultdict"
    init = "self.counts = defaultdict(lambda: VERSION)"
    lab.write("users", plugin("users", top=top, init=init))
    lab.start()
    assert lab.generation("users").plugin.counts["a"] == 1
    text = lab.path("users").read_text()
    assert lab.save(("users", text.replace("VERSION = 1", "VERSION = 2"))).success
    counts = lab.generation("users").plugin.counts
    assert (counts["a"], counts["b"]) == (1, 2)


def test_a_function_without_a_counterpart_is_reported_as_passed(lab: Lab) -> None:
    routes = """
        @router.get("/choose")
        def choose():
            self.choice = lambda: {answer}
            return "chosen"
    """
    lab.write("users", plugin("users", init="self.choice = None", routes=routes))
    lab.start()
    text = lab.path("users").read_text()
    lab.save(("users", text.replace("{answer}", "VERSION")))
    lab.get("/users/choose")
    old = lab.generation("users").plugin.choice
    outcome = lab.save(("users", text.replace("lambda: {answer}", "None")))
    assert outcome is not None
    assert outcome.state.passed == ("choice",)
    assert lab.generation("users").plugin.choice is old
