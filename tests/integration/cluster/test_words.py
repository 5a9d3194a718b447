"""Words to all instances: each is carried out everywhere, once, in one order."""

from __future__ import annotations

import threading

import pytest

from devserver.cluster.words import Action, Words
from devserver.core.errors import DevServerError
from devserver.core.names import EVERY
from devserver.core.outcome import Result
from tests.integration.cluster.conftest import Start
from tests.integration.cluster.fakes import ids
from tests.integration.lab import wait_for


@pytest.mark.parametrize("action", ["enable", "disable", "reload"])
def test_a_word_is_carried_out_by_every_instance(start: Start, action: str) -> None:
    group = start(4)
    report = group[1].group.ask("users", action)
    assert report["success"]
    assert (report["revision"], report["plugin"], report["action"]) == (1, "users", action)
    assert ids(report["converged"]) == [i.id for i in group]
    assert [i.control.calls for i in group] == [[(action, "users", False)]] * 4


def test_force_travels_with_the_word(start: Start) -> None:
    group = start(2)
    group[0].group.ask("users", "disable", options={"force": True})
    assert [i.control.calls for i in group] == [[("disable", "users", True)]] * 2


def test_all_plugins_are_one_word(start: Start) -> None:
    group = start(2)
    report = group[0].group.ask(EVERY, "reload", options={"backup_state": True})
    assert (report["success"], report["revision"], report["plugin"]) == (True, 1, "*")
    names = sorted(r.name for r in group[0].control.registry.view.plugins.values())
    said = [("reload, state kept", name, False) for name in names]
    assert [i.control.calls for i in group] == [said] * 2


def test_one_plugin_that_fails_fails_the_word_for_all_of_them(start: Start) -> None:
    group = start(2)
    group[0].control.on_call = lambda _deed, name: Result.REJECTED if name == "users" else None
    report = group[0].group.ask(EVERY, "reload")
    assert not report["success"]
    first = next(f for f in report["failed"] if f["instance"]["id"] == group[0].id)
    assert (first["result"], first["message"]) == ("rejected", "reload users: rejected")
    assert len(group[0].control.calls) > 1
    assert group[1].control.calls == []


def test_twenty_quick_words_come_in_their_order_and_once(start: Start) -> None:
    group = start(3)
    words = [Words(i.database) for i in group]
    said = []
    for number in range(20):
        action = Action.ENABLE if number % 3 else Action.DISABLE
        name = "users" if number % 2 else "orders"
        speaker = number % 3
        words[speaker].say(name, action, instance=group[speaker].id)
        said.append((str(action), name, False))
    wait_for(lambda: all(i.row()["revision"] == 20 for i in group), "revision 20")
    assert [i.control.calls for i in group] == [said] * 3


def test_two_who_speak_at_once_are_heard_one_after_the_other(start: Start) -> None:
    group = start(4)
    gate = threading.Barrier(2)
    asked = []

    def ask(number: int, action: str) -> None:
        gate.wait()
        asked.append(group[number].group.ask("users", action))

    threads = [threading.Thread(target=ask, args=pair) for pair in ((0, "enable"), (1, "disable"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report["revision"] for report in asked) == [1, 2]
    assert all(report["success"] for report in asked)
    assert len({tuple(i.control.calls) for i in group}) == 1


def test_words_from_many_threads_get_every_number_once(start: Start) -> None:
    group = start(2)
    revisions: list[int] = []
    seen: list[int] = []
    over = threading.Event()

    def speak(instance: int) -> None:
        words = Words(group[instance].database)
        for _ in range(10):
            revisions.append(words.say("users", Action.RELOAD, instance=group[instance].id))

    def read() -> None:
        words = Words(group[0].database)
        while not over.is_set():
            word = words.after(len(seen))
            if word is not None:
                seen.append(word.revision)

    reader = threading.Thread(target=read)
    reader.start()
    speakers = [threading.Thread(target=speak, args=(n % 2,)) for n in range(4)]
    for thread in speakers:
        thread.start()
    for thread in speakers:
        thread.join()
    wait_for(lambda: len(seen) == 40, "all words")
    over.set()
    reader.join()
    assert sorted(revisions) == list(range(1, 41))
    assert seen == list(range(1, 41))


def test_an_instance_without_the_plugin_is_named(start: Start) -> None:
    group = start(3)
    group[2].control.registry.publish(remove=("users",))
    report = group[0].group.ask("users", "reload", policy="continue")
    assert not report["success"]
    assert ids(report["converged"]) == [group[0].id, group[1].id]
    (failed,) = report["failed"]
    assert failed["instance"]["id"] == group[2].id
    assert failed["result"] == "refused"
    assert "no plugin named 'users'" in failed["message"]


def test_a_fault_in_one_word_ends_neither_it_nor_the_next(start: Start) -> None:
    group = start(2)

    def broken(*_: str) -> Result | None:
        raise RuntimeError("what nobody thought of")

    group[1].control.on_call = broken
    report = group[0].group.ask("users", "reload", policy="continue")
    assert "what nobody thought of" in report["failed"][0]["message"]
    group[1].control.on_call = lambda *_: None
    assert group[0].group.ask("users", "reload")["success"]


def test_a_word_of_a_newer_program_is_refused_and_passed(start: Start) -> None:
    group = start(2)
    words = Words(group[0].database)
    words.say("users", "explode", instance=group[0].id, policy="continue")  # type: ignore[arg-type]
    report = group[0].group.ask("users", "reload")
    assert report["success"]
    assert group[0].group.look(1)["failed"][0]["result"] == "refused"


def test_a_message_that_no_database_can_keep_is_told_all_the_same(start: Start) -> None:
    (only,) = start(1)

    def odd(*_: str) -> Result | None:
        raise DevServerError("a \0 and a \udc80 in it")

    only.control.on_call = odd
    report = only.group.ask("users", "reload", timeout=20)
    assert report["failed"][0]["message"] == "a ? and a ? in it"
