"""Fingerprints of values, by which it is told whether they changed."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable, Mapping
from typing import Any

from devserver.runtime.capture import Capture

_ATTEMPTS = ((True, False), (False, False), (False, True))
"""Whether structural, whether deferred."""


def fingerprint(
    value: Any,
    substitutes: Mapping[int, str],
    find_module: Callable[[str], types.ModuleType | None],
    entries: Mapping[tuple[str, str], str] | None = None,
) -> bytes:
    """Equal for equal values; for what cannot be copied, equal for the same object."""
    for structural, deferred in _ATTEMPTS:
        capture = Capture(
            substitutes,
            plugins=None,
            find_module=find_module,
            entries=entries,
            prints=True,
            structural=structural,
            deferred=deferred,
        )
        try:
            dumped = capture.dump(value)
        except Exception:  # noqa: BLE001 - a plugin's __reduce__ may raise anything
            continue
        return hashlib.sha256(dumped).digest()
    return f"object {id(value)}".encode()
