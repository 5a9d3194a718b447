"""What a database refuses, as facts for the user."""

from __future__ import annotations

import re

from sqlalchemy.exc import DBAPIError

from devserver.core.errors import DatabaseUnavailable
from devserver.store.address import Address

_SQLITE = (
    (
        "database is locked",
        "is locked by another program or a long transaction of a plugin",
        "write for shorter (`ctx.db.commit()` ends a transaction), end the program that holds it "
        "(`fuser FILE`), or use PostgreSQL",
    ),
    ("is full", "cannot grow: the disk is full", "free some space; nothing was changed"),
    ("readonly", "may not be written", "check the permissions of the file and its folder"),
    ("unable to open", "cannot be opened", "check the folder and its permissions"),
    ("not a database", "is no SQLite database", "move the file away; a new one is made"),
    ("image is malformed", "is damaged", "restore it from a backup, or move it away"),
    ("disk I/O", "cannot be read or written", "check the disk; nothing was changed"),
)
_POSTGRES = (
    ("53100", "cannot grow: its disk is full", "free some space there; nothing was changed"),
    ("533", "takes no more connections", "raise max_connections, or end other clients"),
    ("57P", "is shutting down or starting", "wait until it runs"),
    ("28", "refuses the user or password", "correct the URL"),
    ("3D000", "is not there on its server", "create it with `createdb`"),
    ("42501", "refuses: the user lacks a right", "grant it to the user of the URL"),
    ("25006", "may not be written", "use the primary server"),
)
_AT_CONNECT = (
    (
        r"authentication failed|no password supplied|no pg_hba.conf entry"
        r"|role \".*\" (does|is) not",
        "28000",
    ),
    (r"database \".*\" does not exist", "3D000"),
    (r"permission denied for database", "42501"),
    (r"too many (clients|connections)|remaining connection slots", "53300"),
    (r"the database system is", "57P03"),
)
"""What a server answers before a connection stands comes without its state."""


def unavailable(error: DBAPIError, address: Address) -> DatabaseUnavailable | None:
    """The reason why the database cannot be used; None when the statement itself was wrong."""
    text = str(error.orig).strip()
    if address.is_sqlite:
        found = next(((told, hint) for sign, told, hint in _SQLITE if sign in text), None)
    else:
        state = _state_of(error.orig)
        found = next(
            ((told, hint) for sign, told, hint in _POSTGRES if state.startswith(sign)), None
        )
        if found is None and (error.connection_invalidated or not state):
            first = text.partition("\n")[0].removeprefix("connection failed: ")
            found = (f"cannot be reached: {first}", "start it, or correct the URL")
    if found is None:
        return None
    told, hint = found
    return DatabaseUnavailable(f"the database {address} {told}", hint=f"{hint} ({address.origin})")


def has_answered(error: BaseException) -> bool:
    """Whether the error of a connection that did not come about is what the server said."""
    return bool(_state_of(error))


def _state_of(error: BaseException | None) -> str:
    state = getattr(error, "sqlstate", None)
    found = (state for sign, state in _AT_CONNECT if re.search(sign, str(error)))
    return state or next(found, "")
