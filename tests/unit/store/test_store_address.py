"""Where the database is."""

from __future__ import annotations

from pathlib import Path

import pytest

from devserver.store.address import BadAddress, find_address


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite:///file:x.db?uri=true", "names a file by a URI"),
        ("sqlite:///file:/tmp/x.db?mode=ro&uri=true", "names a file by a URI"),
        ("sqlite:///:memory:", "memory keeps nothing"),
        ("sqlite://", "memory keeps nothing"),
        ("mysql://host/name", "'mysql', which is not supported"),
        ("no url", "no database URL"),
    ],
)
def test_what_names_no_file_or_server_is_refused(url: str, told: str) -> None:
    with pytest.raises(BadAddress, match=told) as refused:
        find_address(Path("/project"), {}, {"SYSCTL_DATABASE_URL": url})
    assert "sqlite:///instance/devserver.sqlite" in str(refused.value.hint)


def test_a_relative_file_is_below_the_project() -> None:
    found = find_address(Path("/project"), {"url": "sqlite:///kept/x.db"}, {})
    assert found.file == Path("/project/kept/x.db")


def test_no_password_of_the_address_is_shown_wherever_it_stands() -> None:
    url = "postgresql://me:hunter2@db/shop?password=hunter2&sslpassword=hunter2&sslmode=require"
    shown = str(find_address(Path("/project"), {"url": url}, {}))
    assert "hunter2" not in shown
    assert "password=***" in shown
    assert "sslmode=require" in shown
