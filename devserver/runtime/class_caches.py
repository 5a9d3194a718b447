"""Caches of libraries that hold the classes and functions of plugins that have gone."""

from __future__ import annotations

import functools
import inspect
import sys
import typing


def forget_classes() -> None:
    """Empties them, until they are filled anew: typing keeps every class that `X | None` was
    written with, Python 3.12's inspect those that were looked at statically, FastAPI functions
    and models."""
    for clean in getattr(typing, "_cleanups", ()):
        clean()
    looked_at = getattr(inspect, "_shadowed_dict_from_mro_tuple", None)
    if looked_at is not None:
        looked_at.cache_clear()
    for name in [n for n in list(sys.modules) if n.startswith("fastapi.")]:
        for cached in list(vars(sys.modules[name]).values()):
            if isinstance(cached, functools._lru_cache_wrapper):
                cached.cache_clear()
