"""What is set at run time: by the operator, and by plugins themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devserver.core.errors import ConfigurationRefused, DatabaseUnavailable, PluginNotFound
from devserver.core.outcome import Outcome, Result
from devserver.core.values import Changes
from devserver.runtime.values import InMemory, RunTimeValues
from tests.integration.configuration.plugins import SCHEMA, configured, manifest, taking
from tests.integration.lab import Lab, wait_for

PLUGINS = "/config/plugins.yaml"
FAILS_ABOVE = """
def initialize(self):
    if self.config["interval"] > 10:
        raise ValueError(f"{self.config['interval']} is too much")
"""


@pytest.fixture
def users(lab: Lab) -> Lab:
    lab.write("users", configured())
    lab.write("users/manifest.json", manifest())
    lab.start()
    return lab


def configure(lab: Lab, **changes: Any) -> Outcome:
    return lab.running.control.configure("users", changes)


def restarted(lab: Lab) -> Lab:
    lab.stop()
    lab.start()
    return lab


def test_an_override_is_in_force_at_once_and_after_a_restart(users: Lab) -> None:
    outcome = configure(users, interval=7, mode="fast")
    assert outcome.reloaded == ("users",)
    assert outcome.notes[0] == "configuration: set interval, mode"
    assert users.json("/users/config") == {"interval": 7, "mode": "fast"}
    assert restarted(users).json("/users/config") == {"interval": 7, "mode": "fast"}


def test_null_takes_an_override_out(users: Lab) -> None:
    configure(users, interval=7, mode="fast")
    configure(users, interval=None, mode="safe")
    assert users.json("/users/config") == {"interval": 5, "mode": "safe"}
    assert restarted(users).json("/users/config") == {"interval": 5, "mode": "safe"}


def test_a_file_below_an_override_changes_nothing_until_that_is_taken_out(users: Lab) -> None:
    configure(users, interval=7)
    assert users.save((PLUGINS, "users: {interval: 8}\n")) is None
    assert users.json("/users/config")["interval"] == 7
    configure(users, interval=None)
    assert users.json("/users/config")["interval"] == 8


def test_the_hook_takes_an_override_live(users: Lab) -> None:
    users.save(("users", taking(version=2)))
    outcome = configure(users, interval=7)
    assert outcome.deed == "reconfigured"
    assert users.json("/users/seen") == {"seen": [[5, 7, 7]], "limit": 7}
    assert users.generation("users").number == 2


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"interval": "many"}, "CFG003", "'many' is no integer"),
        ({"interval": 99}, "CFG004", "99 is above the maximum of 60"),
        ({"mode": "slow", "interval": 7}, "CFG004", "'slow' is none of"),
        ({"intervall": 7}, "CFG002", "declares no configuration key 'intervall'"),
        ({"api_key": 5}, "CFG003", "the value is no string"),
        ({"ratio": float("nan")}, "CFG003", "cannot be kept"),
        ({"k" * 300: 1}, "CFG003", "cannot be kept"),
        ({"k\ud800": 1}, "CFG003", "cannot be kept"),
    ],
)
def test_what_does_not_fit_is_refused_and_told(
    users: Lab, changes: dict[str, Any], code: str, said: str
) -> None:
    outcome = configure(users, **changes)
    assert outcome.result is Result.REJECTED
    (found,) = [d for d in outcome.diagnostics if d.is_error]
    assert (found.code, found.plugin) == (code, "users")
    assert said in found.message
    assert users.json("/users/config") == {"interval": 5}
    assert users.generation("users").number == 1
    record = users.running.registry.view.plugins["users"]
    assert (record.pending, record.diagnostics, record.reason) == (False, (), "active")
    told = users.running.journal.documents("users")[0]
    assert (told["result"], told["trigger"]) == ("rejected", "config")


def test_a_finding_is_told_at_the_declaration(users: Lab) -> None:
    (found,) = configure(users, interval=99).diagnostics
    lines = manifest().split("\n")
    assert found.file == "plugins/users/manifest.json"
    assert found.line is not None
    assert any("interval" in text for text in lines[found.line - 2 : found.line])


def test_an_undeclared_key_is_a_warning(users: Lab) -> None:
    outcome = configure(users, colour="red")
    assert outcome.success
    assert [d.code for d in outcome.diagnostics] == ["CFG002"]
    assert users.json("/users/config")["colour"] == "red"


def test_a_required_value_cannot_be_taken_out(lab: Lab) -> None:
    lab.write("users", configured())
    lab.write("users/manifest.json", manifest({"sender": {"required": True}}))
    lab.start()
    configure(lab, sender="me")
    outcome = configure(lab, sender=None)
    assert outcome.result is Result.REJECTED
    assert lab.json("/users/config") == {"sender": "me"}


@pytest.mark.parametrize("body", [FAILS_ABOVE, "def on_config_change(self, old, new):\n    1 / 0"])
def test_what_fails_puts_the_old_configuration_back(users: Lab, body: str) -> None:
    configure(users, interval=6)
    users.save(("users", configured(version=2, body=body)))
    outcome = configure(users, interval=20, mode="fast")
    assert outcome.result is Result.ROLLED_BACK
    assert users.json("/users/config") == {"interval": 6}
    assert users.json("/users/version")["version"] == 2
    assert not users.running.registry.view.plugins["users"].pending
    assert restarted(users).json("/users/config") == {"interval": 6}


def test_a_failed_plugin_starts_with_what_it_missed(lab: Lab) -> None:
    lab.write("users", configured(body="def initialize(self):\n    self.config['api_key']"))
    lab.write("users/manifest.json", manifest())
    lab.start()
    assert lab.get("/users/config").status_code == 503
    assert not configure(lab, interval=7).success
    assert lab.running.control.configurations.shown("users") == {"interval": 5}
    assert configure(lab, api_key="hunter2hunter2").success
    assert lab.json("/users/config")["interval"] == 5


def test_a_disabled_plugin_is_configured_for_later(users: Lab) -> None:
    users.running.control.disable("users")
    assert configure(users, interval=99).result is Result.REJECTED
    assert configure(users, interval=7).result is Result.UNCHANGED
    assert users.running.registry.view.plugins["users"].withheld
    users.running.control.enable("users")
    assert users.json("/users/config") == {"interval": 7}


def test_refused_code_on_disk_stays_refused(users: Lab) -> None:
    users.save(("users", "def x(:\n"))
    outcome = configure(users, interval=7)
    assert outcome.success
    assert users.json("/users/config") == {"interval": 7}
    record = users.running.registry.view.plugins["users"]
    assert record.pending
    assert record.diagnostics
    users.save(("users", configured(version=2)))
    assert users.json("/users/version")["version"] == 2
    assert users.json("/users/config") == {"interval": 7}


def test_the_same_value_again_changes_nothing(users: Lab) -> None:
    configure(users, interval=7)
    assert configure(users, interval=7).result is Result.UNCHANGED
    assert users.generation("users").number == 2


def test_on_a_failure_it_is_not_left_failed(users: Lab) -> None:
    users.settings("safety: {rollback_on_failure: false}")
    users.running.changed(users.path("/config/hot-loading.yaml"))
    users.save(("users", configured(version=2, body=FAILS_ABOVE)))
    assert configure(users, interval=20).result is Result.ROLLED_BACK
    assert users.json("/users/config") == {"interval": 5}


def test_what_cannot_be_kept_is_not_in_force(users: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_changes: object) -> None:
        raise DatabaseUnavailable("the disk is full")

    monkeypatch.setattr(users.running.store.values, "put", full)
    for version in (configured(version=2), taking(version=3)):
        users.save(("users", version))
        outcome = configure(users, interval=7)
        assert outcome.result is Result.ROLLED_BACK
        assert "the disk is full" in str(outcome.error)
        assert users.json("/users/config") == {"interval": 5}


def test_one_that_falls_ill_on_probation_has_its_old_configuration_again(lab: Lab) -> None:
    lab.settings("safety: {probation_ms: 60000, max_reload_attempts: 1}")
    ill = "def health_check(self):\n    return self.ok or self.config['interval'] < 9"
    lab.write("users", configured(body=ill, init="self.ok = True"))
    lab.write("users/manifest.json", manifest())
    host = lab.start()
    configure(lab, interval=9)
    assert lab.json("/users/config") == {"interval": 9}
    plugin = lab.generation("users").plugin
    assert plugin is not None
    plugin.ok = False
    wait_for(lambda: lab.generation("users").number == 1, "the old generation")
    assert lab.json("/users/config") == {"interval": 5}
    assert host.journal.outcomes()[0].trigger == "probation"


def test_a_reload_takes_over_what_another_instance_has_set(users: Lab) -> None:
    kept = users.running.store.values
    kept.put({"users": Changes(config={"interval": "7", "mode": '"fast"'})})
    assert users.json("/users/config") == {"interval": 5}
    users.running.control.reload("users")
    assert users.json("/users/config") == {"interval": 7, "mode": "fast"}
    kept.put({"users": Changes(config={"interval": "8", "mode": None})})
    users.running.control.reload("users")
    assert users.json("/users/config") == {"interval": 8}


def test_no_such_plugin(users: Lab) -> None:
    with pytest.raises(PluginNotFound):
        users.running.control.configure("nobody", {"a": 1})


def test_a_schema_that_an_override_no_longer_fits_is_refused(users: Lab) -> None:
    configure(users, interval=50)
    narrower = SCHEMA | {"interval": {"type": "integer", "default": 5, "max": 9}}
    outcome = users.save(("users/manifest.json", manifest(narrower)))
    assert outcome is not None
    assert outcome.result is Result.REJECTED
    assert "set at run time" in outcome.diagnostics[0].message
    assert "config users unset interval" in str(outcome.diagnostics[0].hint)


# -- a plugin's own --------------------------------------------------------------------------


def test_what_a_plugin_sets_itself_does_not_reload_it(users: Lab) -> None:
    assert users.get("/users/own/interval/9").status_code == 200
    assert users.get("/users/own/found/3").status_code == 200
    assert users.json("/users/config") == {"interval": 9, "found": 3}
    assert users.generation("users").number == 1
    users.save((PLUGINS, "users: {mode: fast}\n"))
    assert users.json("/users/config") == {"interval": 9, "found": 3, "mode": "fast"}
    configure(users, interval=None, found=None)
    assert users.json("/users/config") == {"interval": 5, "mode": "fast"}


def test_what_it_sets_must_fit_its_own_declaration(users: Lab) -> None:
    plugin = users.generation("users").plugin
    assert plugin is not None
    with pytest.raises(ConfigurationRefused, match="99 is above the maximum"):
        plugin.ctx.config.set("interval", 99)
    with pytest.raises(ValueError, match="the value is no string"):
        plugin.ctx.config.set("api_key", 5)
    assert users.json("/users/config") == {"interval": 5}


def test_none_takes_out_what_it_has_set(users: Lab) -> None:
    users.get("/users/own/interval/9")
    plugin = users.generation("users").plugin
    assert plugin is not None
    plugin.ctx.config.set("interval", None)
    assert users.json("/users/config") == {"interval": 5}


# -- secrets ---------------------------------------------------------------------------------

SECRET = "hunter2-hunter3"
TELLS = """
def initialize(self):
    if self.config["interval"] == 13:
        raise ValueError(f"with {self.config['api_key']}")
"""


def test_a_secret_is_told_nowhere(users: Lab, caplog: pytest.LogCaptureFixture) -> None:
    raising = '@router.get("/raise")\ndef fail():\n    raise ValueError(self.config["api_key"])'
    source = configured(body=TELLS).replace(
        '@router.get("/seen")',
        raising.replace("\n", "\n        ") + '\n\n        @router.get("/seen")',
    )
    users.save(("users", source))
    configure(users, api_key=SECRET)
    assert configure(users, interval=13).result is Result.ROLLED_BACK
    page = users.get("/users/raise")
    assert page.status_code == 500
    configure(users, api_key="another-secret")
    assert configure(users, interval=13).result is Result.ROLLED_BACK
    control = users.running.control
    told = {
        "feed": [e.payload for e in users.running.journal.events_after(0, 0)],
        "history": users.running.journal.documents(),
        "info": control.plugin_details("users"),
        "shown": control.configurations.shown("users"),
        "explained": control.configurations.explained("users"),
        "page": page.text,
        "log": caplog.text,
        "backups": [p.read_text() for p in users.root.rglob("instance/backups/*/*.json")],
    }
    texts = {name: json.dumps(what, default=str) for name, what in told.items()}
    assert [n for n, text in texts.items() if SECRET in text or "another-secret" in text] == []
    assert control.configurations.shown("users")["api_key"] == "***"


def test_a_masked_secret_that_comes_back_stays_as_it_is(users: Lab) -> None:
    configure(users, api_key=SECRET)
    configure(users, api_key="***", interval=7)
    assert users.json("/users/config") == {"interval": 7, "api_key": SECRET}


def test_where_each_value_comes_from(users: Lab) -> None:
    users.save(
        ("users/config/default.yaml", "# x\nratio: 0.5\n"), (PLUGINS, "users:\n  mode: fast\n")
    )
    configure(users, api_key=SECRET)
    rows = {r["key"]: r for r in users.running.control.configurations.explained("users")}
    places = {k: (r["value"], r["layer"], r["file"], r["line"]) for k, r in rows.items()}
    line = next(n for n, text in enumerate(manifest().split("\n"), 1) if '"default": 5' in text)
    assert places == {
        "interval": (5, "manifest default", "plugins/users/manifest.json", line),
        "ratio": (0.5, "plugin default", "plugins/users/config/default.yaml", 2),
        "mode": ("fast", "project", "config/plugins.yaml", 2),
        "api_key": ("***", "run time", None, None),
        "verbose": (None, None, None, None),
    }


# -- instances that share a database ---------------------------------------------------------------


def test_what_another_instance_set_is_taken(users: Lab, tmp_path: Path) -> None:
    other = Lab(tmp_path / "other")
    database = users.path("/instance/devserver.sqlite")
    other.write("/config/main.yaml", f"database: {{url: 'sqlite:///{database}'}}\n")
    other.write("users", taking())
    other.write("users/manifest.json", manifest())
    other.start()
    try:
        for value, seen in ((7, 7), (None, 5)):
            configure(users, interval=value)
            outcome = other.running.control.catch_up("users", trigger="group")
            assert (outcome.deed, outcome.success) == ("reconfigured", True)
            assert other.json("/users/config")["interval"] == seen
            again = other.running.control.catch_up("users")
            assert again.result is Result.UNCHANGED
        assert other.json("/users/seen")["seen"] == [[5, 7, 7], [7, 5, 5]]
    finally:
        other.stop()


def test_what_was_read_of_another_instance_is_not_written_over_what_that_sets_next() -> None:
    kept = InMemory()
    one, other = RunTimeValues(), RunTimeValues()
    one.keep_in(kept)
    other.keep_in(kept)
    assert other.overrides("users") == {}
    one.put([("users", Changes(config={"interval": "7"}))])
    news = other.news("users")
    one.put([("users", Changes(config={"interval": "8"}))])
    other.put([("users", Changes(config=news))])
    assert other.overrides("users") == {"interval": 7}
    assert kept.overrides("users") == {"interval": "8"}
    other.put([("users", Changes(config={"interval": "7"}))])
    assert kept.overrides("users") == {"interval": "7"}
