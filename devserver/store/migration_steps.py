"""What a migration does, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do on SQLite. `sql` is shown and, without `run`, executed; empty where there
    is nothing to do. `note` says why it differs. `when` is asked before."""

    sql: str
    note: str | None = None
    run: Callable[[Connection], None] | None = None
    when: Callable[[Connection], bool] | None = None
