"""What can be imported, and what is installed, found without importing."""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from validation_worlds import candidate

from devserver.core.versions import specifier_of
from devserver.validation.distributions import Distributions, requirements_in
from devserver.validation.hints import hint_for_missing_module
from devserver.validation.lookup import Presence
from devserver.validation.resolve import Environment

HERE, GONE, OPEN = Presence.PRESENT, Presence.ABSENT, Presence.UNKNOWN


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder on sys.path."""
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    sys.path.remove(str(tmp_path))
    sys.path_importer_cache.pop(str(tmp_path), None)


MODULES = [
    ("sys", HERE),
    ("os.path", HERE),
    ("json.decoder", HERE),
    ("importlib.resources.abc", HERE),
    ("concurrent.futures.thread", HERE),
    ("flask.views", HERE),
    ("json.nonsense", GONE),
    ("nonsense", GONE),
    ("nonsense.json", GONE),
    ("jsn", GONE),
]


@pytest.mark.parametrize(("name", "presence"), MODULES)
def test_a_module_is_found_without_importing_it(name: str, presence: Presence) -> None:
    assert Environment().module(name) is presence


NAMES = [
    ("json", "loads", HERE),
    ("json", "decoder", HERE),
    ("json", "__file__", HERE),
    ("json", "dumpz", GONE),
    ("textwrap", "dedentt", GONE),
    ("signal", "SIGTERM", HERE),
    ("math", "sine", GONE),
    ("typing", "Nonsense", GONE),
    ("devserver.sdk", "Router", HERE),
    ("devserver.sdk", "Rooter", GONE),
]


@pytest.mark.parametrize(("module", "name", "presence"), NAMES)
def test_a_name_of_a_module_is_known_where_its_text_tells(
    module: str, name: str, presence: Presence
) -> None:
    assert Environment().name(module, name) is presence


DYNAMIC = [
    "def __getattr__(name): ...",
    "globals().update(a=1)",
    "import sys\nsys.modules[__name__] = object()",
    "from os import *",
    "import sys\nfor n in 'ab':\n    setattr(sys.modules[__name__], n, 1)",
    "exec('wanted = 1')",
    "wanted: int = 1",
    "if 1:\n    wanted = 1",
    "try:\n    from fast import wanted\nexcept ImportError:\n    wanted = None",
]


@pytest.mark.parametrize("text", DYNAMIC)
def test_a_name_is_never_called_missing_on_a_guess(folder: Path, text: str) -> None:
    (folder / "some_library.py").write_text(f"{text}\nother = 1\n")
    assert Environment().name("some_library", "wanted") is not GONE
    (folder / "some_library.py").write_text("other = 1\n")
    assert Environment().name("some_library", "wanted") is GONE
    assert "some_library" not in sys.modules


def test_a_newly_installed_module_is_seen(folder: Path) -> None:
    environment = Environment()
    environment.refresh()
    assert environment.module("fresh_package.part") is GONE
    (folder / "fresh_package").mkdir()
    (folder / "fresh_package" / "__init__.py").write_text("")
    (folder / "fresh_package" / "part.py").write_text("")
    environment.refresh()
    assert environment.module("fresh_package.part") is HERE
    assert environment.module("fresh_package.other") is GONE


def test_a_library_that_is_being_edited_is_read_anew(folder: Path) -> None:
    (folder / "some_library").mkdir()
    (folder / "some_library" / "__init__.py").write_text("one = 1\n")
    environment = Environment()
    assert environment.name("some_library", "two") is GONE
    assert environment.name("some_library", "part") is GONE
    (folder / "some_library" / "__init__.py").write_text("one = two = 1\n")
    (folder / "some_library" / "part.py").write_text("")
    environment.refresh()
    assert environment.name("some_library", "two") is HERE
    assert environment.name("some_library", "part") is HERE


def test_namespace_packages_are_followed(folder: Path) -> None:
    (folder / "spread" / "deep").mkdir(parents=True)
    (folder / "spread" / "deep" / "leaf.py").write_text("x = 1\n")
    environment = Environment()
    assert environment.module("spread.deep.leaf") is HERE
    assert environment.module("spread.deep.twig") is GONE
    assert environment.name("spread.deep", "leaf") is HERE


def test_finders_of_editable_installs_are_asked_for_top_level_names(monkeypatch: Any) -> None:
    asked: list[str] = []

    class Finder:
        @classmethod
        def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Any:
            asked.append(name)
            if name == "raises_here":
                raise KeyError(name)
            known = name == "editable_thing"
            return importlib.machinery.ModuleSpec(name, None, origin="x") if known else None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    environment = Environment()
    assert environment.module("editable_thing") is HERE
    assert environment.module("editable_thing.part") is not HERE
    assert environment.module("raises_here") is GONE
    assert asked == ["editable_thing", "raises_here"]


def test_requirements_are_read_as_pip_does() -> None:
    text = "flask>=3 # web\n\n-r more.txt\n./here\nhttps://x.org/a.zip\nx @ https://x.org/x.zip\n"
    text += "a==1 \\\n    --hash=sha256:00\nrequests[socks] ; python_version<'3'\n=bad\n"
    found = list(requirements_in(text))
    assert [(r.text, r.span.line, r.problem is None) for r in found] == [
        ("flask>=3", 1, True),
        ("x @ https://x.org/x.zip", 6, True),
        ("a==1", 7, True),
        ("requests[socks] ; python_version<'3'", 9, True),
        ("=bad", 10, False),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Flask", None),
        (f"flask=={version('flask')}", None),
        ("nonexistent-thing; sys_platform == 'nowhere'", None),
        ("nonexistent-thing", "'nonexistent-thing' is not installed"),
        ("flask<1", f"flask {version('flask')} is installed, not <1"),
        ("jinja2[nonexistent]", None),
        ("jinja2[i18n]", "'Babel' is not installed, which jinja2[i18n] needs"),
    ],
)
def test_a_requirement_is_judged_with_markers_and_extras(text: str, problem: str | None) -> None:
    assert Distributions().problem_with(Requirement(text)) == problem


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        ("models", "for the plugin's own module write `from plugins.users import models`"),
        ("PIL.Image", "`pip install -r plugins/users/requirements.txt`"),
        ("nonexistent", "`pip install -r plugins/users/requirements.txt`"),
        ("cv2", "`pip install opencv-python`, and name it in plugins/users/requirements.txt"),
        ("jsson", "did you mean 'json'?"),
    ],
)
def test_a_missing_module_comes_with_the_next_step(module: str, hint: str) -> None:
    files = {"plugin.py": "", "models.py": "", "requirements.txt": "pillow\nNonexistent[x]>1\n"}
    assert hint_for_missing_module(candidate("users", files), module) == hint


@pytest.mark.parametrize(
    ("text", "meant"),
    [("", ""), ("*", ""), ("1.2", ">=1.2"), ("1.2.*", "==1.2.*"), (" >=1,<2 ", "<2,>=1")],
)
def test_a_specifier_is_read_as_authors_write_it(text: str, meant: str) -> None:
    assert str(specifier_of(text)) == meant


def test_a_distribution_among_the_manifests_plugins_is_told_where_it_belongs() -> None:
    files = {"plugin.py": "", "manifest.json": '{"dependencies": ["Pillow>=9"]}'}
    hint = hint_for_missing_module(candidate("users", files), "PIL.Image")
    assert hint == "`pip install Pillow`; requirements.txt is the place for what is no plugin"
