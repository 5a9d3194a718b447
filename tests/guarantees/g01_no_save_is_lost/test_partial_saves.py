"""Saves that come in pieces: no piece is told as an error when the rest follows soon."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from devserver.reload.saves import Saves
from tests.guarantees.g01_no_save_is_lost.saving import (
    results_of,
    settle,
    version_of,
    wait_until_live,
)
from tests.integration.lab import Lab, plugin, wait_for


class Attempts:
    """Counts the looks at what is on disk, to write the next piece between two of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made = 0
        original = Saves._judge_batch

        def judge(self_: Saves, *args: object, **more: bool) -> object:
            answer = original(self_, *args, **more)  # type: ignore[arg-type]
            self.made += 1
            return answer

        monkeypatch.setattr(Saves, "_judge_batch", judge)

    def wait_for_one_more(self, save: Callable[[], object]) -> None:
        before = self.made
        save()
        wait_for(lambda: self.made > before, "a look at the piece")


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    return Attempts(monkeypatch)


def test_a_file_that_is_empty_for_a_moment_fails_nothing(lab: Lab, attempts: Attempts) -> None:
    lab.write("users", plugin("users", 1))
    lab.start(hot_reload=True)
    for version in range(2, 5):
        attempts.wait_for_one_more(lambda: lab.write("users", ""))
        lab.write("users", plugin("users", version))
        wait_until_live(lab, "users", version)
    settle(lab)
    assert results_of(lab, "users") == ["reloaded"] * 3


@pytest.mark.parametrize("pieces", [2, 3, 4])
def test_a_file_that_is_written_in_pieces_fails_nothing(
    lab: Lab, attempts: Attempts, pieces: int
) -> None:
    lab.write("users", plugin("users", 1))
    lab.start(hot_reload=True)
    text = plugin("users", 2) + "\nlast = {\n    'a': 1,\n" + "    'b': (1, 2),\n" * 9 + "}\n"
    cuts = [len(text) - 40 * (pieces - n) - 5 for n in range(1, pieces)]  # inside of `last`
    for cut in cuts:
        attempts.wait_for_one_more(lambda cut=cut: lab.write("users", text[:cut]))
    lab.write("users", text)
    wait_until_live(lab, "users", 2)
    settle(lab)
    assert results_of(lab, "users") == ["reloaded"]


def test_half_a_line_that_is_valid_code_never_runs(lab: Lab, attempts: Attempts) -> None:
    body = "def value(self):\n    return 1\n"
    lab.write("users", plugin("users", 1, body=body).rstrip() + "\n")
    lab.start(hot_reload=True)
    for version in range(2, 5):
        text = plugin("users", version, body=body).rstrip() + "\n"
        cut = text[: text.rindex("return 1") + len("ret")]
        attempts.wait_for_one_more(lambda cut=cut: lab.write("users", cut))
        lab.write("users", text)
        wait_until_live(lab, "users", version)
    settle(lab)
    assert results_of(lab, "users") == ["reloaded"] * 3


def test_a_file_whose_last_newline_is_gone_for_good_goes_live(lab: Lab) -> None:
    lab.write("users", plugin("users", 1))
    lab.start(hot_reload=True)
    lab.write("users", plugin("users", 2).rstrip("\n"))
    wait_until_live(lab, "users", 2)
    lab.write("users", plugin("users", 3).rstrip("\n"))
    wait_until_live(lab, "users", 3)


def test_a_file_that_never_gets_its_end_is_refused_in_time(lab: Lab) -> None:
    lab.write("users", plugin("users", 1))
    lab.start(hot_reload=True)
    lab.write("users", plugin("users", 2) + "\nlast = {\n")
    wait_for(lambda: results_of(lab, "users") == ["rejected"], "the refusal")
    assert version_of(lab, "users") == 1
    lab.write("users", plugin("users", 3))
    wait_until_live(lab, "users", 3)


@pytest.mark.parametrize("provider_first", [True, False], ids=["provider", "consumer"])
def test_an_edit_in_two_saves_flashes_no_error(
    lab: Lab, attempts: Attempts, provider_first: bool
) -> None:
    lab.write("users", plugin("users", 1, top="def old():\n    return 1"))
    lab.write("orders", plugin("orders", 1, top="from plugins.users.plugin import old as f"))
    lab.start(hot_reload=True)
    edits = [
        ("users", plugin("users", 2, top="def new():\n    return 1")),
        ("orders", plugin("orders", 2, top="from plugins.users.plugin import new as f")),
    ]
    first, second = edits if provider_first else reversed(edits)
    attempts.wait_for_one_more(lambda: lab.write(*first))
    lab.write(*second)
    for name in ("users", "orders"):
        wait_until_live(lab, name, 2)
    settle(lab)
    assert results_of(lab, "users") == ["reloaded"]
    assert results_of(lab, "orders") == ["reloaded"]


def test_a_first_half_that_fails_at_its_import_flashes_no_error(
    lab: Lab, attempts: Attempts
) -> None:
    check = "import plugins.users.sizes as s\nassert s.SIZE == {}, s.SIZE"
    lab.write("users/sizes.py", "SIZE = 1")
    lab.write("users", plugin("users", 1, top=check.format(1)))
    lab.start(hot_reload=True)
    attempts.wait_for_one_more(lambda: lab.write("users/sizes.py", "SIZE = 2"))
    lab.write("users", plugin("users", 2, top=check.format(2)))
    wait_until_live(lab, "users", 2)
    settle(lab)
    assert results_of(lab, "users") == ["reloaded"]
    lab.write("users/sizes.py", "SIZE = 3")
    wait_for(lambda: results_of(lab, "users")[-1] == "rolled_back", "the refusal")
    assert version_of(lab, "users") == 2


def test_a_save_during_a_running_reload_is_what_runs(lab: Lab) -> None:
    gate, entered = lab.root / "gate", lab.root / "entered"
    slow = f"""
        import pathlib, threading
        def wait():
            pathlib.Path({str(entered)!r}).touch()
            while not pathlib.Path({str(gate)!r}).exists():
                threading.Event().wait(0.01)
        """
    body = "def initialize(self):\n    wait()\n    return {result}\n"
    for result, number in (("True", 10), ("False", 20)):
        lab.write("users", plugin("users", number))
        gate.unlink(missing_ok=True)
        entered.unlink(missing_ok=True)
        if lab.host is None:
            lab.start(hot_reload=True)
        wait_until_live(lab, "users", number)
        lab.write("users", plugin("users", number + 1, top=slow, body=body.format(result=result)))
        wait_for(entered.exists, "the running reload")
        lab.write("users", plugin("users", number + 2))
        gate.touch()
        wait_until_live(lab, "users", number + 2)
        settle(lab)
        assert version_of(lab, "users") == number + 2


def test_saves_during_the_start_are_what_runs(lab: Lab) -> None:
    for name in ("users", "orders", "slow"):
        lab.write(name, plugin(name, 1))
    started, stop = threading.Event(), threading.Event()
    last = {"users": 1, "orders": 1}

    def save() -> None:
        for version in range(2, 1000):
            for name in last:
                (lab.write if version % 2 else lab.replace)(name, plugin(name, version))
                last[name] = version
            started.set()
            if stop.wait(0.002):
                return

    saver = threading.Thread(target=save)
    saver.start()
    started.wait()
    try:
        lab.start(hot_reload=True)
    finally:
        stop.set()
        saver.join()
    for name, version in last.items():
        wait_until_live(lab, name, version)
