"""Files that configure plugins are saved."""

from __future__ import annotations

import json
import threading
from math import inf
from typing import Any

import pytest

from devserver.core.outcome import Result
from devserver.reload.saves import Saves
from tests.integration.configuration.plugins import TAKES, configured, manifest, taking
from tests.integration.lab import Lab, wait_for

PLUGINS = "/config/plugins.yaml"


@pytest.fixture
def shop(lab: Lab) -> Lab:
    """users, orders, which needs it, and clock, each with the same options; none is started."""
    for name in ("users", "orders", "clock"):
        lab.write(name, configured(name))
    lab.write("users/manifest.json", manifest())
    lab.write("clock/manifest.json", manifest())
    lab.write("orders/manifest.json", manifest(dependencies=["users"]))
    return lab


def numbers(lab: Lab) -> dict[str, int]:
    return {name: lab.generation(name).number for name in ("users", "orders", "clock")}


def test_layers_stand_in_their_order(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSCTL_ENV", "staging")
    options = {key: {"type": "integer", "default": 1} for key in "abcdef"}
    lab.write("users", configured())
    lab.write("users/manifest.json", manifest(options))
    for level, place in enumerate(("default", "staging"), 2):
        lab.write(f"users/config/{place}.yaml", lines("bcdef"[level - 2 :], level))
    lab.write("users/config/production.yaml", lines("abcdef", 9))
    lab.write(PLUGINS, "users:\n" + lines("def", 4, "  "))
    text = "staging:\n plugins:\n  users:\n" + lines("ef", 5, "   ")
    lab.write("/config/environments.yaml", text + "production: {plugins: {users: {f: 9}}}\n")
    lab.start()
    lab.running.control.configure("users", {"f": 6})
    assert lab.json("/users/config") == dict(zip("abcdef", (1, 2, 3, 4, 5, 6), strict=True))


def test_an_empty_environment_is_the_default_one(
    shop: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSCTL_ENV", "")
    text = "development: {plugins: {users: {interval: %s}}}\n"
    shop.write("/config/environments.yaml", text % 7)
    shop.start()
    assert shop.json("/users/config")["interval"] == 7
    outcome = shop.save(("/config/environments.yaml", text % "many"))
    assert outcome is not None
    assert outcome.result is Result.REJECTED


def lines(keys: str, value: int, indent: str = "") -> str:
    return "".join(f"{indent}{key}: {value}\n" for key in keys)


def test_what_changes_reloads_the_plugin_with_its_dependents_and_no_other(shop: Lab) -> None:
    shop.start()
    outcome = shop.save((PLUGINS, "users: {interval: 7}\n"))
    assert outcome is not None
    assert outcome.reloaded == ("users", "orders")
    assert numbers(shop) == {"users": 2, "orders": 2, "clock": 1}
    assert shop.json("/users/config")["interval"] == 7


@pytest.mark.parametrize(
    "edit",
    [
        (PLUGINS, "# a comment\nusers: {interval: 7}\n"),
        (PLUGINS, "users: {interval: 7}\nnobody: {interval: 3}\n"),
        ("/config/environments.yaml", "production: {plugins: {users: {interval: 8}}}\n"),
        ("/config/environments.yaml", "development: {plugins: {users: {interval: 7}}}\n"),
        ("users/config/default.yaml", "interval: 9\n"),
        ("users/config/production.yaml", "interval: 9\n"),
    ],
)
def test_what_changes_no_value_does_nothing(shop: Lab, edit: tuple[str, str]) -> None:
    shop.write(PLUGINS, "users: {interval: 7}\n")
    host = shop.start()
    told = len(host.journal.outcomes())
    assert shop.save(edit) is None
    assert numbers(shop) == {"users": 1, "orders": 1, "clock": 1}
    assert len(host.journal.outcomes()) == told
    assert shop.save(edit) is None
    assert not host.registry.view.plugins["users"].pending


def test_a_layer_that_was_hidden_shows_when_what_hid_it_goes(shop: Lab) -> None:
    shop.write(PLUGINS, "users: {interval: 7}\n")
    shop.start()
    shop.save(("users/config/default.yaml", "interval: 9\n"))
    shop.save((PLUGINS, ""))
    assert shop.json("/users/config")["interval"] == 9


def test_one_is_told_from_true(shop: Lab) -> None:
    shop.write("users/manifest.json", manifest({}))
    shop.write(PLUGINS, "users: {flag: 1}\n")
    shop.start()
    assert shop.save((PLUGINS, "users: {flag: true}\n")) is not None
    assert shop.json("/users/config")["flag"] is True


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("users:\n  interval: many\n", "CFG003", "'many' is no integer"),
        ("users:\n  interval: true\n", "CFG003", "True is no integer"),
        ("users:\n  interval: 99\n", "CFG004", "99 is above the maximum of 60"),
        ("users:\n  interval: 0\n", "CFG004", "0 is below the minimum of 1"),
        ("users:\n  mode: slow\n", "CFG004", "'slow' is none of 'fast', 'safe'"),
        ("users:\n  [5]\n", "CFG003", "users must be a mapping"),
    ],
)
def test_an_invalid_value_is_refused_with_its_place(
    shop: Lab, text: str, code: str, message: str
) -> None:
    shop.write(PLUGINS, "users:\n  interval: 7\n")
    shop.start()
    outcome = shop.save((PLUGINS, text))
    assert outcome is not None
    assert outcome.result is Result.REJECTED
    found = next(d for d in outcome.diagnostics if d.is_error)
    assert (found.code, found.file, found.plugin) == (code, "config/plugins.yaml", "users")
    assert found.line == (1 if "[5]" in text else 2)
    assert message in found.message
    assert shop.json("/users/config")["interval"] == 7
    assert numbers(shop) == {"users": 1, "orders": 1, "clock": 1}
    assert shop.running.journal.documents("users")[0]["result"] == "rejected"


def test_an_invalid_value_is_refused_also_where_another_layer_hides_it(shop: Lab) -> None:
    shop.write(PLUGINS, "users: {interval: 7}\n")
    shop.start()
    outcome = shop.save(("users/config/default.yaml", "interval: many\n"))
    assert outcome is not None
    assert outcome.result is Result.REJECTED


def test_a_required_value_that_is_taken_away_is_refused(shop: Lab) -> None:
    shop.write("users/manifest.json", manifest({"sender": {"required": True}}))
    shop.write(PLUGINS, "users: {sender: me}\n")
    shop.start()
    outcome = shop.save((PLUGINS, ""))
    assert outcome is not None
    assert outcome.result is Result.REJECTED
    assert "'sender' is required" in outcome.diagnostics[0].message
    assert shop.json("/users/config") == {"sender": "me"}


# -- on_config_change ---------------------------------------------------------------------------


@pytest.fixture
def taker(shop: Lab) -> Lab:
    shop.write("users", taking())
    shop.start()
    return shop


def test_a_plugin_with_the_hook_takes_its_configuration_live(taker: Lab) -> None:
    before = taker.generation("users").plugin
    outcome = taker.save((PLUGINS, "users: {interval: 7}\n"))
    assert outcome is not None
    assert (outcome.result, outcome.deed, outcome.reloaded) == (Result.RELOADED, "reconfigured", ())
    assert taker.generation("users").plugin is before
    assert (outcome.previous_generation, outcome.generation) == (1, 1)
    assert numbers(taker) == {"users": 1, "orders": 1, "clock": 1}
    assert taker.json("/users/seen") == {"seen": [[5, 7, 7]], "limit": 7}
    assert taker.json("/users/config")["interval"] == 7
    assert {"quiesce", "activate", "commit"} <= {s.name for s in outcome.steps}


def test_the_hook_may_be_a_coroutine(taker: Lab) -> None:
    awaited = TAKES.replace("def on_config", "async def on_config").replace(
        "{more}", "self.limit = await self.get_config('interval') + 1"
    )
    taker.save(("users", configured(version=2, body=awaited)))
    taker.save((PLUGINS, "users: {interval: 7}\n"))
    assert taker.json("/users/seen") == {"seen": [[5, 7, 7]], "limit": 8}


@pytest.mark.parametrize("more", ["raise ValueError('no')", "return False", "1 / 0"])
def test_a_hook_that_fails_keeps_the_old_configuration(taker: Lab, more: str) -> None:
    taker.save(("users", taking(version=2, more=more)))
    before = taker.json("/users/config")
    outcome = taker.save((PLUGINS, "users: {interval: 7}\n"))
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    assert outcome.diagnostics[0].file in ("plugins/users/plugin.py", None)
    assert "on_config_change" in str(outcome.error)
    assert taker.json("/users/config") == before
    assert taker.json("/users/seen")["limit"] == 5
    assert taker.generation("users").number == 2
    assert taker.running.registry.view.plugins["users"].pending


def test_a_hook_that_hangs_is_given_up(taker: Lab) -> None:
    taker.save(("users", taking(version=2, more="while True: pass")))
    taker.settings("reload: {timeout: 0.3}\nsafety: {max_reload_attempts: 1}")
    taker.running.changed(taker.path("/config/hot-loading.yaml"))
    outcome = taker.save((PLUGINS, "users: {interval: 7}\n"))
    assert outcome is not None
    assert "did not finish within" in str(outcome.error)
    assert taker.json("/users/config")["interval"] == 5


def test_when_another_plugin_of_the_batch_fails_the_hook_is_told_to_go_back(taker: Lab) -> None:
    broken = configured("orders", body="def initialize(self):\n    raise ValueError('no')")
    outcome = taker.save((PLUGINS, "users: {interval: 7}\n"), ("orders", broken))
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    assert taker.json("/users/seen") == {"seen": [[5, 7, 7], [7, 5, 5]], "limit": 5}
    assert taker.json("/users/config")["interval"] == 5


def test_what_the_hook_made_of_the_configuration_is_not_state(taker: Lab) -> None:
    taker.save((PLUGINS, "users: {interval: 7}\n"))
    taker.save((PLUGINS, "users: {interval: 9}\n"), ("users", taking(version=2)))
    assert taker.json("/users/seen") == {"seen": [[5, 7, 7]], "limit": 9}


def test_code_and_configuration_saved_together_are_a_reload(taker: Lab) -> None:
    outcome = taker.save((PLUGINS, "users: {interval: 7}\n"), ("users", taking(version=2)))
    assert outcome is not None
    assert outcome.reloaded == ("users", "orders")
    assert taker.json("/users/seen") == {"seen": [], "limit": 7}


def test_requests_wait_for_the_hook_and_others_see_nothing_before_it_is_done(taker: Lab) -> None:
    entered, go_on = threading.Event(), threading.Event()
    more = "entered, go_on = self.get_connection('events')\n    entered.set(); go_on.wait(20)"
    taker.save(("users", taking(version=2, more=more)))
    generation = taker.generation("users")
    generation.connections["events"] = (entered, go_on)
    answers: list[Any] = []
    path = taker.write(PLUGINS, "users: {interval: 7}\n")
    saving = threading.Thread(target=taker.running.changed, args=[path])
    asking = threading.Thread(target=lambda: answers.append(taker.json("/users/config")))
    saving.start()
    assert entered.wait(20)
    asking.start()
    wait_for(lambda: generation.hold is not None and generation.hold.oldest_wait(inf), "the wait")
    assert generation.plugin is not None
    assert generation.plugin.config["interval"] == 5
    go_on.set()
    saving.join(20)
    asking.join(20)
    assert answers[0]["interval"] == 7


def test_what_the_hook_calls_in_its_own_plugin_is_not_held(taker: Lab) -> None:
    more = "self.limit = self.get_service('users.limit')() + 1"
    serving = TAKES.replace("{more}", more) + (
        "\ndef on_load(self, ctx):\n"
        "    ctx.services.register('users.limit', lambda: self.config['interval'])\n"
    )
    taker.save(("users", configured(version=2, body=serving)))
    outcome = taker.save((PLUGINS, "users: {interval: 7}\n"))
    assert outcome is not None
    assert outcome.success
    assert taker.json("/users/seen")["limit"] == 8


def test_what_the_hook_sets_is_nowhere_when_it_fails(taker: Lab) -> None:
    more = "self.ctx.config.set('mark', 1); self.ctx.data.set('mark', 1); raise ValueError"
    taker.save(("users", taking(version=2, more=more)))
    taker.save((PLUGINS, "users: {interval: 7}\n"))
    plugin_now = taker.generation("users").plugin
    assert plugin_now is not None
    assert "mark" not in plugin_now.ctx.config
    assert plugin_now.ctx.data.get("mark") is None


def test_one_takes_it_live_while_another_is_reloaded(taker: Lab) -> None:
    outcome = taker.save((PLUGINS, "users: {interval: 7}\nclock: {interval: 8}\n"))
    assert outcome is not None
    assert (outcome.reloaded, outcome.notes) == (
        ("clock",),
        ("users took its new configuration live",),
    )
    assert set(outcome.plugins) == {"users", "clock"}
    assert numbers(taker) == {"users": 1, "orders": 1, "clock": 2}


# -- config_dependencies --------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["manifest", "class"])
def test_a_file_that_a_plugin_lists_concerns_it_alone(shop: Lab, where: str) -> None:
    path = "schemas/users.json"
    if where == "manifest":
        shop.write("users/manifest.json", manifest(config_dependencies=[path]))
        shop.write("users", taking())
    else:
        stated = f"config_dependencies = ({path!r},)\n"
        shop.write("users", configured(body=stated + TAKES.replace("{more}", "")))
    shop.start()
    outcome = shop.save((f"/{path}", "{}"))
    assert outcome is not None
    assert outcome.plugins == ("users",)
    assert shop.json("/users/seen")["seen"] == [[5, 5, 5]]
    assert shop.save((f"/{path}", "{}")) is None
    shop.save((f"/{path}", None))
    assert len(shop.json("/users/seen")["seen"]) == 2


def test_without_the_hook_it_is_reloaded(shop: Lab) -> None:
    shop.write("clock/manifest.json", manifest(config_dependencies=["config/plugins.yaml"]))
    shop.start()
    outcome = shop.save((PLUGINS, "users: {interval: 7}\n"))
    assert outcome is not None
    assert numbers(shop) == {"users": 2, "orders": 2, "clock": 2}


def test_a_file_of_a_plugin_that_is_no_layer_reloads_it(shop: Lab) -> None:
    shop.write("users", taking())
    shop.write("users/config/rules.yaml", "a: 1\n")
    shop.start()
    outcome = shop.save(("users/config/rules.yaml", "a: 2\n"))
    assert outcome is not None
    assert outcome.reloaded == ("users", "orders")


def test_a_listed_file_is_watched_wherever_it_is(lab: Lab) -> None:
    lab.write("users", taking())
    lab.write("users/manifest.json", manifest(config_dependencies=["data/[a] limits.txt"]))
    host = lab.start(hot_reload=True)
    lab.write("/data/[a] limits.txt", "1")
    wait_for(lambda: lab.json("/users/seen")["seen"] == [[5, 5, 5]], "the first")
    lab.write("/data/other.txt", "1")
    lab.save(("users/manifest.json", manifest(config_dependencies=["data/other.txt"])))
    lab.write("/data/other.txt", "2")
    wait_for(lambda: len(lab.json("/users/seen")["seen"]) == 2, "the second")
    assert host.control.pending() == []


def test_a_file_outside_of_the_project_is_none_of_it(lab: Lab) -> None:
    lab.write("users", taking())
    paths = ["../secret.txt", "/etc/passwd", "a/../../b", ""]
    lab.write("users/manifest.json", manifest(config_dependencies=paths))
    lab.start()
    assert lab.generation("users").config.depends == {}


# -- files that are of no use, and halves of files ---------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [("users:\n  interval: [7\n", 3), ("users: {interval: 7}\n]\n", 2), ("- a", 1)],
)
def test_a_file_that_cannot_be_read_is_a_refused_outcome(shop: Lab, text: str, line: int) -> None:
    shop.write(PLUGINS, "users: {interval: 7}\nclock: {mode: fast}\n")
    host = shop.start()
    outcome = shop.save((PLUGINS, text))
    assert outcome is not None
    assert (outcome.result, outcome.plugins) == (Result.REJECTED, ("clock", "users"))
    (found,) = outcome.diagnostics
    assert (found.code, found.file, found.line) == ("CFG001", "config/plugins.yaml", line)
    assert shop.json("/users/config")["interval"] == 7
    assert numbers(shop) == {"users": 1, "orders": 1, "clock": 1}
    assert shop.save((PLUGINS, text)) is None
    assert len(host.journal.outcomes("users")) == 1
    assert shop.save(("users", configured(version=2))) is not None
    assert shop.json("/users/version")["version"] == 2
    shop.save((PLUGINS, "users: {interval: 8}\n"))
    assert shop.json("/users/config")["interval"] == 8
    assert shop.save((PLUGINS, text)) is not None


@pytest.mark.parametrize("secret", ["!hunter2", "*hunter2", "!hunter2!x"])
def test_a_secret_that_yaml_takes_for_a_name_is_told_nowhere(shop: Lab, secret: str) -> None:
    shop.start()
    outcome = shop.save((PLUGINS, f"users:\n  api_key: {secret}\n"))
    assert outcome is not None
    (found,) = outcome.diagnostics
    assert (found.code, found.line, found.column) == ("CFG001", 2, 12)
    assert found.hint == "put quotes around a value that begins with `!`, `*` or `&`"
    assert "hunter2" not in json.dumps(outcome.to_json())


def test_an_empty_moment_of_a_file_changes_nothing(
    taker: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    taker.save((PLUGINS, "users: {interval: 7}\n"))
    looked = threading.Event()
    judge = Saves._judge_batch

    def judged(saves: Saves, *given: Any, **more: Any) -> Any:
        answer = judge(saves, *given, **more)
        looked.set()
        return answer

    monkeypatch.setattr(Saves, "_judge_batch", judged)
    for text, seen in (("", 7), ("users: {inter", 8)):
        looked.clear()
        path = taker.write(PLUGINS, text)
        saving = threading.Thread(target=taker.running.changed, args=[path])
        saving.start()
        assert looked.wait(20)
        taker.save((PLUGINS, f"users: {{interval: {seen + 1}}}\n"))
        saving.join(20)
    assert [pair[:2] for pair in taker.json("/users/seen")["seen"]] == [[5, 7], [7, 8], [8, 9]]
    assert {o.result for o in taker.running.journal.outcomes()} == {Result.RELOADED}
