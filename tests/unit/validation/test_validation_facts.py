"""Single facts that the checks are made of: versions, deprecations, twins, routes, secrets."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from validation_worlds import PIPELINE, codes, findings, place, sample, world

from devserver.validation.host_use import matches
from devserver.validation.outline import analyse_module
from devserver.validation.outline.features import is_formal_fstring
from devserver.validation.outline.newer import newer_syntax
from devserver.validation.promises import oldest_promised
from devserver.validation.resolve import Environment
from devserver.validation.retired import answers

FSTRINGS = [
    ("f'{x}'", False),
    ("f'{x[\"a\"]}'", False),
    ("f'{x['a']}'", True),
    ('f"{x!r:>{n}}" "y"', False),
    ("f\"{{'a'}}\\n\"", False),
    ("f\"{'\\n'.join(x)}\"", True),
    ("f'''{\n    x  # why\n}'''", True),
    ("f'''{'a'}'''", False),
    ("'#' f'{x}' '{'", False),
    ("rf'\\d{x}'", False),
    ("f'{x:{'>'}}'", True),
]


@pytest.mark.parametrize(("text", "is_new"), FSTRINGS)
def test_an_fstring_of_the_new_grammar_is_known_by_its_text(text: str, is_new: bool) -> None:
    assert is_formal_fstring(text) is is_new


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax is that of Python 3.12")
@pytest.mark.parametrize(
    "line", ["type A = int", "def f[T](x: T): ...", "class A[T]: ...", "x = f'{'a'}'"]
)
def test_syntax_of_the_next_version_is_noted(line: str) -> None:
    found = analyse_module(line.encode(), name="x", file="x.py", is_package=False)
    assert [f.version for f in found.features] == ["3.12"]


NEWER = [
    ("class A[T]:", True),
    ("    async def f[T](x: T) -> T: ...", True),
    ("type Row[T] = dict[str, T]", True),
    ("x = type == 1", False),
    ("def f(x):", False),
    ("x[T] = 1", False),
]


@pytest.mark.parametrize(("line", "is_newer"), NEWER)
def test_a_line_that_only_a_later_python_reads_is_told_so(line: str, is_newer: bool) -> None:
    expected = is_newer and sys.version_info < (3, 12)
    assert (newer_syntax(line) is not None) is expected


@pytest.mark.parametrize(
    ("wanted", "oldest"),
    [
        (">=3.9", "3.9"),
        (">3.9,<4", "3.9"),
        ("~=3.10", "3.10"),
        ("==3.11.*", "3.11"),
        (">=3.9,!=3.9.*", "3.10"),
        ("3.12", "3.12"),
        ("<4", None),
        ("", None),
        ("new", None),
        (">=4", None),
    ],
)
def test_the_oldest_promised_python_is_read_from_the_specifier(
    wanted: str, oldest: str | None
) -> None:
    found = oldest_promised(wanted)
    assert (None if found is None else str(found)) == oldest


@pytest.mark.parametrize(
    ("rule", "path", "does"),
    [
        ("/list", "list", True),
        ("/list/", "list", True),
        ("/list", "lists", False),
        ("/<int:n>", "{}", True),
        ("/<int:n>/x", "7/x", True),
        ("/<int:n>/x", "7/y", False),
        ("/f/<path:rest>", "f/a/b/c", True),
        ("/f/<path:rest>", "g/a", False),
        ("/", "", True),
        ("/a/b", "a", False),
    ],
)
def test_a_rule_answers_a_path(rule: str, path: str, does: bool) -> None:
    assert answers(rule, path) is does


def test_a_wildcard_stands_for_what_is_below_it() -> None:
    assert matches("users.*", "users.added")
    assert matches("*", "anything")
    assert not matches("users.*", "users")
    assert not matches("users.*", "orders.users.x")


# -- deprecations -------------------------------------------------------------------------------

LIBRARY = """
from typing_extensions import deprecated
@deprecated("use new_way()")
def old_way(): ...
@deprecated("use Other")
class Old: ...
def new_way(): ...
"""
SDK = """
from typing_extensions import deprecated
class BasePlugin:
    @deprecated("use `initialize`")
    def set_up(self): ...
    @deprecated("use `get_config`")
    def option(self, key): ...
    def initialize(self): ...
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder on sys.path."""
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    sys.path.remove(str(tmp_path))
    sys.path_importer_cache.pop(str(tmp_path), None)


def test_what_a_library_marks_as_deprecated_is_told_where_it_is_imported(folder: Path) -> None:
    (folder / "some_library.py").write_text(LIBRARY)
    top = "from some_library import old_way, new_way, Old as Older\n"
    found = findings({"users": top + sample("users")})
    assert codes(found) == ["CMP013?", "CMP013?"]
    assert [place(d) for d in found] == ["users/plugin.py:1:26-33", "users/plugin.py:1:44-56"]
    assert found[0].message == "some_library.old_way is deprecated: use new_way()"
    assert "some_library" not in sys.modules


def test_what_another_plugin_marks_as_deprecated_is_told(folder: Path) -> None:
    users = {"plugin.py": sample("users"), "api.py": LIBRARY}
    orders = "from plugins.users.api import old_way\n" + sample("orders")
    found = findings({"users": users, "orders": orders}, changed=["orders"])
    assert [(d.code, place(d)) for d in found] == [("CMP013", "orders/plugin.py:1:31-38")]


class _OlderSdk(Environment):
    """An SDK in which two methods of BasePlugin are deprecated."""

    def deprecated_methods(self, module: str, name: str) -> dict[str, str]:
        found = analyse_module(SDK.encode(), name=module, file="", is_package=False)
        cls = found.class_named(name)
        assert cls is not None
        return {m.name: m.deprecated for m in cls.methods if m.deprecated is not None}


def test_deprecated_helpers_and_hooks_of_the_sdk_are_told() -> None:
    text = sample("users", "\n    def set_up(self):\n        return self.option('size')\n")
    judged = replace(world({"users": text}), environment=_OlderSdk())
    found = PIPELINE.run(judged).diagnostics
    assert [(d.code, place(d)) for d in found] == [
        ("CMP013", "users/plugin.py:8:9-15"),
        ("CMP013", "users/plugin.py:9:28-34"),
    ]


def test_nothing_of_the_present_sdk_is_deprecated() -> None:
    environment = Environment()
    assert environment.deprecated_methods("devserver.sdk.plugin", "BasePlugin") == {}
    assert environment.deprecation("devserver.sdk", "BasePlugin") is None


# -- names of libraries ---------------------------------------------------------------------------


def test_names_behind_star_imports_of_a_library_are_known(folder: Path) -> None:
    (folder / "starry").mkdir()
    (folder / "starry" / "__init__.py").write_text("from .one import *\nfrom .two import *\n")
    (folder / "starry" / "one.py").write_text("first = 1\n")
    (folder / "starry" / "two.py").write_text("from .one import *\nsecond = 2\n")
    environment = Environment()
    names = {n: environment.name("starry", n).value for n in ("first", "second", "third", "two")}
    assert names["third"] == "absent"
    assert "absent" not in (names["first"], names["second"], names["two"])
    top = "from starry import secnd\n"
    (found,) = findings({"users": top + sample("users")})
    assert (found.code, found.hint) == ("IMP002", "did you mean 'second'?")


# -- two places for one plugin -----------------------------------------------------------------


@pytest.mark.parametrize("twin", ["my-desk/plugin.py", "my-desk/__init__.py", "my_desk.py"])
def test_a_second_place_of_the_same_plugin_is_told(twin: str, tmp_path: Path) -> None:
    for name in ("my_desk/plugin.py", twin, "my_desks.py"):
        path = tmp_path / "plugins" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sample("my_desk"))
    (found,) = findings({"my_desk": sample("my_desk")}, base=tmp_path)
    assert codes([found]) == ["STR019?"]
    assert found.file == f"plugins/{twin.partition('/')[0]}"
    assert "plugins/my_desk is" in found.message


# -- secrets --------------------------------------------------------------------------------------


def test_a_secret_is_shown_in_no_frame() -> None:
    manifest = '{"configuration": {"key": {\n  "secret": true, "default": "hunter2"}}}'
    (found,) = findings({"users": {"plugin.py": sample("users"), "manifest.json": manifest}})
    assert found.code == "CFG021"
    assert found.source_lines == ('  "secret": true, "default": ***',)
    assert "hunter2" not in str(found.to_json())


@pytest.mark.parametrize(
    "text",
    [
        "users: {password: hunter2, size: x}",
        "users:\n  password: hunter2\n",
        "users:\n  smtp_passphrase: hunter2\n",
        "users:\n  password: hunter1\n  password: hunter2\n",
        "users:\n  size: {password: hunter2}\n",
        "users:\n  pin: hunter2\n",
        "other: {token: hunter2}\nusers: {size: x}",
        "{other: {token: hunter2}, users: {size: x}}",
    ],
)
def test_what_is_wrong_with_a_configuration_is_told_without_its_secrets(
    tmp_path: Path, text: str
) -> None:
    options = {
        "size": {"type": "integer"},
        "password": {"type": "string", "min": 12},
        "pin": {"type": "integer", "secret": True},
    }
    manifest = json.dumps({"configuration": options})
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "plugins.yaml").write_text(text)
    users = {"users": {"plugin.py": sample("users"), "manifest.json": manifest}}
    found = findings(users, base=tmp_path)
    assert found
    assert "hunter" not in str([d.to_json() for d in found])


def test_a_secret_default_that_does_not_fit_is_not_told() -> None:
    manifest = '{"configuration": {"password": {"default": "hunter2", "min": 12}}}'
    found = findings({"users": {"plugin.py": sample("users"), "manifest.json": manifest}})
    assert "CFG004?" in codes(found)
    assert "hunter2" not in str([d.to_json() for d in found])


def test_a_changed_configuration_file_is_read_anew(tmp_path: Path) -> None:
    manifest = '{"configuration": {"size": {"type": "integer", "default": 1}}}'
    users = {"users": {"plugin.py": sample("users"), "manifest.json": manifest}}
    assert findings(users, base=tmp_path) == ()
    file = tmp_path / "config" / "plugins.yaml"
    file.parent.mkdir()
    for text, told in (("users: {size: x}\n", ["CFG003"]), ("users: {size: 2}\n", [])):
        file.write_text(text)
        assert codes(findings(users, base=tmp_path)) == told
    for text in ("users: [", "[users]", "users: 3", "\xff: 1", "a: &a [*a]\n"):
        file.write_bytes(text.encode("latin-1"))
        assert findings(users, base=tmp_path) == ()
    file.unlink()
    assert findings(users, base=tmp_path) == ()
