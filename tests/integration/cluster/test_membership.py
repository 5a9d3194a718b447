"""Who is in the group, and who begins where."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import select

from devserver.cluster import membership
from devserver.cluster.heart import Heart
from devserver.core.lifecycle import DesiredState, PluginStatus
from devserver.core.outcome import Result
from devserver.runtime.registry import PluginRecord
from devserver.store.records import Records
from devserver.store.tables import instance_results, instances
from tests.integration.cluster.conftest import Start
from tests.integration.cluster.fakes import Instance, ids
from tests.integration.lab import wait_for


def test_each_instance_shows_itself_and_the_others(start: Start) -> None:
    group = start(2)
    shown = group[1].group.shown()
    assert (shown["shared"], shown["self"], shown["revision"]) == (True, group[1].id, 0)
    assert [row["id"] for row in shown["instances"]] == [i.id for i in group]
    assert [row["is_self"] for row in shown["instances"]] == [False, True]
    first = shown["instances"][0]
    assert (first["url"], first["live"]) == (group[0].url, True)
    assert first["plugins"]["users"] == {"status": "active", "generation": 0, "version": ""}


def test_a_change_of_a_plugin_is_seen_by_the_others(start: Start) -> None:
    group = start(2)
    group[0].control.registry.publish(
        PluginRecord(name="users", status=PluginStatus.DISABLED, reason="")
    )

    def seen() -> bool:
        rows = {row["id"]: row for row in group[1].group.shown()["instances"]}
        return bool(rows[group[0].id]["plugins"]["users"]["status"] == "disabled")

    wait_for(seen, "the new status")


def test_one_that_stops_is_not_there_any_more(start: Start) -> None:
    group = start(2)
    group[0].stop()
    assert [row["id"] for row in group[1].group.shown()["instances"]] == [group[1].id]
    report = group[1].group.ask("users", "reload")
    assert report["success"]
    assert ids(report["converged"]) == [group[1].id]


def test_one_that_is_killed_is_shown_as_gone_and_not_asked_any_more(start: Start) -> None:
    group = start(2)
    group[0].vanish()
    wait_for(lambda: not _row(group[1], group[0])["live"], "its lease runs out")
    report = group[1].group.ask("users", "reload")
    assert report["success"]
    assert ids(report["converged"]) == [group[1].id]


def test_one_that_has_gone_is_forgotten_after_a_while(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = start(2)
    group[0].vanish()
    wait_for(lambda: not _row(group[1], group[0])["live"], "its lease runs out")
    monkeypatch.setattr(membership, "FORGOTTEN", 0.0)
    heart: Heart = group[1].group._heart  # type: ignore[assignment]
    heart._cleaned = float("-inf")
    wait_for(lambda: len(group[1].group.shown()["instances"]) == 1, "it is forgotten")


def test_one_that_starts_anew_takes_the_place_of_the_one_that_was_killed(start: Start) -> None:
    group = start(2)
    group[0].vanish()
    wait_for(lambda: not _row(group[1], group[0])["live"], "its lease runs out")
    successor = Instance(group[0].database.address.url.render_as_string(False), 7, "users")
    successor.url = group[0].url
    successor.start()
    try:
        wait_for(lambda: successor.row()["live"], "it has joined")
        shown = [row["id"] for row in group[1].group.shown()["instances"]]
        assert sorted(shown) == sorted([group[1].id, successor.id])
    finally:
        successor.stop()


def test_leases_are_told_by_the_clock_of_the_database(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = start(2)
    monkeypatch.setattr("time.time", lambda: 0.0)
    late = start(1)[0]
    assert [row["live"] for row in late.group.shown()["instances"]] == [True] * 3
    assert group[0].group.ask("users", "reload")["success"]


def test_a_lease_that_was_cleaned_away_is_taken_anew_at_the_same_revision(start: Start) -> None:
    group = start(2)
    group[0].group.ask("users", "reload")
    with group[0].database.write() as connection:
        connection.execute(instances.delete().where(instances.c.id == group[1].id))
    wait_for(lambda: len(group[0].group.shown()["instances"]) == 2, "it is back")
    assert group[1].row()["revision"] == 1
    assert group[0].group.ask("orders", "reload")["success"]
    assert len(group[1].control.calls) == 2


def test_a_new_instance_takes_what_is_wanted_now_and_no_history(start: Start) -> None:
    (first,) = start(1)
    for action in ("disable", "enable", "reload", "disable"):
        first.group.ask("users", action)
    first.group.ask("orders", "reload")
    (new,) = start(1)
    assert new.control.calls == [("disable", "users", False)]
    assert new.row()["revision"] == 5
    report = new.group.ask("orders", "enable")
    assert report["success"]
    assert new.control.calls[1:] == [("enable", "orders", False)]


def test_a_new_instance_does_not_take_what_was_halted(start: Start) -> None:
    (first,) = start(1)
    first.group.ask("users", "disable")
    first.control.on_call = lambda *_: Result.ROLLED_BACK
    assert not first.group.ask("users", "enable")["success"]
    (new,) = start(1)
    assert new.control.calls == [("disable", "users", False)]


def test_a_new_instance_waits_for_what_is_still_being_tried(start: Start) -> None:
    (first,) = start(1)
    first.group.ask("orders", "disable")
    entered, go_on = threading.Event(), threading.Event()

    def hold(*_: str) -> None:
        entered.set()
        assert go_on.wait(30)

    first.control.on_call = hold
    asked: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: asked.append(first.group.ask("users", "disable")))
    asking.start()
    assert entered.wait(20)
    (new,) = start(1)
    assert new.control.calls == [("disable", "orders", False)]
    assert new.row()["revision"] == 1
    go_on.set()
    asking.join()
    assert ids(asked[0]["converged"]) == [first.id, new.id]
    assert new.control.calls[1:] == [("disable", "users", False)]


def test_what_the_operator_said_to_one_instance_later_is_not_taken_back(start: Start) -> None:
    (first,) = start(1)
    first.group.ask("users", "enable")
    Records(first.database).set_status(["users"], DesiredState.INACTIVE)
    (new,) = start(1)
    assert new.control.calls == []
    assert new.row()["revision"] == 1


def test_a_word_that_a_new_instance_cannot_follow_is_told(start: Start) -> None:
    (first,) = start(1)
    first.group.ask("users", "disable")
    new = Instance(_url(first), 7)
    new.start()
    wait_for(lambda: new.row()["revision"] == 1, "it has come to the group's revision")
    with first.database.read() as connection:
        found = connection.execute(
            select(instance_results.c.result).where(instance_results.c.instance == new.id)
        ).scalars()
        assert list(found) == ["refused"]
    new.stop()


def _row(viewer: Instance, of: Instance) -> dict[str, Any]:
    return next(r for r in viewer.group.shown()["instances"] if r["id"] == of.id)


def _url(instance: Instance) -> str:
    return instance.database.address.url.render_as_string(hide_password=False)
