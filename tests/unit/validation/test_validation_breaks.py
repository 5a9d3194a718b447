"""What an edit of one plugin does to the plugins that use it."""

from __future__ import annotations

from typing import Any

import pytest
from validation_worlds import codes, findings, sample

BEFORE = {
    "plugin.py": sample("users"),
    "api.py": "def fetch(key): ...\ndef drop(key): ...\n",
    "extra.py": "x = 1\n",
}


def edited(**files: str | None) -> dict[str, str]:
    """`users` after an edit; None deletes a file."""
    texts = {**BEFORE, **{f"{name}.py": text for name, text in files.items()}}
    return {name: text for name, text in texts.items() if text is not None}


def using(line: str) -> str:
    return f"{line}\n{sample('orders')}"


NO_DROP = edited(api="def fetch(key): ...\n")

GONE: list[tuple[str, dict[str, str], str, str]] = [
    ("from plugins.users.api import drop", NO_DROP, "CMP003", "plugins.users.api.drop is gone"),
    ("from ..users.api import fetch, drop", NO_DROP, "CMP003", "orders/plugin.py:1"),
    ("import plugins.users.api as a\na.drop(1)\na.drop(2)", NO_DROP, "CMP003", "plugin.py:2"),
    ("from plugins.users import extra", edited(extra=None), "CMP003", "users.extra is gone"),
    ("import plugins.users.extra", edited(extra=None), "CMP003", "the module plugins.users.extra"),
    ("def f():\n    from plugins.users.api import drop", NO_DROP, "CMP003?", "plugin.py:2"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "after", "code", "said"), GONE)
def test_removing_what_another_plugin_uses_is_told_on_the_edited_plugin(
    line: str, after: dict[str, str], code: str, said: str
) -> None:
    live = {"users": BEFORE, "orders": using(line)}
    found = findings({**live, "users": after}, running=live, changed=["users"])
    assert codes(found) == [code], found
    assert found[0].plugin == "users"
    assert "'orders'" in found[0].message
    assert said in found[0].message


KEPT: list[tuple[str, dict[str, Any]]] = [
    ("from plugins.users.api import fetch", {}),
    ("try:\n    from plugins.users.api import drop\nexcept ImportError:\n    drop = None", {}),
    ("import typing\nif typing.TYPE_CHECKING:\n    from plugins.users.api import drop", {}),
    ("from plugins.users.api import drop", {"disabled": ["orders"]}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "how"), KEPT)
def test_removing_what_nobody_needs_is_not_told(line: str, how: dict[str, Any]) -> None:
    live = {"users": BEFORE, "orders": using(line)}
    assert findings({**live, "users": NO_DROP}, running=live, changed=["users"], **how) == ()


def test_an_importer_that_changes_too_is_judged_by_itself() -> None:
    live = {"users": BEFORE, "orders": using("from plugins.users.api import drop")}
    found = findings({**live, "users": NO_DROP}, running=live)
    assert [(d.code, d.plugin) for d in found] == [("IMP005", "orders")]
    fixed = {"users": NO_DROP, "orders": using("from plugins.users.api import fetch")}
    assert findings(fixed, running=live) == ()


def test_a_broken_plugin_that_does_not_run_blocks_no_other() -> None:
    plugins = {"users": NO_DROP, "orders": using("from plugins.users.api import drop")}
    assert findings(plugins, running={"users": BEFORE}, changed=["users"]) == ()
    assert findings(plugins, running={"other": sample("other")}, changed=["users"]) == ()


def test_where_nothing_runs_it_is_a_warning() -> None:
    plugins = {"users": NO_DROP, "orders": using("from plugins.users.api import drop")}
    (found,) = findings(plugins, changed=["users"])
    assert codes([found]) == ["CMP003?"]
    assert "plugins.users.api.drop is not there" in found.message


def test_what_was_missing_before_is_not_the_edits_fault() -> None:
    live = {"users": NO_DROP, "orders": using("from plugins.users.api import drop")}
    edit = {**NO_DROP, "extra.py": "x = 2\n"}
    assert findings({**live, "users": edit}, running=live, changed=["users"]) == ()


def test_a_file_that_cannot_be_parsed_hides_what_it_has() -> None:
    live = {"users": BEFORE, "orders": using("from plugins.users.api import drop")}
    broken = edited(api="def fetch(:\n")
    found = findings({**live, "users": broken}, running=live)
    assert codes(found) == ["SYN002"]


CALLS = [
    ("def fetch(key, how): ...\n", "fetch(1)", "needs the argument 'how'"),
    ("def fetch(): ...\n", "fetch(1)", "takes at most 0 positional arguments, not 1"),
    ("def fetch(*, key): ...\n", "fetch(1)", "takes at most 0 positional arguments, not 1"),
    ("def fetch(name): ...\n", "fetch(key=1)", "has no parameter 'key'"),
    ("class fetch:\n    def __init__(self, key, how): ...\n", "fetch(1)", "needs the argument"),
]


@pytest.mark.parametrize(("api", "call", "said"), CALLS)
def test_a_changed_signature_that_breaks_a_call_is_a_warning(
    api: str, call: str, said: str
) -> None:
    live = {"users": BEFORE, "orders": using(f"from plugins.users.api import fetch\nX = {call}")}
    found = findings({**live, "users": edited(api=api)}, running=live, changed=["users"])
    assert codes(found) == ["CMP004?"], found
    assert said in found[0].message
    assert "orders/plugin.py:2" in found[0].message
    assert found[0].file == "plugins/users/api.py"


FITTING = [
    ("def fetch(key, how=1, *more, **rest): ...\n", "fetch(1)"),
    ("def fetch(a, b): ...\n", "fetch(*X)"),
    ("@wrapped\ndef fetch(): ...\n", "fetch(1)"),
    ("def fetch(): ...\nfetch = print\n", "fetch(1)"),
    ("from dataclasses import dataclass\n@dataclass\nclass fetch:\n    key: int\n", "fetch(1)"),
]


@pytest.mark.parametrize(("api", "call"), FITTING)
def test_a_call_that_fits_or_cannot_be_judged_is_not_told(api: str, call: str) -> None:
    live = {"users": BEFORE, "orders": using(f"from plugins.users.api import fetch\nX = {call}")}
    assert findings({**live, "users": edited(api=api)}, running=live, changed=["users"]) == ()
    assert findings({**live, "users": edited(api=api)}, running=live) == ()
