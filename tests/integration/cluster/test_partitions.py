"""An instance that cannot reach the database goes on, and catches up when it can."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devserver.core.errors import DatabaseUnavailable
from tests.integration.cluster.conftest import Start
from tests.integration.cluster.fakes import Asking, Instance, ids
from tests.integration.cluster.proxy import Proxy
from tests.integration.lab import wait_for
from tests.integration.store.conftest import execute


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    proxy = Proxy(postgres_url)
    yield proxy
    proxy.close()


def away(instance: Instance) -> list[str]:
    return [n for n in instance.notices if "out of reach" in n]


def back(instance: Instance) -> list[str]:
    return [n for n in instance.notices if "in reach again" in n]


def _is_live(viewer: Instance, of: Instance) -> bool:
    rows = {row["id"]: row for row in viewer.group.shown()["instances"]}
    return bool(rows[of.id]["live"])


def test_connections_that_are_ended_by_the_server_are_made_anew(
    start: Start, postgres_server: str
) -> None:
    group = start(3)
    for number in range(3):
        execute(
            postgres_server,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{group[0].database.address.url.database}'",
        )
        report = group[0].group.ask("users", "reload")
        assert report["success"], report
        assert [len(i.control.calls) for i in group] == [number + 1] * 3


def test_a_cut_off_instance_is_named_and_catches_up_by_itself(start: Start, proxy: Proxy) -> None:
    group = start(2)
    (far,) = start(1, url=proxy.url)
    assert group[0].group.ask("users", "reload")["success"]
    proxy.cut()
    report = group[0].group.ask("users", "disable")
    assert ids(report["converged"]) == [group[0].id, group[1].id]
    assert ids(report["missing"]) == [far.id]
    assert "cannot reach the database" in report["missing"][0]["why"]
    assert group[0].group.ask("orders", "disable")["success"]
    assert far.control.calls == [("reload", "users", False)]

    proxy.heal()
    wait_for(lambda: _is_live(group[0], far), "the lost one is back")
    wait_for(lambda: group[0].group.look(3)["success"], "what it missed is made up for")
    assert far.control.calls == [
        ("reload", "users", False),
        ("disable", "users", False),
        ("disable", "orders", False),
    ]
    wait_for(lambda: back(far), "it says that it is back")
    assert (len(away(far)), len(back(far))) == (1, 1)
    assert group[0].group.ask("users", "enable")["success"]


def test_a_word_in_the_middle_of_which_the_database_was_lost_is_reported_and_not_repeated(
    start: Start, proxy: Proxy
) -> None:
    (near,) = start(1)
    (far,) = start(1, url=proxy.url)

    def cut(*_: str) -> None:
        proxy.cut()

    far.control.on_call = cut
    asking = Asking(near, "users", "reload")
    wait_for(lambda: away(far), "it notices")
    far.control.on_call = lambda *_: None
    proxy.heal()
    asking.report()
    wait_for(lambda: near.group.look(1)["success"], "it reports what it had done")
    assert far.control.calls == [("reload", "users", False)]


def test_one_that_is_cut_off_while_it_tries_first_does_not_hold_the_others(
    start: Start, proxy: Proxy
) -> None:
    group = start(2)
    (far,) = start(1, url=proxy.url)

    def cut(*_: str) -> None:
        proxy.cut()

    far.control.on_call = cut
    with pytest.raises(DatabaseUnavailable):
        far.group.ask("users", "reload", timeout=0.5)
    wait_for(lambda: [i.row()["revision"] for i in group] == [1, 1], "the others carry it out")
    far.control.on_call = lambda *_: None
    proxy.heal()
    wait_for(lambda: group[0].group.look(1)["success"], "it is whole again")
    assert [len(i.control.calls) for i in (*group, far)] == [1, 1, 1]


def test_what_hears_nothing_any_more_still_reads(
    start: Start, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devserver.cluster.agent.POLL", 0.2)
    group = start(2)
    for instance in group:
        agent = instance.group._agent
        assert agent is not None
        connection = agent._listener._connection
        assert connection is not None
    # Nobody is told: the words are only in the tables.
    monkeypatch.setattr("devserver.cluster.words.wake_group", lambda *_: None)
    monkeypatch.setattr("devserver.cluster.rollout.wake_group", lambda *_: None)
    report = group[0].group.ask("users", "reload")
    assert report["success"]


def test_a_network_that_swallows_everything_for_a_while_is_survived(
    start: Start, proxy: Proxy
) -> None:
    group = start(2)
    (far,) = start(1, url=proxy.url)
    proxy.stall()
    report = group[0].group.ask("users", "reload")
    assert ids(report["missing"]) == [far.id]
    wait_for(lambda: away(far), "it says so, though TCP knows of nothing")
    proxy.heal()
    wait_for(lambda: group[0].group.look(1)["success"], "the lost one has caught up")
    assert far.control.calls == [("reload", "users", False)]


def test_an_instance_that_starts_without_its_database_joins_later(proxy: Proxy) -> None:
    proxy.cut()
    late = Instance(proxy.url, 1, "users")
    late.group.start(late.url)
    try:
        wait_for(lambda: away(late), "it says so")
        proxy.heal()
        wait_for(lambda: back(late), "it joins")
        assert late.group.ask("users", "reload")["success"]
    finally:
        late.stop()
