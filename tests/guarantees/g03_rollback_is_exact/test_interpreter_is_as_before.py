"""What a candidate did to the interpreter before it failed is undone, each by each, and what the
old generation did stays."""

from __future__ import annotations

import bdb
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.lab import Lab, plugin, wait_for

TOP = """
import bdb, logging, os, sys, threading, warnings

class Closing(logging.Handler):
    fault = None

    def emit(self, record):
        pass

    def close(self):
        super().close()
        if self.fault:
            raise self.fault

def on_error(*given):
    pass
"""
DEEDS = """
    quiet = logging.getLogger("quiet.elsewhere")
    quiet.setLevel(10 + VERSION)
    quiet.addFilter(lambda record: True)
    handler = Closing()
    handler.fault = {fault}
    quiet.addHandler(handler)
    logging.getLogger("plugins.users").setLevel(30 + VERSION)
    os.environ["OF_A_CANDIDATE"] = str(VERSION)
    os.environ.setdefault("OF_THE_FIRST", str(VERSION))
    sys.path.insert(0, "/nowhere/" + str(VERSION))
    sys.excepthook = on_error
    threading.excepthook = on_error
    warnings.filterwarnings("ignore", message="version " + str(VERSION))
    self.ctx.events.publish("made", {{"version": VERSION}})
"""
FAULTS = {"none": "None", "an exception": "ValueError('f')", "SystemExit": "SystemExit(3)"}


def source(version: int, *, fault: str = "None", end: str = "", lines: int = 0) -> str:
    body = f"""
def on_load(self, ctx):
    ctx.events.subscribe("made", lambda event: self.heard.append(event))
    ctx.services.register("told", self)

def initialize(self):{DEEDS.format(fault=fault)}
    {end or "pass"}
"""
    return plugin("users", version, top=TOP + "#\n" * lines, init="self.heard = []", body=body)


ORDERS = """
import plugins.users.plugin
from devserver.sdk import BasePlugin

class Orders(BasePlugin):
    name = "orders"
    version = "1.0.0"

    def initialize(self):
        self.told = self.get_service("told")
"""


@pytest.fixture
def running(lab: Lab) -> Iterator[Lab]:
    before = _interpreter()
    lab.settings("safety:\n  trial_process: false\n  max_reload_attempts: 1\n")
    lab.write("users", source(1))
    lab.write("orders", ORDERS)
    lab.start()
    listening: Any = lab.generation("users").plugin
    wait_for(lambda: listening.heard, "the event of the start")
    assert [event.data["version"] for event in listening.heard] == [1]
    yield lab
    lab.stop()
    assert _interpreter() == before


def _interpreter() -> dict[str, Any]:
    quiet = logging.getLogger("quiet.elsewhere")
    return {
        "levels": (quiet.level, logging.getLogger("plugins.users").level),
        "handlers": [id(h) for h in quiet.handlers],
        "filters": [id(f) for f in quiet.filters],
        "environment": {k: os.environ.get(k) for k in ("OF_A_CANDIDATE", "OF_THE_FIRST")},
        "path": list(map(id, sys.path)),
        "hooks": (id(sys.excepthook), id(threading.excepthook)),
        "warnings": list(map(id, warnings.filters)),
        "breakpoints": [
            (id(b), b.file, b.line, b.enabled, b.cond) for b in bdb.Breakpoint.bpbynumber if b
        ],
    }


def picture(lab: Lab) -> dict[str, Any]:
    plugin_object: Any = lab.generation("users").plugin
    told = lab.generation("orders").plugin.told  # type: ignore[union-attr]
    return {
        **_interpreter(),
        "plugin": id(plugin_object),
        "heard": list(map(id, plugin_object.heard)),
        "told": (id(told), told.heard is plugin_object.heard, told.version),
        "modules": {n: id(m) for n, m in sys.modules.items() if n.startswith("plugins")},
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_all_deeds_of_a_failed_candidate_are_undone(running: Lab, fault: str) -> None:
    before = picture(running)
    outcome = running.save(("users", source(2, fault=FAULTS[fault], end="1 / 0")))
    assert outcome is not None
    assert outcome.rolled_back
    assert "ZeroDivisionError" in str(outcome.error)
    assert picture(running) == before
    outcome = running.save(("users", source(3)))
    assert outcome is not None
    assert outcome.success, outcome.error
    assert os.environ["OF_A_CANDIDATE"] == "3"
    assert os.environ["OF_THE_FIRST"] == "1"


def test_breakpoints_stay_where_they_are_when_it_fails(running: Lab) -> None:
    path = running.path("users")
    line = path.read_text().splitlines().index("def on_error(*given):") + 2
    debugger = bdb.Bdb()
    assert debugger.set_break(str(path), line, cond="x") is None
    try:
        before = picture(running)
        outcome = running.save(("users", source(2, end="1 / 0", lines=4)))
        assert outcome is not None
        assert outcome.rolled_back
        assert picture(running) == before
    finally:
        debugger.clear_all_breaks()
