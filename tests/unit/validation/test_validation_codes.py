"""Each code, with the exact place at which a broken plugin is told of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from validation_worlds import CORPUS, Case, cases, codes, findings, sample

from devserver.validation.checks import built_in_folder
from devserver.validation.codes import CODES

USERS: dict[str, str | bytes] = {
    "plugin.py": sample("users"),
    "api.py": "def fetch(key, *, fresh=False):\n    return key\n",
}
ALONE = ("syntax.txt", "structure.txt", "manifests.txt")
BESIDE_USERS = ("imports.txt", "between.txt")

BYTES = [
    ("SYN005", b"a = 1\nb = '\x00'\n", "2:6"),
    ("SYN006", b"a = 1\nname = '\xe9'\n", "2:9"),
    ("SYN006", b"# -*- coding: nonsense -*-\n", "1:1"),
    ("SYN006", "a = 1\n".encode("utf-16"), "1:1"),
    ("SYN007", b"x = " + b"-" * 20_000 + b"1\n", "1:1"),
]


@pytest.mark.parametrize("case", [c for name in ALONE for c in cases(name)], ids=str)
def test_a_broken_plugin_is_told_of_at_its_place(case: Case) -> None:
    code, place = case.heading.split()
    found = findings(case.plugins)
    assert codes(found) == [code], found
    assert found[0].location == f"plugins/{place}"


@pytest.mark.parametrize("case", [c for name in BESIDE_USERS for c in cases(name)], ids=str)
def test_what_does_not_fit_between_plugins_is_told_of(case: Case) -> None:
    code, place, *options = case.heading.split()
    disabled = [o.removeprefix("disabled=") for o in options]
    found = findings({"users": USERS, **case.plugins}, changed=["orders"], disabled=disabled)
    assert codes(found) == [code], found
    assert found[0].location == f"plugins/{place}"
    assert found[0].plugin == "orders"


@pytest.mark.parametrize(("code", "content", "place"), BYTES)
def test_bytes_that_are_no_source_are_told_of(code: str, content: bytes, place: str) -> None:
    found = findings({"users": content})
    assert codes(found) == [code], found
    assert found[0].location == f"plugins/users/plugin.py:{place}"


def test_a_reserved_name_is_refused() -> None:
    found = findings({"metrics": sample("metrics")})
    assert codes(found) == ["STR007"]
    assert found[0].location == "plugins/metrics"


def test_a_cycle_is_told_once_with_its_path() -> None:
    plugins = {
        "a": "import plugins.b.plugin\n" + sample("a"),
        "b": "import plugins.c.plugin\n" + sample("b"),
        "c": {"plugin.py": sample("c"), "manifest.json": '{"dependencies": ["a"]}'},
        "d": "import plugins.a.plugin\n" + sample("d"),
    }
    found = findings(plugins)
    assert codes(found) == ["DEP005"]
    assert found[0].message == "dependency cycle: a → b → c → a"
    assert found[0].location == "plugins/a/plugin.py:1:1"
    found = findings(plugins, changed=["c", "b"])
    assert [(d.code, d.plugin) for d in found] == [("DEP005", "b")]


def test_codes_are_documented_and_tested() -> None:
    folder = Path(__file__).resolve().parents[3] / "devserver" / "validation"
    texts = [p.read_text() for p in (*folder.rglob("*.py"), *built_in_folder().glob("*.py"))]
    emitted = {c for t in texts for c in re.findall(r'"([A-Z]{3}\d{3})"', t)}
    assert emitted <= set(CODES)
    corpus = "".join((CORPUS / name).read_text() for name in (*ALONE, *BESIDE_USERS))
    tested = set(re.findall(r"^### ([A-Z]{3}\d{3})", corpus, re.MULTILINE))
    tested |= {code for code, _, _ in BYTES}
    elsewhere = {"SYN001", "STR007", "STR900", "DEP005", "DEP006", "CFG006", "CFG007", "CMP003"}
    assert set(CODES) == tested | elsewhere
