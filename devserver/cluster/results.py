"""What became of a word on one instance."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from devserver.store.tables import instance_results


class Ending(StrEnum):
    """How a word ended on an instance."""

    APPLIED = "applied"
    REJECTED = "rejected"
    """Validation refused it."""
    ROLLED_BACK = "rolled_back"
    REFUSED = "refused"
    """It could not be begun: no such plugin, others need it, a damaged package ..."""
    HALTED = "halted"
    """It was not begun, because it had failed on another instance."""

    @property
    def failed(self) -> bool:
        return self in FAILURES


FAILURES = (Ending.REJECTED, Ending.ROLLED_BACK, Ending.REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """An ending, with the line that tells it."""

    ending: Ending
    message: str


def keep_result(connection: Connection, instance: str, revision: int, result: Result) -> None:
    """Notes a result; the first one of a revision stays."""
    statement = insert(instance_results).values(
        instance=instance,
        revision=revision,
        result=str(result.ending),
        message=_storable(result.message),
    )
    connection.execute(statement.on_conflict_do_nothing())


def results_of(connection: Connection, revision: int) -> dict[str, Result]:
    """The results of a word, by instance."""
    columns = instance_results.c
    query = select(columns.instance, columns.result, columns.message)
    rows = connection.execute(query.where(columns.revision == revision))
    return {r.instance: Result(ending=Ending(r.result), message=r.message) for r in rows}


def first_failure(connection: Connection, revision: int) -> str | None:
    """The instance on which a word failed first, if it failed on one."""
    columns = instance_results.c
    query = select(columns.instance).where(
        columns.revision == revision, columns.result.in_([str(e) for e in FAILURES])
    )
    return connection.scalar(query.order_by(columns.reached_at, columns.instance).limit(1))


def _storable(text: str) -> str:
    """A plugin's message may hold what PostgreSQL cannot keep."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")
