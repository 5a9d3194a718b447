"""What is read from a module, how it is kept, and that nothing of it runs."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path
from typing import Any

import pytest
from validation_worlds import BASE, sample, world

from devserver.core.source import PluginSource, SourceFile
from devserver.validation.analyser import Analyser
from devserver.validation.analysis import ModuleAnalysis
from devserver.validation.candidate import Candidate
from devserver.validation.outline import Unparsable, analyse_module
from devserver.validation.storage import AnalysisStore


def analysed(text: str | bytes, name: str = "plugins.x.plugin") -> ModuleAnalysis:
    content = text if isinstance(text, bytes) else text.encode()
    return analyse_module(content, name=name, file="plugins/x/plugin.py", is_package=False)


FLAGS = [
    ("import a", "certain"),
    ("with open('f') as f:\n    import a", "certain"),
    ("class C:\n    import a", "certain"),
    ("if True:\n    import a", "certain"),
    ("if not TYPE_CHECKING:\n    import a", "certain"),
    ("try:\n    import a\nfinally:\n    pass", "certain"),
    ("try:\n    import a\nexcept ValueError:\n    pass", "certain"),
    ("def f():\n    import a", "lazy"),
    ("def f():\n    try:\n        import a\n    except ImportError: pass", "lazy optional"),
    ("f = lambda: __import__('a')", "lazy"),
    ("try:\n    import a\nexcept (ValueError, ModuleNotFoundError):\n    pass", "optional"),
    ("try:\n    import a\nexcept:\n    pass", "optional"),
    ("try:\n    pass\nexcept ImportError:\n    import a", "optional conditional"),
    ("from contextlib import suppress\nwith suppress(ImportError):\n    import a", "optional"),
    ("for x in y:\n    import a", "conditional"),
    ("if x:\n    import a", "conditional"),
    ("match x:\n    case 1:\n        import a", "conditional"),
    ("import typing as t\nif t.TYPE_CHECKING:\n    import a", "type_checking"),
    ("if TYPE_CHECKING or x:\n    import a", "conditional"),
    ("if TYPE_CHECKING and x:\n    import a", "type_checking"),
]


@pytest.mark.parametrize(("text", "flags"), FLAGS)
def test_an_import_tells_when_it_runs(text: str, flags: str) -> None:
    (found,) = [i for i in analysed(text).imports if i.module == "a"]
    kinds = ("lazy", "optional", "conditional", "type_checking")
    told = " ".join(k for k in kinds if getattr(found, k))
    assert (told or "certain") == flags
    assert found.is_certain is (flags == "certain")


DEAD = ["if False:\n    import a", "import sys\nif sys.version_info < (3, 0):\n    import a"]


@pytest.mark.parametrize("text", DEAD)
def test_what_cannot_run_here_is_left_out(text: str) -> None:
    assert "a" not in [i.module for i in analysed(text).imports]
    assert "a" not in analysed(text).bound


def test_relative_names_are_resolved_as_python_does() -> None:
    module = analysed("from . import a\nfrom ..b import c\nfrom ... import d")
    assert [module.absolute(i.module, i.level) for i in module.imports] == [
        "plugins.x",
        "plugins.b",
        None,
    ]
    single = analysed("from .b import c", name="plugins.x")
    assert single.absolute("b", 1) == "plugins.b"


def test_a_plugin_tells_its_dependencies() -> None:
    top = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from plugins.never import x\n"
        "from plugins import one, two\nfrom ..three.api import f\nimport plugins.four\n"
        "def f():\n    from plugins.five import x\n"
        "import importlib\nimportlib.import_module('plugins.six.api')\n"
    )
    files: dict[str, str | bytes] = {
        "plugin.py": top + sample("users"),
        "other.py": "from plugins.users import plugin\nimport plugins.one\n",
        "tests/test_it.py": "import plugins.seven\n",
        "manifest.json": '{\n "dependencies": {\n  "one": ">=1",\n  "be-ta": ""}}',
    }
    users = world({"users": files}).plugins["users"]
    imported = [(d.name, d.line) for d in users.dependencies if d.kind == "imported"]
    expected = {"one": 2, "two": 4, "three": 5, "four": 6, "five": 8, "six": 10}
    assert dict(imported) == expected
    assert len(imported) == len(expected)
    declared = [(d.name, d.specifier, d.line) for d in users.dependencies if d.kind == "declared"]
    assert declared == [("one", ">=1", 3), ("be_ta", "", 4)]
    assert users.dependencies[0].file == "plugins/users/manifest.json"


@pytest.mark.parametrize("literal", ["['one', 'be-ta>=2']", "{'one': '', 'be-ta': '>=2'}"])
def test_a_class_tells_its_dependencies_too(literal: str) -> None:
    text = sample("users", f"    dependencies = {literal}\n")
    users = world({"users": text}).plugins["users"]
    told = [(d.name, d.specifier, d.line) for d in users.dependencies]
    assert told == [("one", "", 7), ("be_ta", ">=2", 7)]


def test_warnings_of_the_compiler_are_findings_and_go_nowhere_else() -> None:
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        module = analysed("x = 1\nx is 'a'\nassert (x, 'y')\nr = '\\d'\n")
    assert {n.line for n in module.notes} == {2, 3, 4}
    assert met == []


# -- keeping ------------------------------------------------------------------------------------


def source(text: str, base: Path = BASE) -> PluginSource:
    path = base / "plugins" / "users" / "plugin.py"
    file = SourceFile.of(path, "plugin.py", text.encode())
    return PluginSource.of(
        name="users", root=path.parent, base=base, files=[file], single_file=False
    )


def test_the_same_content_is_analysed_once(tmp_path: Path, monkeypatch: Any) -> None:
    parsed: list[str] = []
    parse = ast.parse
    monkeypatch.setattr(ast, "parse", lambda *a, **k: (parsed.append(a[0]), parse(*a, **k))[1])
    texts = [sample("users", f"    size = {n}\n") for n in (1, 2)]
    analyser = Analyser(tmp_path)
    first = analyser.analyse(source(texts[0]))
    assert analyser.analyse(source(texts[0])) is first
    analyser.analyse(source(texts[1]))
    again = analyser.analyse(source(texts[0]))
    afresh = Analyser(tmp_path).analyse(source(texts[0], tmp_path))
    assert parsed == texts
    assert again.modules == first.modules
    module = afresh.modules["plugins.users.plugin"]
    assert module.classes == first.modules["plugins.users.plugin"].classes
    assert module.file == "plugins/users/plugin.py"


@pytest.mark.parametrize("damage", [b"", b"junk", b"{}\n[]", None])
def test_a_damaged_entry_is_ignored_and_rewritten(tmp_path: Path, damage: bytes | None) -> None:
    first = Analyser(tmp_path).analyse(source(sample("users")))
    (entry,) = (tmp_path / "analysis").iterdir()
    good = entry.read_bytes()
    entry.write_bytes(good.replace(b"users", b"usurp") if damage is None else damage)
    assert Analyser(tmp_path).analyse(source(sample("users"))) == first
    assert entry.read_bytes() == good


def test_a_cache_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "analysis").write_text("in the way")
    candidate = Analyser(tmp_path).analyse(source(sample("users")))
    assert isinstance(candidate, Candidate)
    assert "plugins.users.plugin" in candidate.modules


OURS = Path(__file__).resolve().parents[3] / "devserver"


@pytest.mark.parametrize("room", sorted(p.name for p in OURS.iterdir() if p.is_dir()))
def test_every_analysis_comes_back_from_disk_as_it_was(room: str, tmp_path: Path) -> None:
    store = AnalysisStore(tmp_path)
    for path in (OURS / room).rglob("*.py"):
        found = analysed(path.read_bytes())
        store.put(path.name, found)
        place = {"name": found.name, "file": found.file, "is_package": False}
        assert store.find(path.name, **place) == found  # type: ignore[arg-type]


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Unparsable):
        analysed(bytes(range(256)))
