"""Each code, with the exact place at which a broken plugin is told of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from validation_worlds import codes, findings, sample

from devserver.validation.checks import built_in_folder
from devserver.validation.codes import CODES

API = "def fetch(key, *, fresh=False):\n    return key\n"
USERS = {"plugin.py": sample("users"), "api.py": API}


def using(statement: str, name: str = "orders") -> str:
    """A plugin whose first line is `statement`."""
    return f"{statement}\n{sample(name)}"


def manifest(text: str) -> dict[str, str]:
    """The plugin `users` with a manifest."""
    return {"plugin.py": sample("users"), "manifest.json": text}


def hooked(body: str) -> str:
    """The plugin `users` with something more in its class; it begins in line 7."""
    return sample("users", body)


# fmt: off
SYNTAX: list[tuple[str, Any, str]] = [
    ("SYN002", "def f(:\n", "plugin.py:1:7"),
    ("SYN002", "a = (1,\nb = 2\n", "plugin.py:1:5"),
    ("SYN002", "x = 'é' 5 $\n", "plugin.py:1:11"),
    ("SYN003", "def f():\nreturn 1\n", "plugin.py:2:1"),
    ("SYN003", "if True:\n        a = 1\n    b = 2\n", "plugin.py:3:10"),
    ("SYN004", "if True:\n    a = 1\n\tb = 2\n", "plugin.py:3:7"),
    ("SYN005", b"a = 1\nb = '\x00'\n", "plugin.py:2:6"),
    ("SYN006", b"a = 1\nname = '\xe9'\n", "plugin.py:2:9"),
    ("SYN006", b"# -*- coding: nonsense -*-\n", "plugin.py:1:1"),
    ("SYN006", "a = 1\n".encode("utf-16"), "plugin.py:1:1"),
    ("SYN007", "x = " + "-" * 20_000 + "1\n", "plugin.py:1:1"),
    ("SYN008", "a = 1\nreturn a\n", "plugin.py:2:1"),
    ("SYN008", "def f():\n    é = [await x]\n", "plugin.py:2:10"),
    ("SYN008", "def f():\n    x = 1\n    nonlocal y\n", "plugin.py:3:5"),
    ("SYN009?", sample("users") + "\n\ndef f(x):\n    return x is 5\n", "plugin.py:10:5"),
    ("SYN009?", sample("users") + '\nassert (1, "always true")\n', "plugin.py:8:1"),
]

IMPORTS: list[tuple[str, Any, str]] = [
    ("IMP001", using("import nonexistent_thing"), "orders/plugin.py:1:8"),
    ("IMP001", using("import json.nonsense"), "orders/plugin.py:1:8"),
    ("IMP001", using("from nonexistent_thing.deep import x"), "orders/plugin.py:1:6"),
    ("IMP001", using("import importlib; importlib.import_module('nonexistent_thing')"), "orders/plugin.py:1:43"),
    ("IMP001?", using("def f():\n    import nonexistent_thing"), "orders/plugin.py:2:12"),
    ("IMP001?", using("import os\nif os.environ.get('X'):\n    import nonexistent_thing"), "orders/plugin.py:3:12"),
    ("IMP001i", using("try:\n    import nonexistent_thing\nexcept ImportError:\n    pass"), "orders/plugin.py:2:12"),
    ("IMP001i", using("from contextlib import suppress\nwith suppress(ImportError):\n    import nonexistent_thing"), "orders/plugin.py:3:12"),
    ("IMP001", using("try:\n    import nonexistent_thing\nexcept ImportError as e:\n    raise RuntimeError from e"), "orders/plugin.py:2:12"),
    ("IMP002", using("from json import dumpz"), "orders/plugin.py:1:18"),
    ("IMP002", using("from devserver.sdk import BasePlugn"), "orders/plugin.py:1:27"),
    ("IMP003", using("from plugins.userz.api import fetch"), "orders/plugin.py:1:6"),
    ("IMP003", using("from plugins import userz"), "orders/plugin.py:1:21"),
    ("IMP003", using("from ..userz import fetch"), "orders/plugin.py:1:6"),
    ("IMP004", using("import plugins.users.apii as api"), "orders/plugin.py:1:8"),
    ("IMP004", using("from . import model\nfrom .models import X"), "orders/plugin.py:2:6"),
    ("IMP005", using("from plugins.users.api import (\n    fetch,\n    fetsh,\n)"), "orders/plugin.py:3:5"),
    ("IMP005", using("from ..users.api import fetsh"), "orders/plugin.py:1:25"),
    ("IMP005", using("from plugins.users import apii"), "orders/plugin.py:1:27"),
    ("IMP005?", using("def f():\n    from plugins.users.api import fetsh"), "orders/plugin.py:2:35"),
    ("IMP006", using("from ...elsewhere import x"), "orders/plugin.py:1:6"),
    ("IMP008?", {"plugin.py": using("import queue"), "queue.py": ""}, "orders/plugin.py:1:8"),
    ("IMP009", using("import plugins.users.api as api\ndef f():\n    return api.fetsh(1)"), "orders/plugin.py:3:12"),
    ("IMP009", using("from plugins.users import api\nX = api.fetsh"), "orders/plugin.py:2:5"),
    ("IMP009", using("import plugins.users.api\nX = plugins.users.api.fetsh"), "orders/plugin.py:2:5"),
]

STRUCTURE: list[tuple[str, Any, str]] = [
    ("STR001", "x = 1\n", "plugin.py"),
    ("STR001", "class Users:\n    pass\ndef get_plugin():\n    return Users()\n", "plugin.py:1:7"),
    ("STR002", hooked("\n\nclass Other(BasePlugin):\n    name = 'users'\n    version = '1'\n"), "plugin.py:9:7"),
    ("STR003", "from devserver.sdk import Plugin\nclass U(Plugin):\n    version = '1'\n", "plugin.py:2:7"),
    ("STR003", "from devserver.sdk import Plugin\nclass U(Plugin):\n    version = '1'\n    name: str\n", "plugin.py:2:7"),
    ("STR004", "from devserver import sdk\nclass U(sdk.BasePlugin):\n    name = 'users'\n", "plugin.py:2:7"),
    ("STR005", "from devserver.sdk import Plugin\nclass U(Plugin):\n    name = 'users'\n    version = 'one'\n", "plugin.py:4:5"),
    ("STR005", "from devserver.sdk import Plugin\nclass U(Plugin):\n    name = 'users'\n    version = 1.0\n", "plugin.py:4:5"),
    ("STR005", manifest('{"version": "one"}'), "manifest.json:1:13"),
    ("STR006", sample("user"), "plugin.py:5:5"),
    ("STR006", "from devserver.sdk import Plugin\nclass U(Plugin):\n    version = '1'\n    def __init__(self):\n        self.name = 'x'\n", "plugin.py:5:9"),
    ("STR006", manifest('{\n  "name": "user"\n}'), "manifest.json:2:11"),
    ("STR008", hooked("\n    def on_load(self):\n        pass\n"), "plugin.py:8:9"),
    ("STR008", hooked("\n    def register_routes(self, router):\n        pass\n"), "plugin.py:8:9"),
    ("STR008", hooked("\n    async def initialize(self, config):\n        pass\n"), "plugin.py:8:15"),
    ("STR008", hooked("\n    def migrate_state(self, state, *, from_version):\n        pass\n"), "plugin.py:8:9"),
    ("STR009", hooked("\n    async def get_api_routes(self):\n        return []\n"), "plugin.py:8:15"),
    ("STR010", hooked("\n    @property\n    def health_check(self):\n        return True\n"), "plugin.py:9:9"),
    ("STR010", hooked("\n    migrations_path = 'migrations'\n"), "plugin.py:8:5"),
    ("STR011?", hooked("\n    def intialize(self):\n        pass\n"), "plugin.py:8:9"),
    ("STR011?", hooked("\n    def on_unlaod(self, ctx):\n        pass\n"), "plugin.py:8:9"),
    ("STR012", hooked("\n    def register_routes(self, app, router):\n        @router.get('/a')\n        def a(): ...\n        @router.route('/a', methods=['POST', 'GET'])\n        def b(): ...\n"), "plugin.py:11:23"),
    ("STR012", {"plugin.py": sample("users"), "routes.py": "from devserver.sdk import Router\ndef get_router():\n    r = Router()\n    @r.get('/<int:a>')\n    def a(): ...\n    @r.get('/<int:b>')\n    def b(): ...\n    return r\n"}, "routes.py:6:12"),
    ("STR013?", {"plugin.py": hooked("\n    def register_routes(self, app, router):\n        @router.get('/a')\n        def a(): ...\n"), "routes.py": "from devserver.sdk import Router\ndef get_router():\n    r = Router()\n    @r.get('/a')\n    def a(): ...\n    return r\n"}, "routes.py:4:12"),
    ("STR014?", hooked("    seen = []\n\n    def see(self, x):\n        self.seen.append(x)\n"), "plugin.py:7:5"),
    ("STR015", hooked("\n\ndef get_plugin(config):\n    return Sample()\n"), "plugin.py:9:5"),
    ("STR015", hooked("\n    def __init__(self, config):\n        super().__init__()\n"), "plugin.py:8:9"),
    ("STR016?", manifest('{"version": "2.0"}'), "plugin.py:6:5"),
]

MANIFESTS: list[tuple[str, Any, str]] = [
    ("CFG001", manifest('{\n  "name": "users",\n}'), "manifest.json:3:1"),
    ("CFG001", manifest("{'name': 1}"), "manifest.json:1:2"),
    ("CFG002", manifest('{\n\t"name": "users",\n\t"versoin": "1"\n}'), "manifest.json:3:2"),
    ("CFG002", manifest('{"configuration": {"a": {"typ": "string"}}}'), "manifest.json:1:26"),
    ("CFG003", manifest('{\n  "name": 5\n}'), "manifest.json:2:11"),
    ("CFG003", manifest('["users"]'), "manifest.json:1:1"),
    ("CFG003", manifest('{"tags": ["a", 5]}'), "manifest.json:1:16"),
    ("CFG003", manifest('{"configuration": {"a": {"type": "text"}}}'), "manifest.json:1:34"),
    ("CFG003", manifest('{"dependencies": [5]}'), "manifest.json:1:18"),
    ("CFG004?", manifest('{"configuration": {"a": {"type": "integer", "default": 5, "max": 3}}}'), "manifest.json:1:56"),
    ("CFG005?", manifest('{"name": "users",\n "name": "users"}'), "manifest.json:2:2"),
    ("CFG021?", manifest('{"configuration": {"key": {"secret": true, "default": "abc"}}}'), "manifest.json:1:55"),
    ("CMP001", manifest('{"python_version": "<3.0"}'), "manifest.json:1:20"),
    ("CMP001", manifest('{"python_version": "9.1"}'), "manifest.json:1:20"),
    ("CMP002", manifest('{"nexus_version": ">=99"}'), "manifest.json:1:19"),
    ("CMP005", manifest('{"host_version": "new"}'), "manifest.json:1:18"),
    ("DEP001", manifest('{\n  "dependencies": ["billing"]\n}'), "manifest.json:2:3"),
    ("DEP007", {"plugin.py": sample("users"), "requirements.txt": "# needs\nflask\nnonexistent-thing>=1  # why\n"}, "requirements.txt:3:1"),
    ("DEP007", {"plugin.py": sample("users"), "requirements.txt": "nonexistent-thing; python_version >= '3'\n"}, "requirements.txt:1:1"),
    ("DEP007?", {"plugin.py": sample("users"), "requirements.txt": "flask>=99\n"}, "requirements.txt:1:1"),
    ("DEP008?", {"plugin.py": sample("users"), "requirements.txt": "flask>>3\n"}, "requirements.txt:1:1"),
]
# fmt: on


@pytest.mark.parametrize(("code", "text", "place"), SYNTAX + STRUCTURE + MANIFESTS)
def test_a_broken_plugin_is_told_of_at_its_place(code: str, text: Any, place: str) -> None:
    found = findings({"users": text})
    assert codes(found) == [code], found
    assert found[0].location == f"plugins/users/{place}"


@pytest.mark.parametrize(("code", "text", "place"), IMPORTS)
def test_a_broken_import_is_told_of_at_its_place(code: str, text: Any, place: str) -> None:
    found = findings({"users": USERS, "orders": text})
    assert codes(found) == [code], found
    assert found[0].location == f"plugins/{place}"
    assert found[0].plugin == "orders"


BETWEEN: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("IMP007", {"orders": using("import plugins.users.api")}, {"disabled": ["users"], "changed": ["orders"]}, "orders/plugin.py:1:8"),
    ("DEP002", {"orders": {"plugin.py": sample("orders"), "manifest.json": '{\n"dependencies": {\n "users": ">=2"}}'}}, {}, "orders/manifest.json:3:2"),
    ("DEP002", {"orders": sample("orders", "    dependencies = ['users<1']\n")}, {}, "orders/plugin.py:7:5"),
    ("DEP003", {"orders": {"plugin.py": sample("orders"), "manifest.json": '{"dependencies": ["users"]}'}}, {"disabled": ["users"], "changed": ["orders"]}, "orders/manifest.json:1:1"),
    ("DEP004?", {"orders": {"plugin.py": using("from plugins.users.api import fetch"), "manifest.json": "{}"}}, {}, "orders/plugin.py:1:6"),
    ("DEP006", {"orders": {"plugin.py": sample("orders"), "manifest.json": '{"conflicts": ["users"]}'}}, {}, "orders/manifest.json"),
    ("DEP008", {"orders": {"plugin.py": sample("orders"), "manifest.json": '{"dependencies": {"users": "new"}}'}}, {}, "orders/manifest.json:1:1"),
    ("CMP004?", {"orders": using("from plugins.users.api import fetch\nX = fetch(1, 2)")}, {}, "orders/plugin.py:2:5"),
    ("CMP004?", {"orders": using("from plugins.users.api import fetch\nX = fetch(1, old=2)")}, {}, "orders/plugin.py:2:5"),
    ("CMP004?", {"orders": using("import plugins.users.api as api\nX = api.fetch()")}, {}, "orders/plugin.py:2:5"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "others", "how", "place"), BETWEEN)
def test_what_does_not_fit_between_plugins_is_told_of(
    code: str, others: dict[str, Any], how: dict[str, Any], place: str
) -> None:
    found = findings({"users": USERS, **others}, **how)
    assert codes(found) == [code], found
    assert found[0].location == f"plugins/{place}"


def test_a_reserved_name_is_refused() -> None:
    found = findings({"metrics": sample("metrics")})
    assert codes(found) == ["STR007"]
    assert found[0].location == "plugins/metrics"


def test_a_cycle_is_told_once_with_its_path() -> None:
    plugins = {
        "a": using("import plugins.b.plugin", "a"),
        "b": using("import plugins.c.plugin", "b"),
        "c": {"plugin.py": sample("c"), "manifest.json": '{"dependencies": ["a"]}'},
        "d": using("import plugins.a.plugin", "d"),
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
    tested = set(re.findall(r'"([A-Z]{3}\d{3})[?i]?"', Path(__file__).read_text()))
    elsewhere = {"SYN001", "CFG006", "CFG007", "CMP003", "STR900"}
    assert set(CODES) <= tested | elsewhere
