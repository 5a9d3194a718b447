"""What plugins set, as it is kept."""

from __future__ import annotations

import pytest

from devserver.core.values import LONGEST_KEY, check_keys


@pytest.mark.parametrize("key", ["a\0b", "a\udcffb", "a" * (LONGEST_KEY + 1), 3])
def test_a_key_that_no_database_keeps_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="a key is text"):
        check_keys(["fine", key])


def test_any_other_text_is_a_key() -> None:
    check_keys(["", "é.x/y", "a" * LONGEST_KEY])
