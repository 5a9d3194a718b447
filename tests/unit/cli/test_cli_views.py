from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest
from cli_fakes import COMPANY, ERROR, REFUSED, ROLLED_BACK, WARNING, outcome
from rich.console import Console

from devserver.cli.ndjson import JsonView
from devserver.cli.outcomes import outcome_of
from devserver.cli.plain import PlainView
from devserver.cli.rich_view import RichView
from devserver.cli.screen import Banner
from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.lifecycle import PluginStatus
from devserver.core.outcome import Outcome, Result, StateReport, Step
from devserver.reload.journal import FeedEvent
from devserver.runtime.log_lines import LogLine
from devserver.runtime.registry import PluginRecord

WHEN = 1_750_000_000.25
EVIL = "\x1b]0;owned\x07\x1b[2J[bold red]hey[/] \u202e\r\n:smile:"
BANNER = Banner(
    project="shop",
    url="http://127.0.0.1:8080/",
    link="http://127.0.0.1:8080/?token=secret",
    mode="native",
    active=5,
    failed=(PluginRecord(name="billing", status=PluginStatus.FAILED, reason="it needs 'users'"),),
    disabled=1,
    ready_ms=312.4,
    warnings=(WARNING,),
)


class Screen:
    """A console of 100 columns, and what is on it."""

    def __init__(self, *, terminal: bool = False) -> None:
        self.stream = io.StringIO()
        self.console = Console(
            file=self.stream,
            width=100,
            force_terminal=terminal,
            color_system="standard" if terminal else None,
            markup=False,
            emoji=False,
            highlight=False,
        )
        self.view = RichView(self.console)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def plain(*outcomes: Outcome) -> list[str]:
    stream = io.StringIO()
    for one in outcomes:
        PlainView(stream).outcome(one, WHEN)
    return stream.getvalue().splitlines()


def drawn(*outcomes: Outcome) -> list[str]:
    screen = Screen()
    for one in outcomes:
        screen.view.outcome(one)
    return screen.lines


def test_a_reload_is_one_line() -> None:
    assert drawn(outcome()) == [
        "✓ users g7→g8 41 ms (validate 6 · stage 20 · activate 3 · commit 0.7) routes +1"
        " ← plugins/users/plugin.py"
    ]
    assert plain(outcome()) == [
        "2025-06-15T15:06:40.250Z reload ok plugin=users generation=7->8 ms=41.3 "
        "steps=validate:6.0,stage:20.2,activate:3.1,commit:0.7 routes=+1 "
        "changed=plugins/users/plugin.py"
    ]


def test_what_came_along_and_what_was_lost_is_named() -> None:
    assert drawn(COMPANY) == [
        "✓ users + orders, billing g7→g8 41 ms (validate 6 · stage 20 · activate 3 · commit 0.7)"
        " routes +1 ← plugins/users/plugin.py",
        "  ! plugins/users/api.py:30 CMP201 'find' takes one argument more",
        "  ! state lost: cursor",
        "  state passed by reference: lock",
        "  note: let go while still running: GET /users/slow",
    ]
    head, warning, note = plain(COMPANY)
    assert "also=orders,billing" in head
    assert "state_lost=cursor state_passed=lock" in head
    assert warning.endswith(
        "diagnostic warning code=CMP201 plugin=users at=plugins/users/api.py:30 "
        "message=\"'find' takes one argument more\""
    )
    assert note.endswith('note plugin=users message="let go while still running: GET /users/slow"')


def test_a_refusal_says_at_which_step_and_what_still_serves() -> None:
    lines = drawn(REFUSED)
    assert lines[0] == ("✗ users refused (validation) · still serving g7 ← plugins/users/plugin.py")
    assert any("answer = (" in line for line in lines)
    assert any("close it" in line for line in lines)
    assert lines[-1] == "  ! plugins/users/api.py:30 CMP201 'find' takes one argument more"
    head, error, _ = plain(REFUSED)
    assert (
        "reload refused plugin=users generation=7 ms=41.3 step=validation serving=users:g7" in head
    )
    assert error.endswith(
        "diagnostic error code=SYN101 plugin=users at=plugins/users/plugin.py:3:9 "
        'message="\'(\' was never closed" hint="close it"'
    )


def test_a_roll_back_names_who_serves_of_all_that_were_tried() -> None:
    assert drawn(ROLLED_BACK) == [
        "✗ users + orders rolled back (activate) · still serving users g7, orders g3"
        " ← plugins/users/plugin.py",
        "  'initialize' of 'orders' returned False",
    ]
    assert "serving=users:g7,orders:g3" in plain(ROLLED_BACK)[0]


def test_a_plugin_that_never_ran_has_nothing_to_fall_back_on() -> None:
    fresh = outcome(
        Result.REJECTED, generation=0, previous_generation=0, serving={}, error="no", steps=()
    )
    assert drawn(fresh)[0].startswith("✗ users refused (validation) · nothing serves")
    assert "serving=none" in plain(fresh)[0]


def test_new_and_vanished_plugins_are_told_apart() -> None:
    new = outcome(generation=1, previous_generation=0, steps=(), changes=(), routes_before=3)
    assert drawn(new) == ["✓ users g1 41 ms"]
    gone = outcome(
        generation=0, reloaded=(), removed=("users",), serving={}, steps=(), routes_after=0
    )
    assert drawn(gone) == ["✓ users removed 41 ms routes -2 ← plugins/users/plugin.py"]
    assert "generation=7->none" in plain(gone)[0]
    assert "removed=users" in plain(gone)[0]


def test_what_was_disabled_along_with_a_plugin_is_named() -> None:
    disabled = outcome(
        generation=0,
        reloaded=(),
        removed=("users", "orders"),
        serving={},
        steps=(),
        changes=(),
        routes_after=0,
        deed="disabled",
    )
    assert drawn(disabled) == ["✓ users + orders disabled 41 ms routes -2"]
    assert "deed=disabled" in plain(disabled)[0]


def test_nothing_is_said_when_nothing_changed() -> None:
    assert drawn(outcome(Result.UNCHANGED)) == []
    assert plain(outcome(Result.UNCHANGED)) == []


def test_long_lists_are_cut_with_a_number() -> None:
    names = tuple(f"p{n}" for n in range(12))
    changes = tuple(f"plugins/{n}/plugin.py" for n in names)
    line = drawn(outcome(reloaded=("users", *names), changes=changes, steps=()))[0]
    assert "+ p0, p1, p2, p3, p4, p5 and 6 more" in line
    assert line.endswith("plugins/p2/plugin.py and 9 more")
    many = outcome(Result.REJECTED, diagnostics=(ERROR,) * 20, error="no")
    assert "  and 12 more findings" in drawn(many)


def test_tracebacks_of_the_plugin_are_shown() -> None:
    error = Diagnostic(
        code="RUN001",
        severity=Severity.ERROR,
        message="ZeroDivisionError: division by zero",
        plugin="users",
        file="plugins/users/plugin.py",
        line=3,
        source_lines=("1 / 0",),
        traceback='Traceback (plugin code only):\n  File "plugins/users/plugin.py", line 3',
    )
    failed = outcome(Result.ROLLED_BACK, diagnostics=(error,), error=error.message)
    assert any("Traceback (plugin code only)" in line for line in drawn(failed))
    records = plain(failed)
    assert records[-1].endswith(
        'traceback of=users line="  File \\"plugins/users/plugin.py\\", line 3"'
    )


def hostile() -> Outcome:
    bad = Diagnostic(
        code="SYN101",
        severity=Severity.ERROR,
        message=EVIL,
        plugin=EVIL,
        file=EVIL,
        line=1,
        column=1,
        hint=EVIL,
        source_lines=(EVIL,),
        traceback=EVIL,
    )
    return outcome(
        Result.REJECTED, plugin=EVIL, plugins=(EVIL, EVIL), changes=(EVIL,), serving={EVIL: 1},
        diagnostics=(bad,), notes=(EVIL,), error=EVIL, state=StateReport(lost=(EVIL,)),
    )  # fmt: skip


@pytest.mark.parametrize("terminal", [False, True])
def test_plugin_text_cannot_steer_the_terminal(terminal: bool) -> None:
    screen = Screen(terminal=terminal)
    screen.view.outcome(hostile())
    screen.view.log(LogLine(time=WHEN, level="INFO", logger=EVIL, message=EVIL, traceback=EVIL))
    notice = {"level": "error", "message": EVIL, "hint": EVIL, "plugin": EVIL}
    screen.view.event(FeedEvent(id=1, kind="notice", payload=notice), None, WHEN)
    without_colours = re.sub(r"\x1b\[[0-9;]*m", "", screen.text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", without_colours)
    assert "\\x1b[2J[bold red]hey[/]" in without_colours
    assert ":smile:" in without_colours


def test_plain_records_are_one_line_of_ascii_each() -> None:
    stream = io.StringIO()
    view = PlainView(stream)
    view.outcome(hostile(), WHEN)
    view.log(LogLine(time=WHEN, level="INFO", logger=EVIL, message=EVIL, traceback="a\nb"))
    text = stream.getvalue()
    assert text.isascii()
    assert not re.search("[\x00-\x09\x0b-\x1f]", text)
    assert all(line.startswith("2025-06-15T15:06:40.250Z ") for line in text.splitlines())


def test_the_banner_counts_what_is_loaded_at_its_first_use() -> None:
    screen = Screen()
    screen.view.ready(replace(BANNER, active=0, waiting=4, disabled=0, failed=()), WHEN)
    assert any("0 plugins active · 4 loaded at first use" in line for line in screen.lines)


def test_the_banner_says_where_how_and_how_long() -> None:
    screen = Screen()
    screen.view.ready(BANNER, WHEN)
    assert [line for line in screen.lines if line] == [
        "  sysctl dev server 0.1.0  shop",
        "  ➜  http://127.0.0.1:8080/",
        "     watching (native) · 5 plugins active · 1 disabled · 1 failed · ready in 312 ms",
        "     press Ctrl-C to stop",
        "✗ billing failed to load: it needs 'users'",
        "  ! plugins/users/api.py:30 CMP201 'find' takes one argument more",
    ]


def test_the_link_with_the_token_is_for_a_terminal_only() -> None:
    screen = Screen(terminal=True)
    screen.view.ready(BANNER, WHEN)
    assert BANNER.link in screen.text
    stream = io.StringIO()
    for view in (PlainView(stream), JsonView(stream), RichView(Screen().console)):
        view.ready(BANNER, WHEN)
    assert "secret" not in stream.getvalue()
    assert BANNER.url in stream.getvalue()


def test_json_gives_the_feed_as_lines() -> None:
    stream = io.StringIO()
    view = JsonView(stream)
    view.ready(BANNER, WHEN)
    view.event(FeedEvent(id=4, kind="outcome", payload=outcome().to_json()), outcome(), WHEN)
    view.log(LogLine(time=WHEN, level="INFO", logger="plugins.users", message="hi"))
    view.say("stopped", WHEN)
    ready, event, log, server = map(json.loads, stream.getvalue().splitlines())
    assert ready["payload"]["active"] == 5
    assert ready["payload"]["failed"][0]["name"] == "billing"
    assert event == {"id": 4, "kind": "outcome", "time": WHEN, "payload": outcome().to_json()}
    assert log["payload"]["message"] == "hi"
    assert server == {"id": None, "kind": "server", "time": WHEN, "payload": {"status": "stopped"}}


def test_settings_and_notices_have_their_lines() -> None:
    applied = FeedEvent(id=1, kind="settings", payload={"ok": True, "diagnostics": []})
    refused = FeedEvent(
        id=2, kind="settings", payload={"ok": False, "diagnostics": [ERROR.to_json()]}
    )
    notice = {"level": "warning", "message": "slow disk", "hint": "poll", "plugin": None}
    screen = Screen()
    stream = io.StringIO()
    for event in (applied, refused, FeedEvent(id=3, kind="notice", payload=notice)):
        screen.view.event(event, None, WHEN)
        PlainView(stream).event(event, None, WHEN)
    assert screen.lines[0] == "✓ config/hot-loading.yaml applied"
    assert screen.lines[1] == "✗ config/hot-loading.yaml refused · the settings before it stay"
    assert screen.lines[-2:] == ["! slow disk", "  hint: poll"]
    words = [line.split(" ", 1)[1] for line in stream.getvalue().splitlines()]
    assert words[0] == "settings applied file=config/hot-loading.yaml"
    assert words[1] == "settings refused file=config/hot-loading.yaml"
    assert words[-1] == 'notice warning message="slow disk" hint=poll'


def test_events_that_say_nothing_new_are_not_shown() -> None:
    screen = Screen()
    stream = io.StringIO()
    for kind in ("started", "disposed", "plugins"):
        for view in (screen.view, PlainView(stream)):
            view.event(FeedEvent(id=1, kind=kind, payload={}), None, WHEN)
    assert (screen.text, stream.getvalue()) == ("", "")


@pytest.mark.parametrize("one", [COMPANY, REFUSED, ROLLED_BACK, outcome()])
def test_an_outcome_survives_the_way_through_the_api(one: Outcome) -> None:
    document = json.loads(json.dumps(one.to_json()))
    assert outcome_of(document).to_json() == one.to_json()


def test_an_outcome_of_the_least_shape_is_understood() -> None:
    least = outcome_of({"plugin": "users", "result": "reloaded", "steps": [], "state": None})
    assert drawn(least) == ["✓ users g0 0.0 ms"]


def test_a_failed_probation_is_told_as_such_in_every_format() -> None:
    back = outcome(
        Result.ROLLED_BACK,
        trigger="probation",
        steps=(Step(name="rollback", ms=2.0),),
        error="on probation: it coughs",
    )
    assert drawn(back)[0].startswith("✗ users rolled back (probation) · still serving g7")
    assert " step=probation " in plain(back)[0]
    stream = io.StringIO()
    event = FeedEvent(id=4, kind="outcome", payload=back.to_json())
    JsonView(stream).event(event, back, WHEN)
    assert json.loads(stream.getvalue())["payload"] == {**back.to_json(), "step": "probation"}
