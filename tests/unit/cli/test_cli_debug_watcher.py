"""`sysctl plugins debug-watcher`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cli_fakes import FakeApi

Sysctl = Callable[..., tuple[int, str, str]]
REPORT: dict[str, Any] = {
    "watching": True, "mode": "inotify", "off": False, "debounce_ms": 5, "force_polling": "auto",
    "patterns": ["plugins/**/*.py"], "ignore": ["**/.*"], "folders": ["plugins"],
    "changes": [{"time": 1_700_000_000.25, "paths": ["plugins/users.py"], "more": 3}],
    "missed": [],
    "inotify": {"max_user_watches": 1000, "max_user_instances": 128, "watches": 1,
                "instances": 1},
}  # fmt: skip
SEEN = {"path": "plugins/_x.py", "seen": True, "ms": 6.25, "timeout": 5.0, "problem": None}


def wrong(out: str) -> list[tuple[str, str]]:
    """Check and level of what is not ok; that has a next step."""
    found = [c for c in json.loads(out)["checks"] if c["level"] != "ok"]
    assert all(c["hint"] for c in found)
    return [(c["check"], c["level"]) for c in found]


def test_what_is_watched_and_what_was_seen_is_shown(api: FakeApi, sysctl: Sysctl) -> None:
    api.answers["GET /api/watch"] = (200, REPORT)
    code, out, _ = sysctl("plugins", "debug-watcher")
    assert code == 0
    for shown in ("inotify, 1 folder", "plugins/**/*.py", "**/.*", "plugins/users.py and 3 more"):
        assert shown in out
    assert api.asked("/api/watch/test") == []
    assert wrong(sysctl("plugins", "debug-watcher", "--json")[1]) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"off": True, "watching": False}, ("watch", "error")),
        ({"watching": False}, ("watch", "error")),
        ({"mode": "polling"}, ("watch", "warning")),
        ({"inotify": REPORT["inotify"] | {"max_user_watches": 1}}, ("inotify", "warning")),
        ({"missed": ["plugins/users/data.csv"]}, ("patterns", "warning")),
    ],
)
def test_what_is_wrong_has_a_next_step(
    api: FakeApi, sysctl: Sysctl, changes: dict[str, Any], expected: tuple[str, str]
) -> None:
    api.answers["GET /api/watch"] = (200, REPORT | changes)
    code, out, _ = sysctl("plugins", "debug-watcher", "--json")
    assert (code, wrong(out)) == (1 if expected[1] == "error" else 0, [expected])


@pytest.mark.parametrize("off", [True, False])
def test_where_nothing_is_watched_nothing_is_tested_and_no_pattern_is_to_blame(
    api: FakeApi, sysctl: Sysctl, off: bool
) -> None:
    api.answers["GET /api/watch"] = (200, REPORT | {"off": off, "watching": False})
    code, out, _ = sysctl("plugins", "debug-watcher", "--test-events", "--json")
    assert (code, wrong(out)) == (1, [("watch", "error")])
    assert "--no-hot-reload" not in out  # `start` watches nothing either
    assert api.asked("/api/watch/test") == []


@pytest.mark.parametrize(
    ("test", "code", "shown"),
    [
        (SEEN, 0, "seen 6.2 ms after it was written"),
        (SEEN | {"seen": False, "ms": None}, 1, "was not seen within 5 s"),
        (SEEN | {"seen": False, "problem": "x cannot be written"}, 1, "x cannot be written"),
        (SEEN | {"seen": False, "path": None}, 1, "no pattern watches a file"),
    ],
)
def test_test_events_tells_how_long_it_took_or_why_not(
    api: FakeApi, sysctl: Sysctl, test: dict[str, Any], code: int, shown: str
) -> None:
    api.answers["GET /api/watch"] = (200, REPORT)
    api.answers["POST /api/watch/test"] = (200, test)
    found, out, _ = sysctl("plugins", "debug-watcher", "--test-events")
    assert (found, shown in out) == (code, True)
    document = json.loads(sysctl("plugins", "debug-watcher", "--test-events", "--json")[1])
    assert document["test"] == test


def test_without_a_server_it_exits_with_4_and_says_how_to_start_it(sysctl: Sysctl) -> None:
    code, _, err = sysctl("plugins", "debug-watcher")
    assert (code, "sysctl dev server" in err) == (4, True)
