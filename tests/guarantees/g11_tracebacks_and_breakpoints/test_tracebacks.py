"""What the product formats shows the source that raised, of whichever generation."""

from __future__ import annotations

import logging
import queue
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from devserver.cli.logs import logging_to
from devserver.runtime.log_lines import LogLine
from devserver.runtime.shown_source import source_lines
from tests.guarantees.g11_tracebacks_and_breakpoints.failing import failing, traceback_of
from tests.integration.lab import Lab, plugin, wait_for


@pytest.fixture(autouse=True)
def no_trial(lab: Lab) -> None:
    """What a trial process would find has suites of its own."""
    lab.settings("safety:\n  trial_process: false\n")


# -- of whichever generation -----------------------------------------------------------------------

WAITING = """
@router.get("/wait")
def wait():
    meeting = sys.modules["meeting"].MEETING
    meeting.entered.put(None)
    meeting.go.wait(20)
    raise ValueError({text!r})  # {text}
"""


class Meeting:
    """Where a request stops until the test lets it go; the same object for all generations."""

    def __init__(self) -> None:
        self.entered: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.go = threading.Event()


def waiting(text: str, lead: str = "") -> str:
    return lead + plugin("users", text, top="import sys", routes=WAITING.format(text=text))


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> Meeting:
    module = type(logging)("meeting")
    module.MEETING = Meeting()  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, "meeting", module)
    return module.MEETING  # type: ignore[attr-defined, no-any-return]


def test_a_request_that_outlives_its_generation_shows_the_source_it_runs(
    lab: Lab, meeting: Meeting
) -> None:
    lab.settings("reload:\n  drain_timeout: 0.1\n")
    lab.write("users", waiting("the old one"))
    lab.start()
    with ThreadPoolExecutor() as pool:
        old = pool.submit(lab.get, "/users/wait")
        meeting.entered.get(timeout=20)
        outcome = lab.save(("users", waiting("the new one", lead="# more\n" * 7)))
        assert outcome is not None and outcome.success  # noqa: PT018 - one fact
        assert lab.save(("users", "broken(\n" * 9)).result == "rejected"
        new = pool.submit(lab.get, "/users/wait")
        meeting.entered.get(timeout=20)
        meeting.go.set()
        texts = [each.result(20).json["traceback"] for each in (old, new)]
    for text, mine, other in zip(texts, ("old", "new"), ("new", "old"), strict=True):
        assert f"raise ValueError('the {mine} one')  # the {mine} one" in text
        assert f"the {other} one" not in text
        assert "broken" not in text
    assert "line 31" in texts[0]
    assert "line 38" in texts[1]
    wait_for(lambda: lab.live("users") == [2], "the end of the old generation")


def test_the_log_on_the_terminal_shows_the_generation_that_raised(
    lab: Lab, meeting: Meeting
) -> None:
    lines: list[LogLine] = []
    lab.settings("reload:\n  drain_timeout: 0.1\n")
    logged = waiting("the old one").replace(
        "        raise ValueError('the old one')",
        "        try:\n                raise ValueError('the old one')\n"
        "            except ValueError:\n                self.logger.exception('told')",
    )
    assert "logger.exception" in logged
    lab.write("users", logged)
    with logging_to(lines.append, rich=False, verbose=False), ThreadPoolExecutor() as pool:
        lab.start()
        old = pool.submit(lab.get, "/users/wait")
        meeting.entered.get(timeout=20)
        assert lab.save(("users", "# more\n" * 30 + plugin("users", 2))).success
        meeting.go.set()
        old.result(20)
        told = wait_for(lambda: [x for x in lines if x.message == "told"], "the record")
        lab.stop()
    assert "raise ValueError('the old one')" in (told[0].traceback or "")
    assert "# more" not in (told[0].traceback or "")


def test_the_diagnostic_of_a_refused_version_shows_the_refused_source(lab: Lab) -> None:
    lab.write("users", plugin("users"))
    lab.start()
    hook = "def initialize(self):\n    raise OSError('no disk')  # refused"
    outcome = lab.save(("users", "# more\n" * 3 + plugin("users", 2, body=hook)))
    [found] = [d for d in outcome.diagnostics if d.is_error]
    assert found.source_lines == ("        raise OSError('no disk')  # refused",)
    assert "raise OSError('no disk')  # refused" in (found.traceback or "")


# -- as it is read and shown ---------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["\x0c", "\u2028", "\x85", "\x1c"])
def test_characters_that_only_unicode_takes_for_ends_of_lines_shift_nothing(
    lab: Lab, mark: str
) -> None:
    lab.write("users", failing("raise ValueError('here')", lead=f"# a{mark}b\n" * 5))
    lab.start()
    assert "raise ValueError('here')" in traceback_of(lab)


def test_a_source_is_decoded_as_python_decodes_it() -> None:
    assert source_lines("# coding: latin-1\nx = 'é'".encode("latin-1"))[1] == "x = 'é'\n"
    assert source_lines("\ufeffx = 1\r\ny = 2".encode()) == ["x = 1\n", "y = 2\n"]
    assert source_lines(b"# coding: nonsense\nx = '\xff'") != []


def test_the_page_for_a_browser_shows_the_same_traceback(lab: Lab) -> None:
    lab.write("users", failing("raise ValueError('<here>')"))
    lab.start()
    page = lab.get("/users/fail", headers={"Accept": "text/html"})
    assert page.mimetype == "text/html"
    assert "raise ValueError(&#x27;&lt;here&gt;&#x27;)" in page.text
