"""The database as plugin code sees it: one connection for each piece of work.

What a request, an event, a command, a task or a hook does through `ctx.db` is one transaction,
with all that it calls in turn. It is committed when the work returns, and rolled back when it
raises.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.errors import DatabaseUnavailable, DevServerError, MigrationFailed

Settle = Callable[[bool], None]
"""Ends a connection: commits, or rolls back for True. Raises DatabaseUnavailable, CommitFailed."""


class PluginDatabase(Protocol):
    """Gives connections to plugin code."""

    def connect(self) -> tuple[Any, Settle]:
        """A SQLAlchemy Connection, and what ends it. Raises DatabaseUnavailable."""

    def write(self) -> AbstractContextManager[Any]:
        """A connection for a block that is a transaction. Raises DatabaseUnavailable."""


class PluginSchema(Protocol):
    """Makes in the database what plugins need. All raise MigrationFailed, those about the seed
    DatabaseUnavailable."""

    def migrate(self, plugin: str, folder: Path, timeout: float) -> tuple[str, ...]:
        """Applies what is pending, each statement within `timeout` seconds; gives the ids."""

    def declare(self, plugin: str, schema: Any) -> None:
        """Makes what `get_database_schema()` answers."""

    def is_seeded(self, plugin: str) -> bool:
        """Whether `seed(db)` has been run."""

    def claim_seed(self, connection: Any, plugin: str) -> bool:
        """Records `seed(db)` as run, in a transaction that then runs it; False when it was."""


class NoDatabase:
    """Stands for a database that cannot be used."""

    def __init__(self, problem: DatabaseUnavailable) -> None:
        self._problem = problem

    def connect(self) -> tuple[Any, Settle]:
        raise self._problem

    def write(self) -> AbstractContextManager[Any]:
        raise self._problem

    def migrate(self, plugin: str, folder: Path, timeout: float) -> tuple[str, ...]:  # noqa: ARG002
        raise self._refused(plugin)

    def declare(self, plugin: str, schema: Any) -> None:  # noqa: ARG002
        raise self._refused(plugin)

    def is_seeded(self, plugin: str) -> bool:
        raise self._refused(plugin)

    def claim_seed(self, connection: Any, plugin: str) -> bool:  # noqa: ARG002
        raise self._refused(plugin)

    def _refused(self, plugin: str) -> MigrationFailed:
        message, hint = self._problem.message, self._problem.hint
        found = Diagnostic(
            code="MIG018", severity=Severity.ERROR, message=message, plugin=plugin, hint=hint
        )
        return MigrationFailed(message, hint=hint, diagnostics=[found])


class WorkScope:
    """The connection of one piece of work, opened when it is first asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Any = None
        self._settle: Settle | None = None
        self._over = False
        self._sequel: WorkScope | None = None

    def connection(self, database: PluginDatabase) -> Any:
        """The work's connection. Raises DatabaseUnavailable, or DevServerError when the work is
        over."""
        with self._lock:
            sequel = self._sequel
            if sequel is not None:
                return sequel.connection(database)
            if self._over:
                raise _outside()
            if self._settle is None:
                self._connection, self._settle = database.connect()
            return self._connection

    def continue_in(self, sequel: WorkScope) -> None:
        """Whoever asks for a connection from now on gets that of `sequel`, in every task of the
        work."""
        with self._lock:
            self._sequel = sequel

    def settle(self, *, failed: bool) -> None:
        """Commits or rolls back what was done so far. Raises DatabaseUnavailable, CommitFailed."""
        with self._lock:
            settle, self._settle, self._connection = self._settle, None, None
        if settle is not None:
            settle(failed)

    def end(self, *, failed: bool) -> None:
        """As `settle`, and nothing can be done any more."""
        self._over = True
        self.settle(failed=failed)


SCOPE: ContextVar[WorkScope | None] = ContextVar("devserver_work_scope", default=None)


def current_connection(database: PluginDatabase) -> Any:
    """The connection of the current work. Raises as `WorkScope.connection`, also outside of any
    work."""
    scope = SCOPE.get()
    if scope is None:
        raise _outside()
    return scope.connection(database)


@contextmanager
def work_scope() -> Iterator[WorkScope]:
    """The block is one piece of work."""
    scope = WorkScope()
    token = SCOPE.set(scope)
    try:
        yield scope
    except BaseException:  # whatever ends the work, its transaction ends with it
        scope.end(failed=True)
        raise
    else:
        scope.end(failed=False)
    finally:
        SCOPE.reset(token)


def _outside() -> DevServerError:
    return DevServerError(
        "ctx.db is there while a hook, request, event, command or task runs",
        hint="anywhere else use a block: `with self.ctx.transaction() as db:`",
    )
