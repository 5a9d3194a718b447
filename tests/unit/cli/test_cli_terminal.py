from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator

import pytest
from cli_fakes import COMPANY, outcome

from devserver.cli.logs import TerminalHandler, logging_to, set_debug
from devserver.cli.plain import PlainView
from devserver.cli.screen import Banner
from devserver.cli.terminal import LogFormat, Terminal, view_for
from devserver.core.outcome import Outcome
from devserver.reload.journal import FeedEvent, Journal
from devserver.runtime.log_lines import LogLine

BANNER = Banner(
    project="shop", url="u", link="l", mode="native", active=1, failed=(), disabled=0, ready_ms=1
)


class RecordingView:
    """Remembers what it is told; raises when asked to."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self.broken = False

    def ready(self, banner: Banner, _time: float) -> None:
        self.told.append(f"ready {banner.project}")

    def event(self, event: FeedEvent, outcome: Outcome | None, _time: float) -> None:
        self.open.wait()
        if self.broken:
            raise RuntimeError("cannot draw")
        self.told.append(event.kind if outcome is None else f"outcome {outcome.plugin}")

    def log(self, line: LogLine) -> None:
        self.told.append(f"log {line.message}")

    def say(self, word: str, _time: float) -> None:
        self.told.append(word)


def test_what_happens_is_shown_in_order() -> None:
    view, journal = RecordingView(), Journal()
    terminal = Terminal(view)
    terminal.attach(journal)
    terminal.ready(BANNER)
    journal.record(outcome())
    journal.tell("notice", level="info", message="m")
    terminal.say("stopped")
    terminal.close()
    assert view.told == ["ready shop", "outcome users", "notice", "stopped"]


def test_what_happened_before_the_banner_is_shown_after_it_but_for_the_start_itself() -> None:
    view, journal = RecordingView(), Journal()
    journal.tell("notice", level="error", message="a validator is broken")
    terminal = Terminal(view)
    terminal.attach(journal)
    journal.record(outcome(trigger="start"))
    journal.record(outcome(plugin="saved-meanwhile"))
    terminal.ready(BANNER)
    terminal.close()
    assert view.told == ["ready shop", "notice", "outcome saved-meanwhile"]


def test_a_view_that_raises_disturbs_nobody() -> None:
    view, journal = RecordingView(), Journal()
    terminal = Terminal(view)
    terminal.attach(journal)
    terminal.ready(BANNER)
    view.broken = True
    journal.record(outcome())
    terminal.say("still here")
    terminal.close()
    assert view.told[-1] == "still here"
    assert "cannot draw" in view.told[-2]


def test_a_terminal_that_nobody_reads_holds_up_nobody_and_says_what_it_dropped() -> None:
    view, journal = RecordingView(), Journal()
    terminal = Terminal(view, capacity=2)
    terminal.attach(journal)
    terminal.ready(BANNER)
    view.open.clear()
    for _ in range(50):
        journal.record(outcome())
    view.open.set()
    terminal.close(timeout=10)
    dropped = sum(int(word.split()[0]) for word in view.told if "dropped" in word)
    shown = view.told.count("outcome users")
    assert dropped == 50 - shown > 0


def test_a_closed_stream_is_no_error() -> None:
    stream = io.StringIO()
    terminal = Terminal(PlainView(stream))
    terminal.attach(Journal())
    stream.close()
    terminal.ready(BANNER)
    terminal.on_event(FeedEvent(id=1, kind="outcome", payload={}), COMPANY)
    terminal.close()


@pytest.mark.parametrize("chosen", list(LogFormat))
def test_no_format_ever_moves_the_cursor_or_clears(chosen: LogFormat) -> None:
    stream = io.StringIO()
    terminal = Terminal(view_for(chosen, stream))
    terminal.attach(Journal())
    terminal.ready(BANNER)
    terminal.on_event(FeedEvent(id=1, kind="outcome", payload=COMPANY.to_json()), COMPANY)
    terminal.close()
    assert "users" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


@pytest.fixture
def shown() -> list[LogLine]:
    return []


@pytest.fixture
def _rich(shown: list[LogLine]) -> Iterator[None]:
    with logging_to(shown.append, rich=True, verbose=False):
        yield


@pytest.mark.usefixtures("_rich")
def test_a_terminal_shows_plugins_from_info_and_the_product_from_warning(
    shown: list[LogLine],
) -> None:
    set_debug(True)
    logging.getLogger("plugins.users").debug("no")
    logging.getLogger("plugins.users").info("plugin %s", "says")
    logging.getLogger("devserver.reload").info("no")
    logging.getLogger("devserver.reload").warning("own warning")
    logging.getLogger("some.library").info("no")
    logging.getLogger("some.library").warning("library")
    assert [line.message for line in shown] == ["plugin says", "own warning", "library"]


@pytest.mark.parametrize(("rich", "verbose"), [(False, False), (True, True)])
@pytest.mark.parametrize(("debug", "expected"), [(True, ["fine", "info"]), (False, ["info"])])
def test_records_of_the_product_follow_debug_logging(
    shown: list[LogLine], rich: bool, verbose: bool, debug: bool, expected: list[str]
) -> None:
    with logging_to(shown.append, rich=rich, verbose=verbose):
        set_debug(debug)
        logging.getLogger("devserver.reload").debug("fine")
        logging.getLogger("devserver.reload").info("info")
    assert [line.message for line in shown] == expected


def test_a_record_that_cannot_be_formatted_is_one_line(
    shown: list[LogLine], capsys: pytest.CaptureFixture[str]
) -> None:
    class Odd:
        def __str__(self) -> str:
            raise ValueError("odd")

    handler = TerminalHandler(shown.append, own_level=logging.NOTSET)
    for text, argument in (("%d", "text"), ("%s", Odd())):
        record = logging.LogRecord("plugins.users", logging.INFO, "", 1, text, (argument,), None)
        handler.handle(record)
    assert [line.message for line in shown] == [
        "a log record could not be formatted: TypeError",
        "a log record could not be formatted: ValueError",
    ]
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("_rich")
def test_an_exception_in_a_record_comes_with_its_traceback(shown: list[LogLine]) -> None:
    try:
        raise LookupError("gone")
    except LookupError:
        logging.getLogger("plugins.users").exception("failed")
    assert shown[0].message == "failed"
    assert str(shown[0].traceback).endswith("LookupError: gone")


def test_logging_is_as_before_afterwards(shown: list[LogLine]) -> None:
    names = ("", "devserver", "plugins", "werkzeug")
    before = [(logging.getLogger(n).level, list(logging.getLogger(n).handlers)) for n in names]
    with logging_to(shown.append, rich=True, verbose=True):
        set_debug(True)
    after = [(logging.getLogger(n).level, list(logging.getLogger(n).handlers)) for n in names]
    assert after == before
