"""`sysctl dev token`."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from devserver.runtime.host_settings import read_host_settings

Sysctl = Callable[..., tuple[int, str, str]]


def test_what_is_shown_is_what_the_file_takes(sysctl: Sysctl, project: Path) -> None:
    code, out, _ = sysctl("dev", "token", 'o"ps', "-p", "users.*", "--permission", "orders.view")
    assert code == 0
    token = out.splitlines()[0].removeprefix("token (shown once): ")
    lines = [line for line in out.splitlines() if line.startswith("    ")]
    (project / "config").mkdir()
    (project / "config/main.yaml").write_text("auth:\n  tokens:\n" + "\n".join(lines))
    (entry,) = read_host_settings(project).auth.tokens
    assert entry.name == 'o"ps'
    assert entry.sha256 == hashlib.sha256(token.encode()).hexdigest()
    assert entry.permissions == ("users.*", "orders.view")
    assert yaml.safe_load("\n".join(lines))[0]["name"] == 'o"ps'


def test_json_has_the_token_and_its_entry(sysctl: Sysctl) -> None:
    document = json.loads(sysctl("dev", "token", "ci", "--json")[1])
    made = hashlib.sha256(document["token"].encode()).hexdigest()
    assert document["entry"] == {"name": "ci", "sha256": made, "permissions": []}


def test_a_token_of_ones_own_is_read_and_not_shown(
    sysctl: Sysctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a-token-of-my-own\n"))
    code, out, _ = sysctl("dev", "token", "ci", "--stdin")
    assert (code, "a-token-of-my-own" in out) == (0, False)
    assert hashlib.sha256(b"a-token-of-my-own").hexdigest() in out
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    code, _, err = sysctl("dev", "token", "ci", "--stdin")
    assert (code, "at least 16 characters" in err) == (2, True)
