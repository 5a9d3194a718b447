"""Each code, with the exact place at which a broken plugin is told of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from validation_worlds import CORPUS, Case, cases, codes, findings, place, sample

from devserver.validation.checks import built_in_folder
from devserver.validation.codes import CODES

USERS: dict[str, str | bytes] = {
    "plugin.py": sample("users"),
    "api.py": "def fetch(key, *, fresh=False):\n    return key\n",
}
ALONE = ("syntax.txt", "structure.txt", "manifests.txt")
BESIDE_USERS = ("imports.txt", "between.txt")
WITH_FILES = ("config.txt", "edits.txt")

BYTES = [
    ("SYN005", b"a = 1\nb = '\x00'\n", "2:6-7"),
    ("SYN006", b"a = 1\nname = '\xe9'\n", "2:9-10"),
    ("SYN006", b"# -*- coding: nonsense -*-\n", "1:1-27"),
    ("SYN006", "a = 1\n".encode("utf-16"), "1:1-2"),
    ("SYN007", b"x = " + b"-" * 20_000 + b"1\n", "1:1-2"),
    ("SYN010", "name = 'é".encode()[:-1], "1:8-9"),
    ("SYN010", b"x = 1 +", "1:7-8"),
    ("SYN010", b"name = 'us", "1:10-11"),
]


@pytest.mark.parametrize("case", [c for name in ALONE for c in cases(name)], ids=str)
def test_a_broken_plugin_is_told_of_at_its_place(case: Case) -> None:
    code, where = case.heading.split()
    found = findings(case.plugins)
    assert codes(found) == [code], found
    assert place(found[0]) == where


@pytest.mark.parametrize("case", [c for name in BESIDE_USERS for c in cases(name)], ids=str)
def test_what_does_not_fit_between_plugins_is_told_of(case: Case) -> None:
    code, where, *options = case.heading.split()
    disabled = [o.removeprefix("disabled=") for o in options]
    found = findings({"users": USERS, **case.plugins}, changed=["orders"], disabled=disabled)
    assert codes(found) == [code], found
    assert place(found[0]) == where
    assert found[0].plugin == "orders"


@pytest.mark.parametrize("case", [c for name in WITH_FILES for c in cases(name)], ids=str)
def test_what_files_say_and_what_an_edit_takes_away_is_told_of(case: Case, tmp_path: Path) -> None:
    code, where = case.heading.split()
    plugins = dict(case.plugins)
    for name, text in plugins.pop("config", {}).items():
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config" / name).write_bytes(text.encode() if isinstance(text, str) else text)
    running = {**plugins, **case.before} if case.before else None
    changed = list(case.before) or None
    found = findings(plugins, running=running, changed=changed, base=tmp_path)
    assert codes(found) == [code], found
    assert place(found[0]) == where
    assert found[0].plugin == "users"
    assert "hunter2" not in str(found[0].to_json())


@pytest.mark.parametrize(("code", "content", "where"), BYTES)
def test_bytes_that_are_no_source_are_told_of(code: str, content: bytes, where: str) -> None:
    found = findings({"users": content})
    assert codes(found) == [code], found
    assert place(found[0]) == f"users/plugin.py:{where}"


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
    root = Path(__file__).resolve().parents[3]
    folder = root / "devserver" / "validation"
    texts = [p.read_text() for p in (*folder.rglob("*.py"), *built_in_folder().glob("*.py"))]
    emitted = {c for t in texts for c in re.findall(r'"([A-Z]{3}\d{3})"', t)}
    assert emitted <= set(CODES)
    corpus = "".join((CORPUS / name).read_text() for name in (*ALONE, *BESIDE_USERS, *WITH_FILES))
    tested = set(re.findall(r"^### ([A-Z]{3}\d{3})", corpus, re.MULTILINE))
    tested |= {code for code, _, _ in BYTES}
    others = "".join(p.read_text() for p in (root / "tests").rglob("test_*.py"))
    assert {code for code in CODES if code not in tested and code not in others} == set()
