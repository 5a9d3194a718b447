"""Reloads one after the other under a steady load of everything HTTP has, over real HTTP."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.e2e.running import Running
from tests.guarantees.g04_no_request_is_lost.load import KINDS, Load
from tests.guarantees.g04_no_request_is_lost.stamped import files, mixtures, sources
from tests.guarantees.g04_no_request_is_lost.wire import Wire
from tests.integration.lab import Lab, wait_for

Serve = Callable[..., Running]
TURNS = (("rates",), ("shop", "report"), ("rates", "shop", "report"), ("report",))


def under_load(project: Lab, serve: Serve, reloads: int) -> Load:
    """Edits the provider, the dependents, all of them, one of them, and so on."""
    # A reload that nobody lets in is rolled back, and says why, before a client gives up.
    project.settings("reload:\n  timeout: 15\n")
    for place, text in files().items():
        project.write(place, text)
    server = serve()
    url = server.wait_for("ready")["url"]
    expected = dict.fromkeys(sources(0), 0)
    with Load(url) as load, Wire(url) as wire:
        wait_for(lambda: len(load.by_client) == 8, "the first answers")
        for edit, turn in zip(range(1, reloads + 1), itertools.cycle(TURNS), strict=False):
            for place in turn:
                project.replace(place, sources(edit)[place])
                expected[place] = edit
            wait_for(lambda: wire.ask("/report/edits").json() == expected, f"edit {edit}")
        wait_for(lambda: len(load.answered) == len(KINDS), "an answer of each kind")
    wait_for(lambda: len(outcomes(server)) >= reloads, "the last outcome")
    assert [o for o in outcomes(server) if not o["success"] or o["notes"]] == []
    return load


def outcomes(server: Running) -> list[dict[str, object]]:
    return [e["payload"] for e in list(server.events) if e["kind"] == "outcome"]


def test_60_reloads_under_load_lose_no_request_and_mix_none(project: Lab, serve: Serve) -> None:
    load = under_load(project, serve, 60)
    assert load.faults == []
    assert min(load.answered.values()) > 0


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_1000_reloads_under_load_lose_no_request_and_mix_none(project: Lab, serve: Serve) -> None:
    load = under_load(project, serve, 1000)
    print(f"{sum(load.answered.values())} requests: {dict(load.answered)}")
    assert load.faults == []
    assert min(load.by_client.values()) > 100


def test_a_mixed_answer_would_be_seen() -> None:
    assert mixtures({"rates": ["a", "a"], "shop": ["b"]}) == []
    assert mixtures({"rates": ["a", "c"], "shop": ["b"]}) == ["rates: ['a', 'c']"]
    assert mixtures([{"shop": ["a"]}, {"shop": ["b"]}]) == ["shop: ['a', 'b']"]
