"""The standard library's own formatting shows the running source."""

from __future__ import annotations

import linecache
from pathlib import Path

import pytest

from tests.integration.lab import Lab, plugin


@pytest.fixture(autouse=True)
def no_trial(lab: Lab) -> None:
    """What a trial process would find has suites of its own."""
    lab.settings("safety:\n  trial_process: false\n")


TOP = """
import inspect
import io
import linecache
import logging
import pdb
import traceback
import warnings

def here():
    return "NAME"  # the line of NAME

def print_exc():
    try:
        raise ValueError("NAME")  # the line of NAME
    except ValueError:
        out = io.StringIO()
        traceback.print_exc(file=out)
        return out.getvalue()

def logging_exception():
    out = io.StringIO()
    logger = logging.Logger("own")
    logger.addHandler(logging.StreamHandler(out))
    try:
        raise ValueError("NAME")  # the line of NAME
    except ValueError:
        logger.exception("told")
    return out.getvalue()

def getsource():
    return inspect.getsource(here)

def getsource_of_module():
    return inspect.getsource(inspect.getmodule(here))

def warn():
    out = io.StringIO()
    def show(message, category, filename, line, file=None, text=None):
        out.write(warnings.formatwarning(message, category, filename, line, text))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        warnings.warn("odd")  # the line of NAME
    return out.getvalue()

def debugger(command):
    out = io.StringIO()
    debugger = pdb.Pdb(stdin=io.StringIO(command + "\\nc\\n"), stdout=out, nosigint=True)
    debugger.use_rawinput = False
    debugger.set_trace()
    name = "NAME"  # the line of NAME
    return out.getvalue()

def pdb_list():
    return debugger("list")

def pdb_ll():
    return debugger("ll")

def stack():
    return "".join(traceback.format_stack())  # the line of NAME

def loader():
    return __loader__.get_source(__name__)
"""
ROUTES = """
@router.get("/show/<what>")
def show(what):
    linecache.checkcache()
    return globals()[what](), 200, {"Content-Type": "text/plain"}
"""
WAYS = ["print_exc", "logging_exception", "getsource", "getsource_of_module", "warn", "pdb_list",
        "pdb_ll", "stack", "loader"]  # fmt: skip


def showing(name: str, lead: str = "") -> str:
    return lead + plugin("users", name, top=TOP.replace("NAME", name), routes=ROUTES)


@pytest.mark.parametrize("way", WAYS)
def test_the_running_source_is_shown_whatever_is_on_disk(lab: Lab, way: str) -> None:
    path = f"/users/show/{way}"
    lab.write("users", showing("first"))
    lab.start()
    assert "the line of first" in lab.get(path).text
    refused = lab.save(("users", "# more\n" * 9 + "broken(\n" + showing("refused")))
    assert refused is not None
    assert not refused.success
    shown = lab.get(path).text
    assert "the line of first" in shown
    assert "the line of refused" not in shown
    assert lab.save(("users", showing("second", lead="# more\n" * 40))).success
    shown = lab.get(path).text
    assert "the line of second" in shown
    assert "the line of first" not in shown


def test_a_rolled_back_version_leaves_the_shown_source_as_it_was(lab: Lab) -> None:
    path = str(lab.write("users", showing("first")))
    lab.start()
    before = linecache.cache[path]
    outcome = lab.save(
        ("users", "# more\n" + plugin("users", body="def initialize(self):\n    return False"))
    )
    assert outcome.rolled_back
    assert linecache.cache[path] is before


def test_what_no_longer_runs_is_read_from_disk_again(lab: Lab) -> None:
    lab.write("users/models.py", "A = 1\n")
    path = str(lab.path("users/models.py"))
    other = str(lab.write("users", plugin("users", top="from . import models")))
    lab.start()
    assert {path, other} <= linecache.cache.keys()
    lab.save(("users/models.py", None), ("users", plugin("users", 2)))
    assert path not in linecache.cache
    assert other in linecache.cache
    lab.running.control.disable("users")
    assert other not in linecache.cache
    lab.running.control.enable("users")
    assert other in linecache.cache
    lab.stop()
    assert other not in linecache.cache
    assert linecache.getlines(other) == Path(other).read_text().splitlines(keepends=True)
