"""Nothing of a plugin runs while it is validated: each way to run lights a fuse of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

VALIDATE = """
import sys
from pathlib import Path
from devserver.assembly.offline import OfflineProject
from devserver.runtime.project import Project
known = set(sys.modules)
for project in sys.argv[1:]:
    OfflineProject(Project(Path(project))).validate()
assert not [m for m in set(sys.modules) - known if m.split(".")[0] in ("plugins", "lure")]
"""
RUN = """
import importlib, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
module = importlib.import_module("plugins.users.plugin")
getattr(module, "touch", lambda: None)()
"""
PLUGIN = """
class Users(BasePlugin):
    name = "users"
    version = "1.0.0"
"""
SDK = "from devserver.sdk import BasePlugin\n"

WAYS: dict[str, dict[str, str]] = {
    "module body": {"plugin.py": "burn()\n"},
    "decorator": {"plugin.py": "@burn\ndef f(): ...\n"},
    "class decorator": {"plugin.py": "@burn\nclass A: ...\n"},
    "default argument": {"plugin.py": "def f(a=burn()): ...\n"},
    "lambda default": {"plugin.py": "f = lambda a=burn(): a\n"},
    "class body": {"plugin.py": "class A:\n    a = burn()\n"},
    "base class": {"plugin.py": "class A(burn() or object): ...\n"},
    "class keyword": {
        "plugin.py": "class B:\n    def __init_subclass__(cls, k): ...\nclass A(B, k=burn()): ...\n"
    },
    "metaclass": {
        "plugin.py": "class Meta(type):\n    def __new__(m, *a):\n        burn()\n"
        "        return super().__new__(m, *a)\nclass A(metaclass=Meta): ...\n"
    },
    "prepared namespace": {
        "plugin.py": "class Meta(type):\n    @classmethod\n    def __prepare__(m, *a):\n"
        "        burn()\n        return {}\nclass A(metaclass=Meta): ...\n"
    },
    "__init_subclass__": {
        "plugin.py": "class B:\n    def __init_subclass__(cls):\n        burn()\nclass A(B): ...\n"
    },
    "__set_name__": {
        "plugin.py": "class D:\n    def __set_name__(self, o, n):\n        burn()\n"
        "class A:\n    d = D()\n"
    },
    "__class_getitem__": {
        "plugin.py": "class B:\n    def __class_getitem__(cls, k):\n        burn()\n"
        "        return cls\nclass A(B[int]): ...\n"
    },
    "property": {
        "plugin.py": "class A:\n    @property\n    def version(self):\n        burn()\n"
        "def touch():\n    A().version\n"
    },
    "annotation": {"plugin.py": "x: burn() = 1\ndef f(a: burn()) -> burn(): ...\n"},
    "string of a format": {"plugin.py": "x = f'{burn()!r:>{burn() or 1}}'\n"},
    "comprehension": {"plugin.py": "x = [burn() for _ in range(1)]\n"},
    "assertion": {"plugin.py": "assert burn() is None\n"},
    "computed version": {"plugin.py": "VERSION = burn() or '1'\n__all__ = [burn() or 'VERSION']\n"},
    "module __getattr__": {
        "plugin.py": "from . import other\nother.anything\n",
        "other.py": "def __getattr__(name):\n    burn()\n",
    },
    "own module": {"plugin.py": "from .other import x\n", "other.py": "burn()\nx = 1\n"},
    "star import": {"plugin.py": "from .other import *\n", "other.py": "burn()\n"},
    "package": {"plugin.py": "", "__init__.py": "burn()\n"},
    "factory": {"plugin.py": "def get_plugin():\n    burn()\ntouch = get_plugin\n"},
    "routes": {"plugin.py": "from . import routes\n", "routes.py": "burn()\n"},
    "installed package": {"plugin.py": "import lure\n"},
    "module below one": {"plugin.py": "import lure.deep.er\n"},
    "name of one": {"plugin.py": "from lure.deep import er, nothing\n"},
    "star of one": {"plugin.py": "from lure import *\n"},
    "import by name": {"plugin.py": "import importlib\nimportlib.import_module('lure.deep')\n"},
    "other plugin": {"plugin.py": "from plugins.other import plugin\n"},
}
TRAPS = {
    "config/default.yaml": "key: !!python/object/apply:os.system ['touch {mark}']\n",
    "setup.py": "{burn}\nburn()\n",
    "conftest.py": "{burn}\nburn()\n",
    "__main__.py": "{burn}\nburn()\n",
    "sitecustomize.py": "{burn}\nburn()\n",
    "users.pth": "import os; os.system('touch {mark}')\n",
}
"""Files that some tool or other runs; they lie beside every one of the others."""


def laid(tmp_path: Path, way: str) -> tuple[Path, Path]:
    """A project with the plugins, and the file that exists once something has run."""
    project, mark = tmp_path / "project", tmp_path / "burnt"
    fuse = f"def burn(*a, **k):\n    open({str(mark)!r}, 'w')\n"
    for name, text in WAYS[way].items():
        tail = PLUGIN if name == "plugin.py" else ""
        write(project / "plugins/users" / name, SDK + fuse + text + tail)
    for name, text in TRAPS.items():
        if name not in WAYS[way]:
            write(project / "plugins/users" / name, text.format(mark=mark, burn=fuse))
    write(project / "plugins/other/plugin.py", f"{SDK}{fuse}burn()\n")
    for name in ("__init__.py", "deep/__init__.py", "deep/er.py"):
        write(tmp_path / "installed/lure" / name, f"{fuse}burn()\n")
    write(tmp_path / "installed/lure.pth", f"import os; os.system('touch {mark}')\n")
    return project, mark


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def python(script: str, *projects: Path) -> subprocess.CompletedProcess[str]:
    installed = projects[0].parent / "installed"
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, projects)],
        env={"PYTHONPATH": f"{ROOT}:{installed}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_validation_runs_nothing_that_loading_would(tmp_path: Path) -> None:
    laid_out = {way: laid(tmp_path / way, way) for way in WAYS}
    done = python(VALIDATE, *(project for project, _ in laid_out.values()))
    assert done.returncode == 0, done.stderr
    assert [way for way, (_, mark) in laid_out.items() if mark.exists()] == []


@pytest.mark.soak
@pytest.mark.parametrize("way", WAYS)
def test_validation_in_a_process_of_its_own_runs_nothing(way: str, tmp_path: Path) -> None:
    project, mark = laid(tmp_path, way)
    done = python(VALIDATE, project)
    assert done.returncode == 0, done.stderr
    assert not mark.exists()


EXAMPLES = ("metaclass", "annotation", "name of one")


@pytest.mark.parametrize(
    "way", [pytest.param(w, marks=() if w in EXAMPLES else pytest.mark.soak) for w in WAYS]
)
def test_loading_runs_it(way: str, tmp_path: Path) -> None:
    project, mark = laid(tmp_path, way)
    python(RUN, project)
    assert mark.exists()
