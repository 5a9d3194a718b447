"""Fingerprints of values, by which it is told whether they changed."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable, Mapping
from typing import Any

from devserver.runtime.capture import Capture
from devserver.runtime.interrupt import HookInterrupted

_ATTEMPTS = ((True, False), (False, False), (False, True))
"""Whether structural, whether deferred."""
_NO_COPY = len(_ATTEMPTS)
_STRUCTURAL_LIMIT = 16 * 1024 * 1024
"""Bytes up to which a value is written out without regard to what it shares: without memory of
what was written, shared parts of shared parts would grow for ever."""

OTHER = b"other"
"""The fingerprint of a value that was found to be another one before it was read to its end."""


def fingerprint(
    value: Any,
    substitutes: Mapping[int, str],
    find_module: Callable[[str], types.ModuleType | None],
    entries: Mapping[tuple[str, str], str] | None = None,
    *,
    expected: bytes | None = None,
) -> bytes:
    """Equal for equal values; for what cannot be copied, equal for the same object.

    With `expected`, an earlier fingerprint, the value is read no further than what had that:
    a small value that has become a large one costs what the small one did.
    """
    attempts, limit = range(_NO_COPY), None
    if expected is not None and expected[0] < _NO_COPY:
        attempts, limit = range(expected[0], expected[0] + 1), _size_in(expected)
    for attempt in attempts:
        structural, deferred = _ATTEMPTS[attempt]
        capture = Capture(
            substitutes,
            plugins=None,
            find_module=find_module,
            entries=entries,
            prints=True,
            structural=structural,
            deferred=deferred,
        )
        digest = _Digest(_STRUCTURAL_LIMIT if limit is None and structural else limit)
        try:
            capture.dump_to(digest, value)
        except _TooLarge:
            if limit is not None:
                return OTHER
        except HookInterrupted:
            raise
        except BaseException:  # noqa: BLE001 - a plugin's __reduce__ may raise anything
            continue
        else:
            return bytes([attempt]) + digest.result()
    return OTHER if limit is not None else bytes([_NO_COPY]) + str(id(value)).encode()


def _size_in(expected: bytes) -> int:
    return int.from_bytes(expected[1:9], "big")


class _TooLarge(Exception):
    """More was written than there can be."""


class _Digest:
    """Takes what is written as size and hash."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._size = 0
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._limit is not None and self._size > self._limit:
            raise _TooLarge
        self._hash.update(data)

    def result(self) -> bytes:
        return self._size.to_bytes(8, "big") + self._hash.digest()
