"""Enable and disable while a server runs."""

from __future__ import annotations

import json
from collections.abc import Callable

from cli_fakes import FakeApi

Sysctl = Callable[..., tuple[int, str, str]]
NOT_KEPT = {
    "message": "Plugin users disabled for this run only",
    "routes_affected": 2,
    "plugins": ["users"],
    "kept": False,
    "notes": ["kept for this run only, until the database takes it: the disk is full"],
}


def test_a_word_that_was_not_kept_is_a_failure_that_says_so(sysctl: Sysctl, api: FakeApi) -> None:
    api.answers["POST /api/plugins/users/disable"] = (200, NOT_KEPT)
    code, out, err = sysctl("plugins", "disable", "users")
    assert (code, out) == (1, "Plugin users disabled for this run only, routes affected: 2\n")
    assert err == f"warning: {NOT_KEPT['notes'][0]}\n"  # type: ignore[index]
    code, out, err = sysctl("--json", "plugins", "disable", "users")
    assert (code, json.loads(out)) == (1, NOT_KEPT)


def test_a_note_on_one_that_was_kept_is_told_and_no_failure(sysctl: Sysctl, api: FakeApi) -> None:
    answer = {**NOT_KEPT, "kept": True, "notes": ["while letting go: left behind: shutdown"]}
    api.answers["POST /api/plugins/users/disable"] = (200, answer)
    code, _, err = sysctl("plugins", "disable", "users")
    assert (code, err) == (0, "note: while letting go: left behind: shutdown\n")
