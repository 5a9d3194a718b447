"""Configuration, manifests and data files of plugins: what is wrong with them is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from devserver.core.diagnostics import Severity
from devserver.core.outcome import Result
from devserver.runtime.configuration import Configuration
from devserver.runtime.project import Project
from tests.integration.lab import Lab, plugin

OPTION = """
    @router.get("/option")
    def option():
        return {"option": self.ctx.config.get("option", "none")}
"""


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("plugins", "users: 5", "users must be a mapping of keys to values, not a number"),
        ("plugins", "users: [a]", "users must be a mapping of keys to values, not a list"),
        (
            "environments",
            "development: {plugins: {users: secret}}",
            "development.plugins.users must be a mapping of keys to values, not text",
        ),
    ],
)
def test_a_configuration_that_is_no_mapping_is_told(
    lab: Lab, file: str, text: str, named: str
) -> None:
    lab.write("/config/plugins.yaml", "users: {option: 1}")
    lab.write("users", plugin("users", routes=OPTION))
    lab.write("other", plugin("other"))
    lab.start()
    outcome = lab.save((f"/config/{file}.yaml", text))
    assert outcome is not None
    assert not outcome.success
    (found,) = outcome.diagnostics
    assert (found.code, found.plugin, found.file) == ("CFG003", "users", f"config/{file}.yaml")
    assert found.message == named
    assert found.hint == "write the keys below `users:`, indented, each as `key: value`"
    assert lab.json("/users/option") == {"option": 1}
    assert lab.json("/other/version")["version"] == 1


@pytest.mark.parametrize(
    ("file", "text", "code"),
    [
        ("environments", "development: 5", "CFG003"),
        ("environments", "production: {plugins: [a]}", "CFG003"),
        ("environments", "[]", "CFG001"),
        ("plugins", "users: {day: 2020-13-45}", "CFG001"),
        ("plugins", "users: {number: " + "1" * 5000 + "}", "CFG001"),
        ("plugins", "[" * 500, "CFG001"),
    ],
)
def test_a_configuration_file_that_cannot_be_used_keeps_its_former_content(
    lab: Lab, file: str, text: str, code: str
) -> None:
    lab.write("/config/plugins.yaml", "users: {option: 1}")
    lab.write("/config/environments.yaml", "development: {plugins: {users: {option: 2}}}")
    lab.write("users", plugin("users", routes=OPTION))
    lab.start()
    lab.write(f"/config/{file}.yaml", text)
    configuration = Configuration(Project(lab.root))
    (problem,) = configuration.read()
    assert (problem.code, problem.file) == (code, f"config/{file}.yaml")
    assert problem.hint
    lab.save((f"/config/{file}.yaml", text))
    assert lab.json("/users/option") == {"option": 2}


def test_a_manifest_with_an_endless_number_is_refused_at_its_place(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    text = '{"version": "1.0.0",\n "priority": ' + "1" * 5000 + "}"
    outcome = lab.save(("users/manifest.json", text))
    assert outcome is not None
    assert not outcome.success
    found = outcome.diagnostics[0]
    assert (found.code, found.file) == ("CFG001", "plugins/users/manifest.json")
    assert (found.line, found.column) == (2, 14)
    assert found.message == "manifest.json has a number of more than 4300 digits"
    assert found.hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{"name": 5}', 'write "name": "text"'),
        ('{"permissions": {"x": 1}}', 'write "permissions": [...]'),
        ('{"configuration": {"a": 5}}', 'write "a": {...}'),
        ("[" * 5000, "no field of a manifest is nested more than a few levels"),
    ],
)
def test_a_manifest_of_another_shape_is_told_with_what_to_write(
    lab: Lab, text: str, hint: str
) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    outcome = lab.save(("users/manifest.json", text))
    assert outcome is not None
    assert [d.hint for d in outcome.diagnostics if d.code.startswith("CFG")] == [hint]


def test_a_watched_file_of_any_kind_reloads_the_plugin(lab: Lab) -> None:
    lab.settings("watch:\n  patterns: ['plugins/**/*.py', 'plugins/**/*.csv']\n")
    lab.write("users/table.csv", "1")
    top = """
        from pathlib import Path
        TABLE = Path(__file__).with_name("table.csv").read_text()
    """
    route = """
        @router.get("/table")
        def table():
            return TABLE
    """
    lab.write("users", plugin("users", top=top, routes=route))
    lab.start()
    outcome = lab.save(("users/table.csv", "2"))
    assert outcome is not None
    assert outcome.success
    assert lab.get("/users/table").text == "2"


ORDERS = plugin("orders", top="from plugins.users.plugin import VERSION as USERS")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere.py")


ODD = pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_pipe, "it is a named pipe"),
        (_loop, "Too many levels of symbolic links"),
        (_dangling, "it is a link that leads nowhere"),
    ],
)


@ODD
def test_an_entry_that_cannot_be_read_is_told_by_the_plugin_and_by_who_needs_it(
    lab: Lab, make: Callable[[Path], None], reason: str
) -> None:
    (lab.root / "plugins" / "users").mkdir()
    make(lab.root / "plugins" / "users" / "plugin.py")
    lab.write("orders", ORDERS)
    lab.start()
    view = lab.running.registry.view
    (own,) = view.plugins["users"].diagnostics
    assert (own.code, own.plugin, own.file) == ("SYN001", "users", "plugins/users/plugin.py")
    assert own.message == f"the file cannot be read: {reason}"
    told = view.plugins["orders"].diagnostics[0]
    assert told.code == "IMP003"
    assert told.message == f"plugin 'users' cannot be read: plugins/users/plugin.py: {reason}"
    outcome = lab.save(("orders", ORDERS + "\n"))
    assert outcome is not None
    assert reason in outcome.diagnostics[0].message
    (lab.root / "plugins" / "users" / "plugin.py").unlink()
    lab.save(("users", plugin("users")))
    assert lab.json("/orders/version")["version"] == 1


@ODD
def test_a_single_file_that_cannot_be_read_is_told(
    lab: Lab, make: Callable[[Path], None], reason: str
) -> None:
    make(lab.root / "plugins" / "users.py")
    lab.start()
    record = lab.running.registry.view.plugins["users"]
    assert record.status == "failed"
    assert reason in record.reason


@ODD
def test_an_entry_that_can_no_longer_be_read_leaves_what_runs_in_service(
    lab: Lab, make: Callable[[Path], None], reason: str
) -> None:
    path = lab.write("users", plugin("users"))
    lab.start()
    path.unlink()
    make(path)
    outcome = lab.running.changed(path)
    assert outcome is not None
    assert outcome.result is Result.REJECTED
    assert reason in str(outcome.error)
    assert lab.json("/users/version")["version"] == 1


@ODD
def test_a_module_that_cannot_be_read_is_named_and_explains_a_failed_import(
    lab: Lab, make: Callable[[Path], None], reason: str
) -> None:
    lab.write("users", plugin("users"))
    make(lab.root / "plugins" / "users" / "models.py")
    lab.write("orders", plugin("orders", top="from plugins.users.models import VALUE"))
    lab.start()
    view = lab.running.registry.view
    assert view.plugins["users"].status == "active"
    (own,) = view.plugins["users"].diagnostics
    assert (own.code, own.severity) == ("SYN001", Severity.WARNING)
    assert (own.file, own.message) == (
        "plugins/users/models.py", f"the file cannot be read: {reason}",
    )  # fmt: skip
    told = view.plugins["orders"].diagnostics[0]
    assert told.code == "IMP004"
    assert told.hint == f"plugins/users/models.py cannot be read: {reason}"


def test_a_declared_dependency_that_cannot_be_read_is_told_with_the_reason(lab: Lab) -> None:
    (lab.root / "plugins" / "users").mkdir()
    os.mkfifo(lab.root / "plugins" / "users" / "plugin.py")
    lab.write("orders", plugin("orders", body="dependencies = ['users']"))
    lab.start()
    told = lab.running.registry.view.plugins["orders"].diagnostics[0]
    assert told.code == "DEP001"
    assert "plugins/users/plugin.py: it is a named pipe" in told.message
