"""What nobody caught in a plugin's threads and finalisers, shown as it was run."""

from __future__ import annotations

import sys
import threading

import pytest

from devserver.cli.logs import logging_to
from devserver.runtime.log_lines import LogLine
from tests.integration.lab import Lab, plugin, wait_for

TOP = """
import asyncio
import threading

class Odd:
    def __del__(self):
        raise ValueError("here")  # the line that ran

def fail():
    raise ValueError("here")  # the line that ran

async def fail_later():
    fail()

def thread():
    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()

def finaliser():
    Odd()

def task():
    async def main():
        task = asyncio.create_task(fail_later())
        await asyncio.sleep(0)
        del task
    asyncio.run(main())
"""
ROUTES = """
@router.get("/start/<what>")
def start(what):
    globals()[what]()
    return {}
"""


@pytest.mark.parametrize("what", ["thread", "finaliser", "task"])
def test_it_is_told_with_the_running_source_whatever_is_on_disk(
    lab: Lab, what: str, capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[LogLine] = []
    text = plugin("users", top=TOP, routes=ROUTES)
    with logging_to(lines.append, rich=False, verbose=False):
        lab.write("users", text)
        lab.start()
        refused = lab.save(("users", "# more\n" * 9 + "broken(\n" + text))
        assert refused is not None
        assert not refused.success
        lab.json(f"/users/start/{what}")
        told = wait_for(lambda: [t for t in map(shown, lines) if "ValueError: here" in t])
        lab.stop()
    assert 'raise ValueError("here")  # the line that ran' in told[0]
    assert capfd.readouterr().err == ""


def shown(line: LogLine) -> str:
    return f"{line.message}\n{line.traceback}"


def test_what_is_no_plugins_goes_where_it_went_before(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: seen.append(told.exc_type))
    before = threading.excepthook, sys.unraisablehook
    lab.write("users", plugin("users"))
    lab.start()
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    lab.stop()
    assert seen == [ZeroDivisionError]
    assert (threading.excepthook, sys.unraisablehook) == before
