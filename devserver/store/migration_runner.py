"""Makes steps of a migration's file, and does them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from devserver.core.diagnostics import Diagnostic
from devserver.store.address import Address
from devserver.store.failures import unavailable
from devserver.store.migration_files import MigrationFile
from devserver.store.migration_steps import Step
from devserver.store.sql_tokens import Dialect, Unfinished
from devserver.store.sqlite_alter import StepFailed
from devserver.store.statements import (
    Statement,
    lasting_effect,
    mentioned,
    split,
    transaction_word,
)
from devserver.store.time_limit import is_timeout

_SHOWN = 8
"""Lines of a statement that a diagnostic shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """A step, and the statement that it comes from."""

    statement: Statement
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMigration:
    """What a migration does on this database, in order; with `problems` it cannot be done."""

    file: MigrationFile
    steps: tuple[PlannedStep, ...]
    problems: tuple[Diagnostic, ...]

    @property
    def sql(self) -> str:
        """The statements as this database gets them; what is left out is a comment."""
        lines = []
        for planned in self.steps:
            step = planned.step
            lines += [f"-- line {planned.statement.line}: {step.note}"] if step.note else []
            if step.sql:
                lines.append(step.sql + ("" if step.run else ";"))
        return "\n".join(lines)


def plan(file: MigrationFile, dialect: Dialect, core: Collection[str]) -> PlannedMigration:
    """What a file does; nothing is run. `core` are tables that no plugin touches."""
    language: Dialect = dialect if file.is_own else "postgresql"
    try:
        statements = split(file.text, language)
    except Unfinished as error:
        line = file.text.count("\n", 0, error.start) + 1
        message = f"the file ends within {error.what}"
        hint = "close it; is the file still being written?"
        found = file.diagnostic("MIG011", message, hint=hint, line=line)
        return PlannedMigration(file=file, steps=(), problems=(found,))
    steps: list[PlannedStep] = []
    problems: list[Diagnostic] = []
    for statement in statements:
        refusal = _refusal(file, statement, language, core)
        if refusal is None:
            made = _steps(file, statement)
            steps += made if isinstance(made, list) else []
            refusal = made if isinstance(made, Diagnostic) else None
        problems += [refusal] if refusal is not None else []
    return PlannedMigration(file=file, steps=tuple(steps), problems=tuple(problems))


def _refusal(
    file: MigrationFile, statement: Statement, dialect: Dialect, core: Collection[str]
) -> Diagnostic | None:
    word = transaction_word(statement)
    if word is not None:
        hint = "leave it out: all pending migrations are one transaction already"
        return _at(file, statement, "MIG009", f"{word} in a migration", hint)
    what = lasting_effect(statement)
    if what is not None:
        hint = "run it by hand; a migration holds what a transaction can undo"
        return _at(file, statement, "MIG016", f"{what} does not fit into a transaction", hint)
    table = mentioned(statement, core, dialect)
    if table is not None:
        message = f"{table} is a table of the server itself"
        hint = "use a name of the plugin's own, such as PLUGIN_items"
        return _at(file, statement, "MIG010", message, hint)
    return None


def _steps(file: MigrationFile, statement: Statement) -> list[PlannedStep] | Diagnostic:
    if file.is_own:
        return [PlannedStep(statement=statement, step=Step(sql=statement.text))]
    # sqlglot takes a while to import, and only what is pending on SQLite needs it.
    from devserver.store.translation import translated
    from devserver.store.translation_expressions import Untranslatable

    try:
        steps = translated(statement.text)
    except Untranslatable as error:
        hint = f"write {file.id}.sqlite.sql for SQLite; {file.path.name} stays for PostgreSQL"
        return _at(file, statement, "MIG007", str(error), hint)
    return [PlannedStep(statement=statement, step=step) for step in steps]


def _at(
    file: MigrationFile, statement: Statement, code: str, message: str, hint: str | None
) -> Diagnostic:
    lines = min(statement.text.count("\n"), _SHOWN - 1)
    end = statement.line + lines
    return file.diagnostic(code, message, hint=hint, line=statement.line, end_line=end)


class MigrationStopped(Exception):
    """A step failed; `diagnostic` says which and why."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def run(connection: Connection, planned: PlannedMigration, address: Address) -> None:
    """Does all steps in the transaction of `connection`. Raises MigrationStopped."""
    for one in planned.steps:
        step = one.step
        try:
            if step.when is not None and not step.when(connection):
                continue
            if step.run is not None:
                step.run(connection)
            elif step.sql:
                connection.exec_driver_sql(step.sql, execution_options={"no_parameters": True})
        except StepFailed as error:
            raise MigrationStopped(_failed(planned.file, one, str(error))) from error
        except DBAPIError as error:
            raise MigrationStopped(_refused(planned.file, one, error, address)) from error


def _refused(
    file: MigrationFile, one: PlannedStep, error: DBAPIError, address: Address
) -> Diagnostic:
    if is_timeout(error):
        hint = "end what holds its tables, or raise reload.timeout in config/hot-loading.yaml"
        return _at(file, one.statement, "MIG008", "it took too long, and was given up", hint)
    problem = unavailable(error, address)
    if problem is not None:
        return _at(file, one.statement, "MIG018", problem.message, problem.hint)
    diag = getattr(error.orig, "diag", None)
    message = str(getattr(diag, "message_primary", None) or error.orig).strip()
    detail = getattr(diag, "message_detail", None)
    message += f" ({detail})" if detail else ""
    found = _failed(file, one, message, hint=getattr(diag, "message_hint", None))
    position = getattr(diag, "statement_position", None)
    if position is None:
        return found
    line = one.statement.line + one.statement.text.count("\n", 0, int(position) - 1)
    return file.diagnostic("MIG008", found.message, hint=found.hint, line=line)


def _failed(
    file: MigrationFile, one: PlannedStep, message: str, *, hint: str | None = None
) -> Diagnostic:
    if not file.is_own and hint is None:
        shown = " ".join(one.step.sql.split())
        hint = (
            f"it ran as `{shown}`; if only SQLite cannot do it, write {file.id}.sqlite.sql"
            if len(shown) <= 200
            else f"if only SQLite cannot do it, write {file.id}.sqlite.sql"
        )
    return _at(file, one.statement, "MIG008", message, hint or "nothing of it was kept")
