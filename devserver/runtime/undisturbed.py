"""Conditions under which much is read or made in one go."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unhurried() -> Iterator[None]:
    """For the time of the block other threads get a turn only four times a second, so that a value
    which they keep changing can be read in one go."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.25)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


@contextmanager
def without_collection() -> Iterator[None]:
    """For the time of the block no cyclic garbage is looked for: what is made in great numbers
    and kept would be gone through again and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
