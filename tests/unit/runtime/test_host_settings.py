"""config/main.yaml: what is wrong with it is told with its place, and never what may be secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from devserver.core.errors import DevServerError
from devserver.runtime.host_settings import HostSettings, read_host_settings

HASH = "'" + "a1" * 32 + "'"


def read(root: Path, text: str) -> HostSettings:
    (root / "config").mkdir()
    (root / "config/main.yaml").write_bytes(text.encode("latin-1"))
    return read_host_settings(root)


def entry(permissions: str) -> str:
    return f"auth: {{tokens: [{{name: ci, sha256: {HASH}, permissions: {permissions}}}]}}"


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("server:\n  prot: 3", "config/main.yaml:2:3: unknown key server.prot", "server.port?"),
        ("server: {port: 99999}", ":1:16: server.port must be a whole number from 0", "8080"),
        ("health: {timeout: 0}", "health.timeout must be a number of seconds above 0", "2.0"),
        ("on_plugin_failure: stop", "on_plugin_failure must be continue or abort", "continue"),
        (
            "auth: {tokens: [{sha256: " + HASH + "}]}",
            "auth.tokens[0].name is missing",
            "no default",
        ),
        ("auth: {tokens: [{nam: x, name: ci, sha256: " + HASH + "}]}", "tokens[0].nam", ".name?"),
        (entry("orders.view"), "permissions must be a list of keys", "[]"),
        (entry("['*.view']"), "permissions[0] must be a key or one that ends in `.*`", "orders.*"),
        ("server: [", "config/main.yaml:1:10: ", "indentation"),
        ("server: {host: caf\xe9}", "config/main.yaml is not UTF-8", "UTF-8"),
    ],
)
def test_what_is_wrong_is_told_with_place_and_way_out(
    tmp_path: Path, text: str, told: str, hint: str
) -> None:
    with pytest.raises(DevServerError) as raised:
        read(tmp_path, text)
    assert told in raised.value.message
    assert hint in str(raised.value.hint)


@pytest.mark.parametrize(
    "text",
    [
        "auth: {tokens: [{name: ci, sha256: hunter-two}]}",
        "auth: {tokens: [hunter-two]}",
        "auth: {tokens: {ci: hunter-two}}",
        "database: postgresql://me:hunter-two@host/name",
    ],
)
def test_a_secret_at_the_wrong_place_is_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(DevServerError) as raised:
        read(tmp_path, text)
    assert "hunter-two" not in f"{raised.value.message} {raised.value.hint}"


def test_grants_are_keys_and_what_is_below_them(tmp_path: Path) -> None:
    settings = read(tmp_path, entry("[orders.view, 'orders.*', 'shop:*', '*']"))
    assert settings.auth.tokens[0].permissions == ("orders.view", "orders.*", "shop:*", "*")
