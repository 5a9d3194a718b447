"""Correct plugins, the unusual ones too: nothing is said of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from validation_worlds import Case, cases, codes, findings, sample

SDK = "from devserver.sdk import BasePlugin, Router\n"

ALLOWED = {"optional with a substitute": ["IMP001i"], "base from a library": ["IMP001"]}

REALISTIC: dict[str, Any] = {
    "users": {
        "__init__.py": '"""Users."""\n\nfrom .models import User\n\n__all__ = ["User"]\n',
        "plugin.py": SDK
        + """
from typing import TYPE_CHECKING

from . import api, models
from .models import User as Person

if TYPE_CHECKING:
    from somewhere.else_ import Thing


class UsersPlugin(BasePlugin):
    name = "users"
    version = "2.1.0"

    def __init__(self):
        super().__init__()
        self.cache: dict[str, Person] = {}

    async def initialize(self) -> bool:
        self.cache["a"] = models.User("a")
        return True

    def on_load(self, ctx):
        ctx.get("services").register("users.get", api.get_user)

    def register_routes(self, app, router):
        @router.get("/list")
        def listing():
            return list(self.cache)

        @router.post("/list")
        def add(data: dict):
            return data

    @staticmethod
    def migrations_path():
        return None

    def seed(self, db) -> None: ...

    async def on_unload(self, ctx, *rest): ...


def get_plugin() -> BasePlugin:
    return UsersPlugin()
""",
        "api.py": "from plugins.users.models import User\n\n\ndef get_user(key, default=None):\n"
        "    return User(key)\n",
        "models.py": "import dataclasses\n\n\n@dataclasses.dataclass\nclass User:\n    key: str\n",
        "routes.py": "from devserver.sdk import Router\n\n\ndef get_router():\n    r = Router()\n\n"
        "    @r.get('/hello')\n    def hello():\n        return {}\n\n    return r\n",
        "manifest.json": '{"name": "users", "version": "2.1.0", "python_version": ">=3.11",\n'
        ' "nexus_version": ">=0.1.0", "dependencies": [], "tags": ["a"],\n'
        ' "configuration": {"size": {"type": "integer", "default": 3, "min": 1}}}',
        "requirements.txt": "flask>=3\nnonexistent-thing; python_version < '3'\n-r more.txt\n",
        "tests/test_users.py": "import nonexistent_thing\n",
    },
    "order-desk": {
        "plugin.py": SDK
        + """
import plugins.users.api as users_api
from plugins.users import User, models
from ..users.models import User as Same


class Orders(BasePlugin):
    name = "order_desk"
    version = "0.3.dev1"

    def initialize(self):
        users_api.get_user("a", default=None)
        return isinstance(models.User("x"), User)


def create_plugin():
    return Orders()
""",
        "manifest.json": '{"name": "order-desk", "dependencies": {"users": ">=2,<3"}}',
    },
}


def test_a_realistic_set_has_no_findings() -> None:
    assert findings(REALISTIC) == ()
    assert findings(REALISTIC, running=REALISTIC, changed=["users"]) == ()


def test_the_example_plugins_have_no_findings() -> None:
    root = Path(__file__).resolve().parents[3]
    folder = root / "plugins"
    plugins = {
        p.name: {f.relative_to(p).as_posix(): f.read_bytes() for f in p.rglob("*.*") if f.is_file()}
        for p in folder.iterdir()
        if (p / "plugin.py").is_file()
    }
    assert plugins
    assert findings(plugins, base=root) == ()


FIRST = SDK + "\n\nclass X(BasePlugin):\n    name = 'x'\n    version = '1'\n"
ENCODED: dict[str, Any] = {
    "a cookie": {"plugin.py": f"# coding: latin-1\n{FIRST}    a = 'é'\n".encode("latin-1")},
    "a mark and CRLF": {"plugin.py": b"\xef\xbb\xbf" + FIRST.replace("\n", "\r\n").encode()},
    "a manifest with a mark": {"plugin.py": FIRST, "manifest.json": '\ufeff{"version": "1"}'},
    "a deep elif chain": FIRST + "if 0: pass\n" + "elif X == 1: pass\n" * 900,
    "a long sign": f"{FIRST}    n = {'-' * 900}1\n",
    "many bases": FIRST + "".join(f"class X{n}(X{n - 1 or ''}): pass\n" for n in range(1, 900)),
    "a long chain of names": FIRST + "a0 = X\n" + "".join(f"a{n + 1} = a{n}\n" for n in range(900)),
    "a long sum": FIRST + "n = " + " + ".join("1" for _ in range(1500)) + "\n",
}


@pytest.mark.parametrize("case", cases("unusual.txt"), ids=str)
def test_an_unusual_but_correct_plugin_is_not_refused(case: Case) -> None:
    found = findings(case.plugins)
    assert codes(found) == ALLOWED.get(case.heading, []), found


@pytest.mark.parametrize("kind", ENCODED)
def test_an_unusual_file_is_not_refused(kind: str) -> None:
    assert findings({"x": ENCODED[kind]}) == ()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax is that of Python 3.12")
def test_new_generics_are_not_refused() -> None:
    text = (
        "type Alias[T] = list[T]\nclass Base[T](BasePlugin):\n    version = '1'\n"
        "class X(Base[int]):\n    name = 'x'\n    def f[U](self, u: U) -> U:\n        return u\n"
    )
    assert findings({"x": SDK + text}) == ()


@pytest.mark.parametrize("name", ["users", "my-plugin", "my_plugin"])
def test_both_spellings_of_a_name_are_one(name: str) -> None:
    text = {"plugin.py": sample(name.replace("-", "_")), "manifest.json": f'{{"name": "{name}"}}'}
    assert findings({name: text}) == ()


@pytest.mark.parametrize("case", cases("quiet_edits.txt"), ids=str)
def test_an_edit_that_hurts_nobody_is_not_told_of(case: Case, tmp_path: Path) -> None:
    plugins = dict(case.plugins)
    for name, text in plugins.pop("config", {}).items():
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config" / name).write_text(str(text))
    running = {**plugins, **case.before}
    assert findings(plugins, running=running, changed=list(case.before), base=tmp_path) == ()
