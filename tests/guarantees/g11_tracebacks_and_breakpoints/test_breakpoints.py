"""pdb's breakpoints follow their line through a reload."""

from __future__ import annotations

import bdb
import io
import pdb
from collections.abc import Iterator
from typing import Any

import pytest

from devserver.core.outcome import Outcome
from tests.integration.lab import Lab, plugin, wait_for

TOP = """
def total(items):
    result = 0
    for item in items:
        result += item
    return result

def other():
    return "other"
"""


@pytest.fixture(autouse=True)
def breakpoints() -> Iterator[None]:
    """The table that all debuggers of the process share is empty before and after."""
    bdb.Breakpoint.clearBreakpoints()
    yield
    bdb.Breakpoint.clearBreakpoints()


def source(version: int = 1, top: str = TOP, lead: str = "") -> str:
    return lead + plugin("users", version, top=top)


def debugger() -> pdb.Pdb:
    return pdb.Pdb(stdin=io.StringIO(), stdout=io.StringIO(), nosigint=True)


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


def stop_at(lab: Lab, text: str, part: str, by: pdb.Pdb, **options: Any) -> bdb.Breakpoint:
    """A breakpoint in plugins/users/plugin.py, whose content is `text`, set by `by`."""
    problem = by.set_break(str(lab.path("users")), line_of(text, part), **options)
    assert problem is None
    found = bdb.Breakpoint.bpbynumber[-1]
    assert found is not None
    return found


def place(found: bdb.Breakpoint, text: str) -> str:
    return text.splitlines()[found.line - 1].strip()


def tables(*debuggers: pdb.Pdb) -> Any:
    """All that says where the breakpoints are, to be compared."""
    return (
        {place: [b.number for b in found] for place, found in bdb.Breakpoint.bplist.items()},
        [None if b is None else dict(vars(b)) for b in bdb.Breakpoint.bpbynumber],
        [{file: list(lines) for file, lines in each.breaks.items()} for each in debuggers],
    )


def saved(lab: Lab, text: str) -> Outcome:
    outcome = lab.save(("users", text))
    assert outcome is not None
    return outcome


def test_breakpoints_are_at_their_lines_after_a_reload_and_the_outcome_says_so(lab: Lab) -> None:
    before, after = source(), source(2, lead="# more\n" * 3)
    lab.write("users", before)
    lab.start()
    first, second = debugger(), debugger()
    one = stop_at(lab, before, "result += item", first, cond="item > 1", temporary=True)
    two = stop_at(lab, before, 'return "other"', second)
    one.ignore, one.hits = 3, 5
    two.disable()
    first.commands = {one.number: ["p item"]}
    line = one.line
    outcome = saved(lab, after)
    assert (place(one, after), place(two, after)) == ("result += item", 'return "other"')
    assert (one.number, one.cond, one.temporary, one.ignore, one.hits, one.enabled) == (
        1, "item > 1", True, 3, 5, True,
    )  # fmt: skip
    assert not two.enabled
    assert first.commands == {1: ["p item"]}
    file = str(lab.path("users"))
    assert first.breaks == {file: [one.line]}
    assert second.breaks == {file: [two.line]}
    assert bdb.Breakpoint.bplist == {(file, one.line): [one], (file, two.line): [two]}
    told = f"breakpoint 1 at plugins/users/plugin.py:{line} now at line {line + 3}"
    assert told in outcome.notes
    # What the debugger itself does with it still works.
    assert first.clear_break(file, one.line) is None
    assert bdb.Breakpoint.bpbynumber == [None, None, two]


def test_a_breakpoint_set_by_name_follows_its_function(lab: Lab) -> None:
    before = source()
    decorated = TOP.replace("def total", "def same(f):\n    return f\n\n@same\ndef total")
    renamed = TOP.replace("def total", "def summed")
    lab.write("users", before)
    lab.start()
    found = stop_at(lab, before, "def total", debugger(), funcname="total")
    found.func_first_executable_line = found.line + 1
    saved(lab, source(2, decorated))
    assert place(found, source(2, decorated)) == "@same"
    assert (found.funcname, found.func_first_executable_line) == ("total", None)
    saved(lab, before)
    saved(lab, source(3, renamed))
    assert place(found, source(3, renamed)) == "def summed(items):"
    assert found.funcname == "summed"


def test_a_breakpoint_whose_function_is_gone_is_deleted_and_named(lab: Lab) -> None:
    before = source()
    after = source(2, top=TOP[: TOP.index("def other")])
    lab.write("users", before)
    lab.start()
    user = debugger()
    kept = stop_at(lab, before, "result += item", user)
    gone = stop_at(lab, before, 'return "other"', user)
    outcome = saved(lab, after)
    assert bdb.Breakpoint.bpbynumber == [None, kept, None]
    assert user.breaks == {kept.file: [kept.line]}
    assert any(note.startswith(f"breakpoint 2 at plugins/users/plugin.py:{gone.line} deleted")
               for note in outcome.notes)  # fmt: skip


def test_two_breakpoints_that_come_to_one_line_are_both_there(lab: Lab) -> None:
    before = source()
    after = source(2, TOP.replace("    result = 0\n    for item in items:\n        result += item\n"
                                  "    return result\n", "    return sum(items)\n"))  # fmt: skip
    lab.write("users", before)
    lab.start()
    user = debugger()
    found = [stop_at(lab, before, part, user) for part in ("result = 0", "result += item")]
    saved(lab, after)
    assert {place(each, after) for each in found} == {"return sum(items)"}
    [listed] = bdb.Breakpoint.bplist.values()
    assert listed == found
    for each in found:
        each.deleteMe()
    assert bdb.Breakpoint.bplist == {}


def test_breakpoints_in_all_files_of_all_plugins_of_the_batch_follow(lab: Lab) -> None:
    models = "def load():\n    value = 1\n    return value\n"
    lab.write("users/models.py", models)
    lab.write("users", plugin("users", top="from .models import load"))
    shop = plugin("shop", top="from plugins.users.models import load\n\ndef sell():\n    return 1")
    lab.write("shop", shop)
    lab.start()
    user = debugger()
    user.set_break(str(lab.path("users/models.py")), 3)
    user.set_break(str(lab.path("shop")), line_of(shop, "    return 1"))
    stays = ("/elsewhere.py", 7)
    bdb.Breakpoint(*stays)
    outcome = lab.save(("users/models.py", "\n\n" + models), ("shop", "\n" + shop))
    assert outcome is not None
    assert outcome.success, outcome.diagnostics
    here = sorted((file, line) for file, line in bdb.Breakpoint.bplist)
    shop_line = line_of(shop, "    return 1") + 1
    expected = [stays, (str(lab.path("shop")), shop_line), (str(lab.path("users/models.py")), 5)]
    assert here == sorted(expected)
    assert sum("now at line" in note for note in outcome.notes) == 2


@pytest.mark.parametrize(
    "bad",
    [
        "broken(\n" + source(2),
        "1 / 0\n" + source(2),
        "# more\n" + plugin("users", 2, top=TOP, body="def initialize(self):\n    return False"),
        "# more\n"
        + plugin("users", 2, top=TOP, body="def health_check(self):\n    raise ValueError"),
    ],
    ids=["validation", "import", "hook", "health"],
)
def test_a_version_that_does_not_go_live_moves_nothing(lab: Lab, bad: str) -> None:
    before = source()
    lab.write("users", before)
    lab.start()
    user = debugger()
    stop_at(lab, before, "result += item", user)
    stop_at(lab, before, "def other", user, funcname="other")
    was = tables(user)
    assert not saved(lab, bad).success
    assert tables(user) == was


@pytest.mark.parametrize(
    "settings", ["development:\n  preserve_breakpoints: false\n", "development_mode: false\n"]
)
def test_with_the_setting_off_nothing_moves(lab: Lab, settings: str) -> None:
    before = source()
    lab.settings(settings)
    lab.write("users", before)
    lab.start()
    user = debugger()
    stop_at(lab, before, "result += item", user)
    was = tables(user)
    outcome = saved(lab, source(2, lead="# more\n"))
    assert outcome.success
    assert tables(user) == was
    assert not [note for note in outcome.notes if "breakpoint" in note]


def test_a_file_that_is_gone_keeps_its_breakpoints_for_its_return(lab: Lab) -> None:
    models = "def load():\n    return 1\n"
    lab.write("users/models.py", models)
    lab.write("users", plugin("users"))
    lab.start()
    user = debugger()
    user.set_break(str(lab.path("users/models.py")), 2)
    was = tables(user)
    assert lab.save(("users/models.py", None)).success
    assert tables(user) == was
    assert lab.save(("users/models.py", models)).success
    assert tables(user) == was


def test_a_version_that_fails_its_probation_gives_the_breakpoints_back(lab: Lab) -> None:
    health = "def health_check(self):\n    return not hasattr(self, 'ill')"
    before = plugin("users", 1, top=TOP, body=health)
    after = "# more\n" * 5 + plugin("users", 2, top=TOP, body=health)
    lab.settings("safety:\n  probation_ms: 60000\n  max_reload_attempts: 1\n")
    lab.write("users", before)
    lab.start()
    old = lab.generation("users")
    user = debugger()
    found = stop_at(lab, before, "result += item", user)
    was = tables(user)
    assert saved(lab, after).success
    assert place(found, after) == "result += item"
    assert tables(user) != was
    lab.generation("users").plugin.ill = True  # type: ignore[union-attr]
    wait_for(lambda: lab.generation("users") is old, "the old one serves")
    assert tables(user) == was


def test_a_file_that_nothing_could_import_hinders_nobody(lab: Lab) -> None:
    lab.settings("reload:\n  validation: false\n")
    lab.write("users/broken.py", "x = 1\n")
    lab.write("users", source())
    lab.start()
    user = debugger()
    assert user.set_break(str(lab.path("users/broken.py")), 1) is None
    other = stop_at(lab, source(), "result += item", user)
    after = source(2, lead="# more\n")
    assert lab.save(("users/broken.py", "broken(\n"), ("users", after)).success
    assert place(other, after) == "result += item"
