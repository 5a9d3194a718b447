"""What `--fix` makes of plugins: the finding goes, all else stays as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from validation_worlds import sample

from devserver.assembly import OfflineProject
from devserver.runtime.project import Project
from devserver.validation.edits import manifest_with_dependency

HEAD = "from devserver.sdk import BasePlugin\n\n\nclass P(BasePlugin):\n"
NAMED = HEAD + '    name = "users"\n    version = "1.0.0"\n'


def fixed(root: Path, **files: str | bytes) -> dict[str, bytes]:
    """The files of the plugin `users` after all fixes; a second time there is nothing to do."""
    folder = root / "plugins" / "users"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name.replace("_json", ".json").replace("_py", ".py")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    project = OfflineProject(Project(root))
    for one in project.fixes(["users"]):
        for file in one.files:
            assert file.write()
    assert [one.files for one in project.fixes(["users"])] == [()]
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import os\nimport json\n\nX = json\n", "import json\n\nX = json\n"),
        (
            '"""Doc."""\n\nimport os\nimport json\n\nX = json\n',
            '"""Doc."""\n\nimport json\n\nX = json\n',
        ),
        (
            "# top\nimport os  # left\n# keep\nimport json\n\nX = json\n",
            "# top\n# keep\nimport json\n\nX = json\n",
        ),
        ("import json\n# keep me\nimport os\n\nX = json\n", "import json\n# keep me\n\nX = json\n"),
        ("import os, json\n\nX = json\n", "import json\n\nX = json\n"),
        ("import json, os\n\nX = json\n", "import json\n\nX = json\n"),
        ("import os; X = 1\n", "X = 1\n"),
        (
            "from json import (\n    dumps,  # why\n    loads,\n)\n\nX = dumps\n",
            "from json import (\n    dumps,  # why\n)\n\nX = dumps\n",
        ),
        ("from json import dumps, loads\n\nX = dumps\n", "from json import dumps\n\nX = dumps\n"),
        ("import json\nimport json\n\nX = json\n", "import json\n\nX = json\n"),
        ("X = 1  # devserver: ignore[IMP009]\n", "X = 1\n"),
        ("X = 1  # devserver: ignore[IMP009] for now\n", "X = 1  # for now\n"),
        ("# devserver: ignore-file[STR012]\nX = 1\n", "X = 1\n"),
    ],
)
def test_what_is_for_nothing_goes_and_the_rest_stays(
    tmp_path: Path, before: str, after: str
) -> None:
    assert fixed(tmp_path, plugin_py=before + NAMED)["plugin.py"].decode() == after + NAMED


@pytest.mark.parametrize(
    "text",
    [
        "import os as os\n",
        "import os  # noqa: F401\n",
        "import os\n__all__ = ['os']\n",
        "try:\n    import os\nexcept ImportError:\n    os = None\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os\n",
        "import os\ndef f(a: 'os.PathLike') -> None: ...\n",
        "import readline\n",
        "import flask\n",
        "import os\nglobals()['x'] = 1\n",
        "import xml.dom\nX = xml\n",
        "def f():\n    import os\n",
    ],
)
def test_an_import_that_may_be_needed_stays(tmp_path: Path, text: str) -> None:
    assert fixed(tmp_path, plugin_py=text + NAMED)["plugin.py"].decode() == text + NAMED


def test_a_module_of_the_plugin_may_be_imported_for_its_effect(tmp_path: Path) -> None:
    text = "from . import handlers\nfrom .models import A, B\nX = A\n" + NAMED
    files = fixed(tmp_path, plugin_py=text, handlers_py="x = 1\n", models_py="A = B = 1\n")
    assert files["plugin.py"].decode() == text.replace("A, B", "A")


def test_a_name_that_another_plugin_takes_stays(tmp_path: Path) -> None:
    other = tmp_path / "plugins" / "other.py"
    other.parent.mkdir()
    other.write_text("from plugins.users.plugin import os\nX = os\n" + sample("other"))
    text = "import os\n" + NAMED
    assert fixed(tmp_path, plugin_py=text)["plugin.py"].decode() == text


def test_line_endings_and_byte_order_mark_stay(tmp_path: Path) -> None:
    text = ("import os\nimport json\n\nX = json\n" + NAMED).replace("\n", "\r\n").encode()
    files = fixed(tmp_path, plugin_py=b"\xef\xbb\xbf" + text)
    assert files["plugin.py"] == b"\xef\xbb\xbf" + text.replace(b"import os\r\n", b"")


def test_a_missing_version_is_written_behind_the_name(tmp_path: Path) -> None:
    text = HEAD + '    """Doc."""\n\n    name = "users"  # it\n\n    x = 1\n'
    after = fixed(tmp_path, plugin_py=text)["plugin.py"].decode()
    assert after == text.replace("# it\n", '# it\n    version = "1.0.0"\n')


def test_a_misspelt_hook_is_renamed_where_that_fits(tmp_path: Path) -> None:
    text = NAMED + "\n    def initialise(self):  # go\n        return True\n"
    after = fixed(tmp_path, plugin_py=text)["plugin.py"].decode()
    assert after == text.replace("initialise", "initialize")


def test_an_edit_that_would_make_an_error_is_taken_back(tmp_path: Path) -> None:
    text = NAMED + "\n    def initialise(self, needed):\n        return needed\n"
    assert fixed(tmp_path, plugin_py=text)["plugin.py"].decode() == text


def test_a_file_with_a_syntax_error_is_left_alone(tmp_path: Path) -> None:
    text = "import os\n" + NAMED + "def f(:\n"
    assert fixed(tmp_path, plugin_py=text)["plugin.py"].decode() == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{"dependencies": ["b"]}'),
        ('{\n  "name": "x"\n}\n', '{\n  "name": "x",\n  "dependencies": ["b"]\n}\n'),
        ('{"dependencies": [], "x": 1}', '{"dependencies": ["b"], "x": 1}'),
        ('{"dependencies": ["a>=1"]}', '{"dependencies": ["a>=1", "b"]}'),
        ('{"dependencies": {"a": ">=1"}}', '{"dependencies": {"a": ">=1", "b": "*"}}'),
        ('{"dependencies": {}}', '{"dependencies": {"b": "*"}}'),
        (
            '{\n\t"dependencies": [\n\t\t"a"\n\t]\n}',
            '{\n\t"dependencies": [\n\t\t"a",\n\t\t"b"\n\t]\n}',
        ),
        ('{\r\n    "name": "é"\r\n}', '{\r\n    "name": "é",\r\n    "dependencies": ["b"]\r\n}'),
    ],
)
def test_a_dependency_is_written_into_a_manifest_as_its_others(before: str, after: str) -> None:
    changed = manifest_with_dependency(before.encode(), "b")
    assert changed is not None
    assert changed.decode() == after
    json.loads(changed)


@pytest.mark.parametrize("in_manifest", [True, False])
def test_an_undeclared_dependency_is_declared(tmp_path: Path, in_manifest: bool) -> None:
    for name in ("one", "two"):
        path = tmp_path / "plugins" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("Y = 1\n" + sample(name))
    text = "from plugins.one import Y\nfrom plugins.two import Y as Z\nX = (Y, Z)\n" + NAMED
    if in_manifest:
        files = fixed(tmp_path, plugin_py=text, manifest_json='{"dependencies": ["one"]}\n')
        assert files["manifest.json"].decode() == '{"dependencies": ["one", "two"]}\n'
    else:
        text += '    dependencies = ["one"]\n'
        after = fixed(tmp_path, plugin_py=text)["plugin.py"].decode()
        assert after == text.replace('["one"]', '["one", "two"]')


def test_a_file_that_has_changed_meanwhile_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "plugins" / "users.py"
    path.parent.mkdir()
    path.write_text("import os\n" + NAMED)
    (one,) = OfflineProject(Project(tmp_path)).fixes()
    path.write_text("import os\nNEW = 1\n" + NAMED)
    assert not one.files[0].write()
    assert "NEW" in path.read_text()
    assert sorted(p.name for p in path.parent.iterdir()) == ["users.py"]


def test_unused_and_repeated_imports_are_told_as_infos_at_their_names(tmp_path: Path) -> None:
    path = tmp_path / "plugins" / "users.py"
    path.parent.mkdir()
    path.write_text("import os\nimport json\nimport json\nX = json\n" + NAMED)
    found = OfflineProject(Project(tmp_path)).validate().diagnostics
    assert [(d.code, d.severity, d.line, d.column) for d in found] == [
        ("IMP020", "info", 1, 8),
        ("IMP021", "info", 3, 8),
    ]
