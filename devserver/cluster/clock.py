"""The database's clock: instances are on different machines, whose own clocks may differ."""

from __future__ import annotations

from sqlalchemy import Double, cast, func
from sqlalchemy.sql.elements import ColumnElement


def seconds_of(moment: ColumnElement[object]) -> ColumnElement[float]:
    """A moment of the database as Unix seconds."""
    return cast(func.extract("epoch", moment), Double)


def now() -> ColumnElement[float]:
    """Unix seconds, on the database's clock."""
    return seconds_of(func.clock_timestamp())
