"""What a plugin has set while it runs: configuration overrides and data."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

LONGEST_KEY = 255
_UNKEPT = re.compile("[\0\ud800-\udfff]")
"""NUL, and halves of characters: databases keep neither."""


@dataclass(slots=True)
class Changes:
    """What one plugin has set, as JSON text by key; None takes a key out."""

    config: dict[str, str | None] = field(default_factory=dict)
    data: dict[str, str | None] = field(default_factory=dict)


def check_keys(keys: Iterable[str]) -> None:
    """Raises ValueError for a key that cannot be kept."""
    for key in keys:
        if not isinstance(key, str) or len(key) > LONGEST_KEY or _UNKEPT.search(key):
            raise ValueError(
                f"a key is text of at most {LONGEST_KEY} characters without NUL, not {key!r:.80}"
            )
