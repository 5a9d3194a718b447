"""The objects of a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

_LISTED = """
WITH spaces AS (
  SELECT oid, nspname FROM pg_namespace
  WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
), members AS (
  SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), owned AS (
  SELECT d.objid FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
  WHERE d.classid = 'pg_class'::regclass AND (
    (relkind = 'S' AND refclassid = 'pg_class'::regclass AND refobjsubid > 0
       AND deptype IN ('a', 'i'))
    OR (relkind IN ('i', 'I') AND refclassid = 'pg_constraint'::regclass AND deptype = 'i')
  )
)
SELECT kind, name FROM (
  SELECT 'extension' AS kind, format('%I', extname) AS name, oid, 'pg_extension'::regclass AS class
    FROM pg_extension
  UNION ALL
  SELECT 'schema', format('%I', nspname), oid, 'pg_namespace'::regclass FROM spaces
  UNION ALL
  SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                      WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'type' WHEN 'f' THEN 'foreign table'
                      WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' ELSE 'table' END,
         format('%I.%I', s.nspname, relname), c.oid, 'pg_class'::regclass
    FROM pg_class c JOIN spaces s ON s.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'c', 'f', 'i', 'I')
      AND c.oid NOT IN (SELECT objid FROM owned)
  UNION ALL
  SELECT CASE typtype WHEN 'd' THEN 'domain' ELSE 'type' END,
         format('%I.%I', s.nspname, typname), t.oid, 'pg_type'::regclass
    FROM pg_type t JOIN spaces s ON s.oid = typnamespace WHERE typtype IN ('e', 'd', 'r')
  UNION ALL
  SELECT CASE prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
         format('%I.%I(%s)', s.nspname, proname, pg_get_function_identity_arguments(p.oid)),
         p.oid, 'pg_proc'::regclass
    FROM pg_proc p JOIN spaces s ON s.oid = pronamespace
  UNION ALL
  SELECT 'trigger', format('%I ON %I.%I', tgname, s.nspname, relname), t.oid,
         'pg_trigger'::regclass
    FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid JOIN spaces s ON s.oid = relnamespace
    WHERE NOT tgisinternal AND tgparentid = 0
) found
WHERE NOT EXISTS (SELECT FROM members m WHERE m.objid = found.oid AND m.classid = found.class)
ORDER BY oid
"""
_DEPENDED_ON = "2BP01"


def listed(connection: Connection) -> list[tuple[str, str]]:
    """(kind, name), oldest first; without what belongs to extensions, constraints and columns."""
    found = connection.exec_driver_sql(_LISTED, execution_options={"no_parameters": True})
    return [(row.kind, row.name) for row in found]


def drop(connection: Connection, made: Sequence[tuple[str, str]]) -> str | None:
    """Drops all, whatever depends on what among them; gives what stands against the rest."""
    left = list(reversed(made))
    while left:
        before, refusal = len(left), None
        for batch in _batches(left):
            refused = _try(connection, batch)
            if refused is None:
                left = [one for one in left if one not in batch]
            refusal = refused or refusal
        if len(left) == before:
            return refusal
    return None


def _batches(left: Sequence[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """The tables go together, since they may refer to each other in a circle."""
    tables = [one for one in left if one[0] == "table"]
    for one in left:
        if one[0] != "table":
            yield [one]
    if tables:
        yield tables


def _try(connection: Connection, batch: Sequence[tuple[str, str]]) -> str | None:
    """Why the batch cannot be dropped now; None when it is."""
    kind = batch[0][0].upper()
    names = ", ".join(name for _, name in batch)
    statement = f"DROP {kind} IF EXISTS {names}"
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _DEPENDED_ON:
            raise
        detail = getattr(getattr(error.orig, "diag", None), "message_detail", None)
        return str(detail or error.orig).replace("\n", "; ")
    return None
