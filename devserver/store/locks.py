"""Has several instances do one thing at a time."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, text


def lock(connection: Connection, name: str) -> None:
    """Waits until nobody else holds `name`; it is let go with the transaction. On SQLite the
    transaction of a `write` block is the lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key_of(name)})


def key_of(name: str) -> int:
    """The number that PostgreSQL knows a lock by."""
    digest = hashlib.sha256(f"devserver {name}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
