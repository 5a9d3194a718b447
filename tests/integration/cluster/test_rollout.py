"""One instance tries a word first; the others follow if it goes well, or in spite of it."""

from __future__ import annotations

import threading

from devserver.core.outcome import Result
from tests.integration.cluster.conftest import Start
from tests.integration.cluster.fakes import Asking, Instance, ids
from tests.integration.lab import wait_for


def fails(result: Result = Result.ROLLED_BACK) -> object:
    return lambda _deed, _name: result


class Held:
    """Holds an instance in the middle of a word."""

    def __init__(self, instance: Instance) -> None:
        self.entered = threading.Event()
        self.go_on = threading.Event()
        instance.control.on_call = self._hold

    def _hold(self, _deed: str, _name: str) -> Result | None:
        self.entered.set()
        assert self.go_on.wait(30)
        return None


def test_nobody_begins_before_the_one_that_was_asked_has_done_it(start: Start) -> None:
    group = start(3)
    held = Held(group[1])
    asking = Asking(group[1], "users", "reload")
    assert held.entered.wait(20)
    wait_for(
        lambda: any("tries it first" in m["why"] for m in group[0].group.look(1)["missing"]),
        "the others wait",
    )
    assert group[0].control.calls == group[2].control.calls == []
    held.go_on.set()
    assert asking.report()["success"]
    assert all(i.control.calls for i in group)


def test_what_fails_on_the_first_is_not_begun_by_the_others(start: Start) -> None:
    group = start(4)
    group[2].control.on_call = fails()
    report = group[2].group.ask("users", "reload")
    assert not report["success"]
    assert report["converged"] == []
    (failed,) = report["failed"]
    assert (failed["instance"]["id"], failed["result"]) == (group[2].id, "rolled_back")
    assert failed["message"] == "reload users: rolled_back"
    assert ids(report["missing"]) == [group[n].id for n in (0, 1, 3)]
    assert all("it had failed on" in m["why"] for m in report["missing"])
    assert [len(i.control.calls) for i in group] == [0, 0, 1, 0]


def test_with_continue_the_others_go_on_all_the_same(start: Start) -> None:
    group = start(4)
    group[2].control.on_call = fails(Result.REJECTED)
    report = group[2].group.ask("users", "reload", policy="continue")
    assert ids(report["failed"]) == [group[2].id]
    assert report["failed"][0]["result"] == "rejected"
    assert ids(report["converged"]) == [group[n].id for n in (0, 1, 3)]
    assert report["missing"] == []


def test_one_that_fails_later_is_named_and_who_is_through_stays(start: Start) -> None:
    group = start(3)
    group[2].control.on_call = fails()
    report = group[0].group.ask("users", "reload")
    assert group[0].id in ids(report["converged"])
    assert ids(report["failed"]) == [group[2].id]
    assert not report["success"]


def test_a_failure_after_the_first_halts_who_has_not_begun(start: Start) -> None:
    group = start(3)
    held = Held(group[2])
    before = Asking(group[0], "orders", "reload")  # keeps the third one busy
    assert held.entered.wait(20)
    wait_for(lambda: group[1].row()["revision"] == 1, "the second one is through")
    group[1].control.on_call = fails()
    asking = Asking(group[0], "users", "reload")
    wait_for(lambda: group[1].row()["revision"] == 2, "the second one's failure")
    held.go_on.set()
    report = asking.report()
    assert ids(report["converged"]) == [group[0].id]
    assert ids(report["failed"]) == [group[1].id]
    assert ids(report["missing"]) == [group[2].id]
    assert before.report()["converged"]
    assert group[2].control.calls == [("reload", "orders", False)]


def test_the_next_word_is_taken_after_one_that_was_halted(start: Start) -> None:
    group = start(3)
    group[0].control.on_call = fails()
    assert not group[0].group.ask("users", "reload")["success"]
    group[0].control.on_call = lambda *_: None
    report = group[1].group.ask("users", "reload")
    assert report["success"]
    assert ids(report["converged"]) == [i.id for i in group]


def test_the_lowest_takes_over_from_one_that_is_killed_while_it_tries(start: Start) -> None:
    group = start(4)
    held = Held(group[3])
    asking = Asking(group[3], "users", "reload")
    assert held.entered.wait(20)
    group[3].vanish()
    wait_for(
        lambda: [i.row()["revision"] for i in group[:3]] == [1, 1, 1], "the others carry it out"
    )
    report = asking.report()
    assert ids(report["converged"]) == [group[n].id for n in (0, 1, 2)]
    (missing,) = report["missing"]
    assert missing["instance"]["id"] == group[3].id
    assert "not heard of" in missing["why"]
    held.go_on.set()


def test_one_that_takes_over_and_fails_halts_the_others(start: Start) -> None:
    group = start(3)
    held = Held(group[2])
    group[0].control.on_call = fails()
    asking = Asking(group[2], "users", "reload")
    assert held.entered.wait(20)
    group[2].vanish()
    report = asking.report()
    assert ids(report["failed"]) == [group[0].id]
    assert ids(report["missing"]) == [group[1].id, group[2].id]
    assert group[1].control.calls == []
    held.go_on.set()


def test_one_that_is_stopped_before_its_word_leaves_nobody_waiting(start: Start) -> None:
    group = start(3)
    held = Held(group[2])
    Asking(group[0], "orders", "reload")
    assert held.entered.wait(20)
    asking = Asking(group[2], "users", "reload")
    wait_for(lambda: group[0].group.shown()["revision"] == 2, "the word")
    stopping = threading.Thread(target=group[2].group.stop)
    stopping.start()
    wait_for(lambda: len(group[0].group.shown()["instances"]) == 2, "it has left")
    wait_for(lambda: [i.row()["revision"] for i in group[:2]] == [2, 2], "the others go on")
    held.go_on.set()
    stopping.join()
    assert "this server is being stopped; the word stands" in asking.report()["note"]
    report = group[0].group.look(2)
    assert report["success"]
    assert (ids(report["converged"]), report["note"]) == ([group[0].id, group[1].id], "")


def test_a_word_that_kills_whoever_tries_it_does_not_go_through_the_group(start: Start) -> None:
    group = start(4)
    held = [Held(group[3]), Held(group[0])]
    asking = Asking(group[3], "users", "reload")
    assert held[0].entered.wait(20)
    group[3].vanish()
    assert held[1].entered.wait(20)
    group[0].vanish()
    wait_for(lambda: [i.row()["revision"] for i in group[1:3]] == [1, 1], "the others pass it")
    asking.report()
    report = group[1].group.look(1)
    assert report["converged"] == []
    assert ids(report["missing"]) == [i.id for i in group]
    reasons = {m["instance"]["id"]: m["why"] for m in report["missing"]}
    assert "one instance after the other was lost" in reasons[group[1].id]
    assert "not heard of" in reasons[group[0].id]
    assert [len(i.control.calls) for i in group] == [1, 0, 0, 1]
    assert group[1].group.ask("orders", "reload")["success"]
    for one in held:
        one.go_on.set()


def test_what_was_set_on_one_is_taken_by_all_whatever_becomes_of_it_elsewhere(
    start: Start,
) -> None:
    group = start(3)
    group[1].control.on_call = fails()
    group[0].group.tell_configured("users")
    wait_for(lambda: not group[0].group.look(1)["missing"], "the end of the word")
    assert [i.control.calls for i in group] == [[("catch_up", "users", False)]] * 3
    report = group[0].group.look(1)
    assert ids(report["failed"]) == [group[1].id]
    assert ids(report["converged"]) == [group[0].id, group[2].id]
