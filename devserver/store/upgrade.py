"""Brings the core tables up to date with Alembic."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from devserver.core.errors import DatabaseUnavailable
from devserver.store.database import Database
from devserver.store.locks import lock

HEAD = "0001"
"""The newest core migration of this program."""
_SCRIPTS = Path(__file__).with_name("core_migrations")


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreState:
    """`revision` is what the database is at, None for an empty one."""

    revision: str | None

    @property
    def is_current(self) -> bool:
        return self.revision == HEAD


def core_state(database: Database) -> CoreState:
    """What the core tables are at. Raises DatabaseUnavailable, also for a newer database."""
    with database.read() as connection:
        return CoreState(revision=_revision(connection, database))


def upgrade(database: Database) -> bool:
    """Makes the core tables what this program needs; False when they are already. Several
    instances that start at once do it once.

    Raises DatabaseUnavailable, also for a newer database.
    """
    if core_state(database).is_current:
        return False
    with database.write() as connection:
        lock(connection, "core migrations")
        if _revision(connection, database) == HEAD:
            return False
        _run(connection)
        return True


def _revision(connection: Connection, database: Database) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    known = {path.stem.partition("_")[0] for path in (_SCRIPTS / "versions").glob("[0-9]*.py")}
    if found is not None and found not in known:
        raise DatabaseUnavailable(
            f"the database {database.address} is of a newer version of this program "
            f"(its tables are at {found}, this program knows up to {HEAD})",
            hint=f"update this program, or use another database ({database.address.origin})",
        )
    return found


def _run(connection: Connection) -> None:
    # Only a database that is not up to date needs it, and it takes a while to import.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)

    def steps(revision: Any, _context: Any) -> Any:
        return scripts._upgrade_revs("head", revision)

    with EnvironmentContext(config, scripts, fn=steps) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()
