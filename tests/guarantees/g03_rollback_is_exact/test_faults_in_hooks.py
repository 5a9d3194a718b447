"""Whatever a candidate's code raises, and wherever: the old generations are as they were."""

from __future__ import annotations

import importlib
import json
import linecache
import logging
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from tests.integration.lab import Lab, plugin, wait_for

KINDS = {
    "an exception": "raise ValueError('fault')",
    "a base exception": "raise Odd('fault')",
    "SystemExit": "raise SystemExit(3)",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "GeneratorExit": "raise GeneratorExit",
    "StopIteration": "raise StopIteration",
    "CancelledError": "import asyncio; raise asyncio.CancelledError",
    "RecursionError": "(lambda f: f(f))(lambda f: f(f))",
    "MemoryError": "raise MemoryError",
    "a group": "raise ExceptionGroup('fault', [ValueError(1), KeyError(2)])",
    "an error without a text": "raise Mute()",
}
TOP = """
import json, logging, sys, warnings

class Odd(BaseException):
    pass

class Mute(Exception):
    def __str__(self):
        raise RuntimeError("mute")
"""
BUSY = """
    import asyncio
    sys.path.insert(0, "/nowhere/at/all")
    warnings.filterwarnings("ignore", message="a fault")
    logging.getLogger("elsewhere").addHandler(logging.NullHandler())
    self.ctx.patch(json, "patched_by", VERSION)
    self.register_service(self.name + ".made", self)
    self.register_command("made", print)
    self.register_connection("line", object())
    self.ctx.events.subscribe("made", print)
    self.create_task(asyncio.Event().wait)
    self.on_cleanup(lambda: None)
"""
"""What a hook does before it fails."""

METHODS = {
    "constructor": ("def __init__(self):\n    super().__init__()\n    {fault}", False),
    "version": ("@property\ndef version(self):\n    {fault}", False),
    "on_load": ("{a}def on_load(self, ctx):{busy}    {fault}", True),
    "migrate_state": ("{a}def migrate_state(self, state, from_version):{busy}    {fault}", True),
    "restore_persistent_state": (
        "{a}def restore_persistent_state(self, state):{busy}    {fault}", True),
    "adopt_connection": ("{a}def adopt_connection(self, id, connection):{busy}    {fault}", True),
    "restore_connections": (
        "{a}def restore_connections(self, c):{busy}    {fault}", True),
    "initialize": ("{a}def initialize(self):{busy}    {fault}", True),
    "register_routes": ("def register_routes(self, app, router):{busy}    {fault}", False),
    "get_api_routes": ("def get_api_routes(self):{busy}    {fault}", False),
    "register_permissions": ("{a}def register_permissions(self):{busy}    {fault}", True),
    "health_check": ("{a}def health_check(self):{busy}    {fault}", True),
    "way out of a failed one": (
        "def initialize(self):{busy}    1 / 0\n"
        "def on_unload(self, ctx):\n    {fault}\ndef shutdown(self):\n    {fault}", False),
    "cleanup of a failed one": (
        "def fail(self):\n    {fault}\n"
        "def initialize(self):{busy}    self.on_cleanup(self.fail)\n    1 / 0", False),
}  # fmt: skip
GARBAGE = {
    "constructor": "get_plugin = lambda: 5",
    "initialize": "def initialize(self):\n    return False",
    "register_permissions": "def register_permissions(self):\n    return 5",
    "get_api_routes": "def get_api_routes(self):\n    return [5]",
    "health_check": "def health_check(self):\n    return object()",
    "ill": "def health_check(self):\n    return False",
}
NEEDS = {"low": (), "middle": ("low",), "high": ("middle",)}


def source(name: str, version: int, *, body: str = "", end: str = "", top: str = "") -> str:
    imports = "\n".join(f"from plugins.{n}.plugin import VERSION as OF_{n}" for n in NEEDS[name])
    return plugin(name, version, top=f"{imports}\n{TOP}\n{top}", init="self.lines = []", body=f"""
active_connections = ()

def get_persistent_state(self):
    return {{"a": 1}}
{body}
""") + f"\n{end}\n"  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One host for all: that nothing of a fault is left, and that a good save goes live at last,
    is part of the test."""
    lab = Lab(tmp_path_factory.mktemp("faults") / "project")
    lab.settings(
        "reload:\n  timeout: 5\n  backup_state: false\n"
        "safety:\n  trial_process: false\n  max_reload_attempts: 1\n"
    )
    for name in NEEDS:
        lab.write(name, source(name, 1, body=f"def initialize(self):{BUSY}"))
    lab.start()
    for name in NEEDS:
        lab.json(f"/{name}/hit")
    yield lab
    try:
        goes_live_after_all(lab)
    finally:
        lab.stop()


def picture(lab: Lab) -> dict[str, Any]:
    """Everything that a reload may change, by identity."""
    found: dict[str, Any] = {
        "path": [id(p) for p in sys.path],
        "finders": [id(f) for f in sys.meta_path],
        "filters": [id(f) for f in warnings.filters],
        "modules": {n: id(m) for n, m in sys.modules.items() if n.startswith("plugins")},
        "handlers": [id(h) for h in logging.getLogger("elsewhere").handlers],
        "patched": json.patched_by,  # type: ignore[attr-defined]
        "import_module": id(importlib.import_module),
        "threads": {t.name for t in threading.enumerate() if not t.name.startswith("events")},
        "lines": {
            f: linecache.getline(f, 5) for f in linecache.cache if str(lab.root) in f
        },
    }  # fmt: skip
    for name in NEEDS:
        generation = lab.generation(name)
        plugin_object = generation.plugin
        assert plugin_object is not None
        found[name] = {
            "generation": id(generation),
            "plugin": id(plugin_object),
            "attributes": {k: id(v) for k, v in vars(plugin_object).items()},
            "routes": [id(r) for r in generation.app.url_map.iter_rules()],  # type: ignore[union-attr]
            "services": {k: id(v) for k, v in generation.services.items()},
            "commands": {k: id(v) for k, v in generation.commands.items()},
            "connections": {k: id(v) for k, v in generation.connections.items()},
            "subscriptions": [id(s) for s in generation.subscriptions],
            "tasks": [(id(t), t.done()) for t in generation.host.tasks()],
            "ledger": len(generation.ledger),
            "hold": generation.hold,
            "status": lab.running.registry.view.plugins[name].status,
            "answer": lab.json(f"/{name}/version"),
        }
    return found


def faulty(
    lab: Lab, name: str, *, files: Mapping[str, str] = MappingProxyType({}), **parts: str
) -> None:
    """Saves it, and checks that it changed nothing and was told."""
    before = picture(lab)
    outcome = lab.save((name, source(name, 2, **parts)), *files.items())
    assert outcome is not None
    assert not outcome.success
    errors = [d for d in outcome.diagnostics if d.is_error]
    assert errors
    assert errors[0].plugin == name
    after = picture(lab)
    after["threads"] -= {t for t in after["threads"] if t.startswith(("hook", "dispose"))}
    before["threads"] -= {t for t in before["threads"] if t.startswith(("hook", "dispose"))}
    assert after == before
    # What is on disk is what runs again, so that no later fault is tried with this one.
    good = source(name, 1, body=f"def initialize(self):{BUSY}")
    assert lab.save((name, good), *((place, None) for place in files)) is None


def cases() -> Iterator[Any]:
    names = list(NEEDS)
    for index, (place, (method, may_be_async)) in enumerate(METHODS.items()):
        for number, (kind, fault) in enumerate(KINDS.items()):
            who = names[(index + number) % 3]
            a = "async " if may_be_async and (index + number) % 2 else ""
            body = method.format(a=a, fault=fault, busy=BUSY)
            yield pytest.param(who, body, id=f"{who}: {a}{place}: {kind}")


@pytest.mark.parametrize(("name", "body"), list(cases()))
def test_a_hook_that_fails_changes_nothing(world: Lab, name: str, body: str) -> None:
    faulty(world, name, body=body)


@pytest.mark.parametrize("place", GARBAGE)
@pytest.mark.parametrize("name", NEEDS)
def test_a_hook_that_gives_garbage_changes_nothing(world: Lab, name: str, place: str) -> None:
    text = GARBAGE[place]
    faulty(world, name, **({"end": text} if place == "constructor" else {"body": text}))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NEEDS)
def test_a_module_that_fails_changes_nothing(world: Lab, name: str, kind: str) -> None:
    busy = 'sys.path.insert(0, "/nowhere"); warnings.filterwarnings("ignore", message="m")'
    faulty(world, name, end=f"{busy}\n{KINDS[kind]}")


@pytest.mark.parametrize("name", NEEDS)
def test_a_submodule_that_fails_changes_nothing(world: Lab, name: str) -> None:
    faulty(world, name, files={f"{name}/extra.py": "1 / 0\n"}, end="from . import extra")


def goes_live_after_all(lab: Lab) -> None:
    """A good save of all of them does, with the state of before."""
    hits = {n: lab.json(f"/{n}/hit")["hits"] for n in NEEDS}
    outcome = lab.save(*((n, source(n, 3, body=f"def initialize(self):{BUSY}")) for n in NEEDS))
    assert outcome is not None
    assert outcome.success, outcome.error
    for name in NEEDS:
        assert lab.json(f"/{name}/version")["version"] == 3
        assert lab.json(f"/{name}/hit") == {"hits": hits[name] + 1}
    wait_for(lambda: all(len(lab.live(n)) == 1 for n in NEEDS), "nothing of the failed is left")
