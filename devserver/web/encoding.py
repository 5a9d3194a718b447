"""JSON as this server gives it out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from flask.json.provider import DefaultJSONProvider, _default
from pydantic import BaseModel


class JSON(DefaultJSONProvider):
    """Keys stay in their order, times are ISO 8601, sets are lists, and what JSON cannot say
    (NaN, infinities) is null."""

    sort_keys = False
    ensure_ascii = False

    @staticmethod
    def default(value: Any) -> Any:
        """The JSON form of a value that json does not know; TypeError when there is none."""
        if isinstance(value, (datetime, date)):
            return value.isoformat()
        if isinstance(value, BaseModel):
            return value.model_dump(mode="json")
        if isinstance(value, (set, frozenset, tuple)):
            return sorted(value, key=str)
        if isinstance(value, Mapping):
            return dict(value)
        return _default(value)

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        try:
            text = super().dumps(obj, allow_nan=False, **kwargs)
        except ValueError:
            obj = _finite(obj, 0)
            text = super().dumps(obj, allow_nan=False, **kwargs)
        try:
            text.encode()
        except UnicodeEncodeError:  # half a surrogate pair, such as from a file name
            return super().dumps(obj, allow_nan=False, **{**kwargs, "ensure_ascii": True})
        return text


def _finite(value: Any, depth: int) -> Any:
    if depth > 200:
        raise ValueError("the value is nested too deeply, or holds itself")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {k: _finite(v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_finite(v, depth + 1) for v in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _finite(dataclasses.asdict(value), depth + 1)
    return value
