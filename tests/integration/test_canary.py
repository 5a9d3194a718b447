"""A new version answers a share of the requests until it is promoted or rolled back."""

from __future__ import annotations

import builtins
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devserver.core.canary import Verdict
from devserver.core.errors import CanaryRefused, PluginUnavailable
from devserver.core.outcome import Outcome
from devserver.core.values import Changes
from tests.integration.lab import Lab, plugin, wait_for

ASKED = "reload:\n  automatic: false\nsafety:\n  trial_process: false\n"
FAILING = """
@router.get("/maybe")
def maybe():
    raise RuntimeError("new and bad")
"""
FINE = """
@router.get("/maybe")
def maybe():
    return {"version": VERSION}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Lab]:
    """users, which orders imports; saves wait to be asked for."""
    lab = Lab(tmp_path)
    lab.settings(ASKED)
    lab.write("users", plugin("users", 1, routes=FINE))
    lab.write("orders", ORDERS)
    lab.start()
    yield lab
    lab.stop()


ORDERS = plugin("orders", routes="""
    from plugins.users.plugin import VERSION as seen
    @router.get("/users")
    def users():
        return {"users": seen}
""")  # fmt: skip


def canary(lab: Lab, percent: float = 50, **more: Any) -> Outcome:
    more.setdefault("requests", 0)
    return lab.running.control.canaries.start("users", percent=percent, **more)


def versions(lab: Lab, count: int, path: str = "/users/version", key: str = "version") -> list[int]:
    return [lab.json(path)[key] for _ in range(count)]


def is_over(lab: Lab) -> bool:
    return not lab.running.system.gate.canaries.all()


def test_the_share_is_exact_and_the_old_version_answers_the_rest(shop: Lab) -> None:
    shop.save(("users", plugin("users", 2, routes=FINE)))
    outcome = canary(shop, 10)
    assert outcome.success
    assert outcome.reloaded == ()
    assert outcome.generation == 1
    assert sorted(versions(shop, 40)) == [1] * 36 + [2] * 4
    status = shop.running.control.canaries.status("users")
    assert status["new"] == {"requests": 4, "errors": 0, "rate": 0.0}
    assert (status["generation"], status["beside"]) == (2, 1)
    assert "canary g2 answers 10 %" in shop.running.registry.view.plugins["users"].reason


def test_what_depends_on_it_sees_one_version_throughout(shop: Lab) -> None:
    shop.save(("users", plugin("users", 2, routes=FINE)))
    canary(shop, 50)
    assert sorted(versions(shop, 10, "/orders/users", "users")) == [1] * 5 + [2] * 5


def test_promotion_takes_the_state_that_the_old_version_has_then(shop: Lab) -> None:
    shop.json("/users/hit")
    shop.save(("users", plugin("users", 2, routes=FINE)))
    canary(shop, 50)
    hits = [shop.json("/users/hit")["hits"] for _ in range(4)]
    assert sorted(hits) == [2, 2, 3, 3], "each went on from a copy"
    outcome = shop.running.control.canaries.end("users", Verdict.PROMOTE)
    assert outcome.success
    assert set(outcome.reloaded) == {"users", "orders"}
    assert any("canary g2 of users promoted: by word" in n for n in outcome.notes)
    assert shop.json("/users/version")["version"] == 2
    assert shop.json("/users/hit")["hits"] == 4
    assert shop.running.control.pending() == []
    wait_for(lambda: shop.live("users") == [3], "both others are garbage")


def test_one_that_fails_requests_is_rolled_back_by_itself(shop: Lab) -> None:
    old = shop.generation("users")
    shop.save(("users", plugin("users", 2, routes=FAILING)))
    canary(shop, 50)
    answers = [shop.get("/users/maybe").status_code for _ in range(6)]
    assert answers.count(500) == 3
    wait_for(lambda: is_over(shop), "the end of the canary")
    wait_for(lambda: shop.running.journal.outcomes()[0].rolled_back, "it is told")
    told = shop.running.journal.outcomes()[0]
    assert "3 of 3 requests failed, 0 of 2 on g1" in str(told.error)
    assert shop.generation("users") is old
    assert versions(shop, 4) == [1] * 4
    assert shop.running.control.pending() == ["users"]
    wait_for(lambda: shop.live("users") == [1], "the canary is garbage")
    wait_for(lambda: shop.live("orders") == [1], "and its company")


def test_one_that_answers_well_is_promoted_by_itself(shop: Lab) -> None:
    shop.save(("users", plugin("users", 2, routes=FINE)))
    canary(shop, 100, requests=5)
    versions(shop, 5)
    wait_for(lambda: shop.generation("users").number == 3, "the promotion")
    wait_for(lambda: is_over(shop), "the end of the canary")
    assert shop.json("/users/version")["version"] == 2


def test_a_word_rolls_it_back(shop: Lab) -> None:
    shop.save(("users", plugin("users", 2, routes=FINE)))
    canary(shop, 100)
    assert versions(shop, 2) == [2, 2]
    outcome = shop.running.control.canaries.end("users", Verdict.ABORT)
    assert outcome.rolled_back
    assert versions(shop, 2) == [1, 1]
    with pytest.raises(CanaryRefused, match="has no canary"):
        shop.running.control.canaries.end("users", Verdict.PROMOTE)


def test_a_client_stays_with_the_version_that_answered_it_first(shop: Lab) -> None:
    shop.save(("users", plugin("users", 2, routes=FINE)))
    canary(shop, 50, sticky=True)
    cookies = {}
    for _ in range(2):
        answer = shop.get("/users/version")
        cookies[answer.json["version"]] = answer.headers["Set-Cookie"].partition(";")[0]
    assert set(cookies) == {1, 2}
    for version, cookie in cookies.items():
        headers = {"Cookie": cookie}
        seen = {shop.get("/users/version", headers=headers).json["version"] for _ in range(4)}
        assert seen == {version}


def test_cookies_of_others_are_of_no_interest_to_a_sticky_one(shop: Lab) -> None:
    shop.save(("users", plugin("users", 2, routes=FINE)))
    canary(shop, 100, sticky=True)
    for cookie in ("other=\xff", "canary-users=\xff", "canary-users=2-0.old", "=;;a"):
        answer = shop.get("/users/version", headers={"Cookie": cookie})
        assert (answer.status_code, answer.json["version"]) == (200, 2)


def test_newer_content_that_goes_live_ends_it(shop: Lab) -> None:
    shop.save(("users", plugin("users", 2, routes=FINE)))
    canary(shop, 100)
    shop.write("users", plugin("users", 3, routes=FINE))
    assert shop.running.control.reload("users").success
    assert versions(shop, 4) == [3] * 4
    wait_for(lambda: is_over(shop), "the end of the canary")
    wait_for(lambda: shop.live("users") == [3], "everything else is garbage")


def test_a_refused_newer_save_leaves_it_as_it_is(shop: Lab) -> None:
    shop.save(("users", plugin("users", 2, routes=FINE)))
    canary(shop, 100)
    shop.write("users", "def x(:")
    assert not shop.running.control.reload("users").success
    assert versions(shop, 2) == [2, 2]


def test_disabling_ends_it_at_once(shop: Lab) -> None:
    shop.save(("users", plugin("users", 2, routes=FINE)))
    canary(shop, 100)
    shop.running.control.disable("users", force=True)
    assert shop.get("/users/version").status_code == 503
    wait_for(lambda: shop.live("users") == [], "all are gone")
    with pytest.raises(PluginUnavailable, match="nothing that a canary could stand beside"):
        canary(shop)


def test_an_exclusive_plugin_has_none(shop: Lab) -> None:
    shop.write("users/manifest.json", '{"exclusive": true}')
    with pytest.raises(CanaryRefused, match="exclusive"):
        canary(shop)
    assert is_over(shop)


def test_one_that_cannot_start_is_rolled_back_like_any_reload(shop: Lab) -> None:
    shop.save(("users", plugin("users", 2, body="def initialize(self):\n    return False\n")))
    assert canary(shop).rolled_back
    assert versions(shop, 4) == [1] * 4
    assert is_over(shop)


def test_events_commands_tasks_and_services_for_others_stay_with_the_old(shop: Lab) -> None:
    body = """
        async def on_load(self, ctx):
            self.seen = []
            self.register_command("which", lambda: VERSION)
            self.register_service("users.version", type("S", (), {{"now": lambda s: VERSION}})())
            await self.subscribe_to_event("ping", lambda e: SEEN.append(VERSION))
            self.create_task(self.work)

        async def work(self):
            RAN.append(VERSION)
    """.replace("{{", "{").replace("}}", "}")
    asking = """
        @router.post("/ping")
        async def ping():
            await self.publish_event("ping", 1)
            return {"service": self.get_service("users.version").now()}
    """
    seen: list[int] = []
    ran: list[int] = []
    builtins.SEEN, builtins.RAN = seen, ran  # type: ignore[attr-defined]
    try:
        shop.save(("users", plugin("users", 2, routes=asking, body=body)))
        canary(shop, 100)
        assert shop.ask("POST", "/users/ping").json == {"service": 2}, "it sees itself"
        with pytest.raises(Exception, match="no command"):
            shop.running.control.run_command("users", "which", {})
        assert (seen, ran) == ([], [])
        assert shop.running.control.canaries.end("users", Verdict.PROMOTE).success
        wait_for(lambda: ran == [2], "the task of the promoted version")
        assert shop.running.control.run_command("users", "which", {}) == 2
    finally:
        del builtins.SEEN, builtins.RAN  # type: ignore[attr-defined]


def test_a_request_that_hangs_counts_as_failed_and_the_old_version_serves(shop: Lab) -> None:
    shop.settings("reload:\n  automatic: false\n  timeout: 1\nsafety:\n  trial_process: false\n")
    shop.running.changed(shop.path("/config/hot-loading.yaml"))
    let_go = threading.Event()
    builtins.LET_GO = let_go  # type: ignore[attr-defined]
    hanging = """
        @router.get("/wait")
        def wait():
            LET_GO.wait(60)
            return {}
    """
    try:
        shop.save(("users", plugin("users", 2, routes=hanging)))
        canary(shop, 100)
        threads = [threading.Thread(target=shop.get, args=("/users/wait",)) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_for(lambda: is_over(shop), "the end of the canary")
        assert versions(shop, 3) == [1, 1, 1]
        let_go.set()
        for thread in threads:
            thread.join()
        wait_for(lambda: shop.live("users") == [1], "the canary is garbage")
    finally:
        let_go.set()
        del builtins.LET_GO  # type: ignore[attr-defined]


def test_data_set_by_its_requests_is_kept_and_by_its_hooks_only_when_promoted(shop: Lab) -> None:
    routes = """
        @router.post("/note")
        async def note():
            await self.set_data("asked", VERSION)
            return {"hook": await self.get_data("hook"), "asked": await self.get_data("asked")}
    """
    body = """
        async def on_load(self, ctx):
            await self.set_data("hook", VERSION)
    """
    shop.save(("users", plugin("users", 2, routes=routes, body=body)))
    canary(shop, 100)
    assert shop.ask("POST", "/users/note").json == {"hook": 2, "asked": 2}
    host = shop.generation("users").host
    assert (host.get_data("hook", None), host.get_data("asked", None)) == (None, 2)
    shop.running.control.canaries.end("users", Verdict.ABORT)
    assert (host.get_data("hook", None), host.get_data("asked", None)) == (None, 2)


def sets(version: int) -> str:
    """Says in the environment which one it is, and answers to a signal of its own making."""
    return plugin(
        "users", version, top=f'import os\nos.environ["CANARY_TEST"] = "{version}"', routes=FINE
    )


@pytest.mark.parametrize(("verdict", "left"), [(Verdict.PROMOTE, "2"), (Verdict.ABORT, "1")])
def test_what_it_did_to_the_interpreter_is_undone_with_it(
    shop: Lab, verdict: Verdict, left: str
) -> None:
    shop.save(("users", sets(1)))
    assert shop.running.control.reload("users").success
    shop.save(("users", sets(2)))
    canary(shop, 50)
    number = shop.generation("users").number
    shop.running.control.canaries.end("users", verdict)
    serving = number + 2 if verdict is Verdict.PROMOTE else number
    wait_for(lambda: shop.live("users") == [serving], "the others are gone")
    assert os.environ["CANARY_TEST"] == left


def test_a_stop_of_the_server_shuts_both_versions_down(shop: Lab) -> None:
    ended: list[int] = []
    builtins.ENDED = ended  # type: ignore[attr-defined]
    try:
        body = "def shutdown(self):\n    ENDED.append(VERSION)\n"
        shop.save(("users", plugin("users", 2, body=body)))
        assert shop.running.control.reload("users").success
        shop.save(("users", plugin("users", 3, body=body)))
        canary(shop, 50)
        shop.stop()
        assert sorted(ended) == [2, 3]
    finally:
        del builtins.ENDED  # type: ignore[attr-defined]


def test_a_second_canary_takes_the_place_of_the_first(shop: Lab) -> None:
    shop.save(("users", plugin("users", 2, routes=FINE)))
    canary(shop, 100)
    shop.save(("users", plugin("users", 3, routes=FINE)))
    outcome = canary(shop, 100)
    assert any("instead of the canary g2 of users" in n for n in outcome.notes)
    assert versions(shop, 2) == [3, 3]
    wait_for(lambda: shop.live("users") == [1, 3], "the first is garbage")


def test_an_edit_of_a_dependent_goes_live_without_promoting_it(shop: Lab) -> None:
    shop.settings("reload:\n  automatic: true\nsafety:\n  trial_process: false\n")
    shop.save(("users", plugin("users", 2, routes=FINE)))
    canary(shop, 100)
    shop.running.changed(shop.path("/config/hot-loading.yaml"))
    outcome = shop.save(("orders", ORDERS.replace("hello", "good day")))
    assert outcome is not None
    assert outcome.reloaded == ("orders",)
    assert shop.json("/orders/version")["greeting"] == "good day"
    assert versions(shop, 2) == [1, 1], "its company is gone, and so is the canary"
    wait_for(lambda: is_over(shop), "the end of the canary")
    assert shop.running.control.pending() == ["users"]


TAKES = """
def on_config_change(self, old, new):
    pass
"""
LIMIT = """
@router.get("/limit")
def limit():
    return {"limit": self.config.get("limit", 0)}

@router.get("/own/<int:limit>")
def own(limit):
    self.ctx.config.set("limit", limit)
    return {}
"""


def with_limit(shop: Lab, limit: int) -> None:
    shop.write("/config/plugins.yaml", f"users: {{limit: {limit}}}\n")


@pytest.fixture
def limited(shop: Lab) -> Lab:
    """users takes another configuration live."""
    shop.save(("users", plugin("users", 1, routes=LIMIT, body=TAKES)))
    assert shop.running.control.reload("users").success
    return shop


def test_another_configuration_alone_is_a_canary_too(limited: Lab) -> None:
    with_limit(limited, 7)
    assert canary(limited, 50).success
    assert sorted(versions(limited, 4, "/users/limit", "limit")) == [0, 0, 7, 7]
    outcome = limited.running.control.canaries.end("users", Verdict.PROMOTE)
    assert (outcome.reloaded, outcome.generation) == (("users", "orders"), 4)
    assert versions(limited, 2, "/users/limit", "limit") == [7, 7]


def test_an_aborted_one_leaves_the_configuration_as_it_was(limited: Lab) -> None:
    with_limit(limited, 7)
    canary(limited, 100)
    limited.running.control.canaries.end("users", Verdict.ABORT)
    assert versions(limited, 2, "/users/limit", "limit") == [0, 0]
    assert limited.running.control.pending() == ["users"]


def test_another_configuration_of_what_it_stands_beside_ends_it(limited: Lab) -> None:
    limited.save(("users", plugin("users", 2, routes=LIMIT, body=TAKES)))
    canary(limited, 100)
    outcome = limited.running.control.configure("users", {"limit": 9})
    assert outcome.deed == "reconfigured"
    wait_for(lambda: is_over(limited), "the end of the canary")
    assert versions(limited, 2, "/users/limit", "limit") == [9, 9]
    assert versions(limited, 2) == [1, 1]
    assert limited.running.control.pending() == ["users"], "what is on disk is still not live"
    wait_for(
        lambda: "canary" not in limited.running.registry.view.plugins["users"].reason,
        "the reason tells of it no longer",
    )


def test_what_a_canary_sets_is_kept_at_once(limited: Lab) -> None:
    limited.save(("users", plugin("users", 2, routes=LIMIT, body=TAKES)))
    canary(limited, 100)
    limited.json("/users/own/8")
    limited.running.control.canaries.end("users", Verdict.ABORT)
    assert limited.json("/users/limit") == {"limit": 8}
    assert versions(limited, 1) == [1]


def test_what_another_instance_has_set_comes_with_a_canary(limited: Lab) -> None:
    limited.running.store.values.put({"users": Changes(config={"limit": "6"})})
    assert versions(limited, 1, "/users/limit", "limit") == [0]
    canary(limited, 50)
    assert sorted(versions(limited, 2, "/users/limit", "limit")) == [0, 6]
    limited.running.control.canaries.end("users", Verdict.PROMOTE)
    assert versions(limited, 2, "/users/limit", "limit") == [6, 6]


SICK = """
SICK = False

def health_check(self):
    from devserver.sdk import HealthStatus
    return HealthStatus(healthy=not self.SICK, message="no stock")
"""
FALLS_ILL = """
@router.get("/ill")
def ill():
    type(self).SICK = True
    return {}
"""


def test_one_that_falls_ill_is_rolled_back(shop: Lab) -> None:
    shop.save(("users", plugin("users", 2, routes=FALLS_ILL, body=SICK)))
    assert canary(shop, 100).success
    shop.json("/users/ill")
    wait_for(lambda: is_over(shop), "the end of the canary")
    wait_for(lambda: shop.running.journal.outcomes("users", 1)[0].result == "rolled_back")
    outcome = shop.running.journal.outcomes("users", 1)[0]
    assert "unhealthy: no stock" in str(outcome.error)
    assert versions(shop, 2) == [1, 1]


@pytest.mark.parametrize(("verdict", "serves"), [(Verdict.PROMOTE, 2), (Verdict.ABORT, 1)])
def test_what_is_saved_while_it_lasts_is_still_to_be_asked_for_afterwards(
    shop: Lab, verdict: Verdict, serves: int
) -> None:
    shop.save(("users", plugin("users", 2, routes=FINE)))
    canary(shop, 50)
    shop.save(("users", plugin("users", 3, routes=FINE)))
    shop.save(("orders", ORDERS.replace("hello", "good day")))
    outcome = shop.running.control.canaries.end("users", verdict)
    assert outcome.success is (verdict is Verdict.PROMOTE)
    assert versions(shop, 2) == [serves, serves]
    assert shop.json("/orders/version")["greeting"] == "hello", "it was no part of the canary"
    assert sorted(shop.running.control.pending()) == ["orders", "users"]
    assert shop.running.registry.view.plugins["users"].pending
    assert shop.running.control.reload("users").success
    assert versions(shop, 2) == [3, 3]


def test_those_that_run_are_told_with_their_figures(shop: Lab) -> None:
    assert shop.running.control.canaries.all() == []
    shop.save(("users", plugin("users", 2, routes=FINE)))
    canary(shop, 50)
    versions(shop, 4)
    (told,) = shop.running.control.canaries.all()
    assert (told["plugin"], told["plugins"], told["generation"]) == (
        "users",
        ["users", "orders"],
        2,
    )
    assert (told["new"]["requests"], told["old"]["requests"]) == (2, 2)
    assert told.keys() == shop.running.control.canaries.status("users").keys()


def test_its_outcome_names_the_generation_that_goes_on_serving(shop: Lab) -> None:
    shop.save(("users", plugin("users", 2, routes=FINE)))
    outcome = canary(shop, 50)
    assert (outcome.previous_generation, outcome.generation) == (1, 1)


def test_one_of_what_serves_already_says_that_both_are_the_same(shop: Lab) -> None:
    assert any("both versions are the same" in note for note in canary(shop, 50).notes)
    shop.save(("users", plugin("users", 2, routes=FINE)))
    assert not any("both versions are the same" in note for note in canary(shop, 50).notes)
