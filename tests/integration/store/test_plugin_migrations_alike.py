"""The same migration has the same effect on both databases."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from devserver.store.migration_files import read_folder
from devserver.store.migration_runner import MigrationStopped, plan, run
from devserver.store.sql_tokens import Dialect
from tests.integration.store.conftest import open_database

BASE = """
CREATE TABLE b (id SERIAL PRIMARY KEY, name TEXT, x INT, j JSONB, ok BOOLEAN DEFAULT true);
CREATE TABLE a (id SERIAL PRIMARY KEY, name TEXT, x INT, b_id INT REFERENCES b (id));
INSERT INTO b (name, x) VALUES ('one', 1), ('Two', 2);
INSERT INTO a (name, x, b_id) VALUES ('one', 1, 1), ('two', NULL, 2), ('100%', -7, NULL);
"""
CASES = (
    """
INSERT INTO b (id, name) VALUES (1, 'new') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name
INSERT INTO b SELECT * FROM b ON CONFLICT DO NOTHING
INSERT INTO b DEFAULT VALUES
INSERT INTO b (name) VALUES ($$it's; so$$), ('é''s'), (NULL)
INSERT INTO b (x) VALUES ('12'::int), (NULL::int), (-3), (10 % 3), (7 / 2), (-7 / 2)
INSERT INTO b (j) VALUES ('{"a": [1, true]}'::jsonb), (jsonb_build_object('k', true, 'n', NULL))
INSERT INTO b (j) VALUES (jsonb_build_array(1, 'x', false, jsonb_build_array(2)))
INSERT INTO b (ok) VALUES (true), (false), (NULL), ('yes'::boolean)
INSERT INTO a (name, x) SELECT name, count(*) FROM b GROUP BY name HAVING count(*) > 0
INSERT INTO a (name) SELECT name FROM b UNION ALL SELECT 'z' ORDER BY 1 DESC LIMIT 2
INSERT INTO a (name, x) SELECT name, row_number() OVER (ORDER BY x DESC) FROM a
INSERT INTO a (name, x) SELECT name, row_number() OVER (ORDER BY x) FROM a
INSERT INTO a (x) SELECT x FROM a ORDER BY x LIMIT 1
INSERT INTO a (x) SELECT x FROM a ORDER BY x DESC LIMIT 1
WITH n AS (SELECT 3 AS v) INSERT INTO a (x) SELECT v FROM n
WITH RECURSIVE n (v) AS {n} INSERT INTO b (x) SELECT v FROM n LIMIT 5
UPDATE a SET name = b.name FROM b WHERE b.id = a.b_id
UPDATE a SET x = 9 WHERE name LIKE 't%'
UPDATE a SET x = 9 WHERE name LIKE 'T%'
UPDATE a SET x = 9 WHERE name LIKE '_n_'
UPDATE a SET x = 9 WHERE name LIKE '100*' OR name LIKE '[o]ne'
UPDATE a SET x = 9 WHERE name NOT LIKE '%o%'
UPDATE a SET x = 9 WHERE name ILIKE 'T%'
UPDATE a SET x = 7 WHERE x IS DISTINCT FROM 1
UPDATE a SET x = 7 WHERE x IS NOT DISTINCT FROM NULL
UPDATE a SET x = x + 1 WHERE name BETWEEN 'a' AND 'p'
UPDATE a SET x = CASE WHEN name = 'one' THEN 5 ELSE coalesce(x, 0) END
UPDATE a SET x = CASE x WHEN 1 THEN 2 ELSE 3 END
UPDATE a SET x = (SELECT max(x) FROM b) WHERE EXISTS (SELECT 1 FROM b WHERE b.id = a.b_id)
UPDATE a SET x = nullif(x, 1), name = lower(name) || upper('x') || length(name)
UPDATE a SET x = abs(x - 5) * 2 WHERE x IN (1, -7, NULL)
UPDATE a SET name = trim(name) || trim(' x '), x = -x
UPDATE a SET name = substring(name from 1 for 2)
UPDATE a SET name = replace(name, 'o', '0')
UPDATE a SET x = 3 WHERE name = 'one' OR name ILIKE '%W%' AND x > 1
UPDATE b SET ok = NOT ok WHERE ok
UPDATE b SET ok = (x > 1)
DELETE FROM a WHERE x NOT IN (SELECT x FROM b)
DELETE FROM a WHERE b_id IN (SELECT id FROM b WHERE x > 1)
TRUNCATE a RESTART IDENTITY; INSERT INTO a (x) VALUES (1)
TRUNCATE a; INSERT INTO a (x) VALUES (1)
ALTER TABLE a ADD COLUMN IF NOT EXISTS x INT DEFAULT 9; INSERT INTO a (name) VALUES ('n')
ALTER TABLE a ALTER COLUMN name SET DEFAULT 'n', ALTER x SET DEFAULT 4; {b}
ALTER TABLE a ALTER x SET DEFAULT 4; ALTER TABLE a ALTER x DROP DEFAULT; {b}
ALTER TABLE a ALTER name SET NOT NULL; ALTER TABLE a ALTER name DROP NOT NULL; {b}
ALTER TABLE a ALTER COLUMN x TYPE BIGINT; INSERT INTO a (x) VALUES (9007199254740993)
ALTER TABLE a RENAME COLUMN x TO y; ALTER TABLE a RENAME COLUMN y TO x; INSERT INTO a (x) VALUES (1)
CREATE INDEX i ON a (x); ALTER TABLE a DROP COLUMN x; ALTER TABLE a ADD COLUMN x INT DEFAULT 2
DROP TABLE a; CREATE TABLE a AS SELECT id, name, x, id AS b_id FROM b
DELETE FROM b WHERE id = 1
INSERT INTO a (b_id) VALUES (99)
INSERT INTO a (x) VALUES ('one')
INSERT INTO a (id) VALUES (1)
INSERT INTO b (j) VALUES ('{')
INSERT INTO b (ok) VALUES ('perhaps')
ALTER TABLE a ALTER x SET NOT NULL
ALTER TABLE a ADD CONSTRAINT c CHECK (x > 0)
ALTER TABLE a ADD CONSTRAINT c CHECK (x < 100); INSERT INTO a (x) VALUES (100)
ALTER TABLE a ADD CONSTRAINT c UNIQUE (x); INSERT INTO a (x) VALUES (1)
ALTER TABLE a ADD CONSTRAINT c FOREIGN KEY (x) REFERENCES b (id)
""".replace("{n}", "(SELECT 1 UNION ALL SELECT v + 1 FROM n)")
    .replace("{b}", "INSERT INTO a (b_id) VALUES (1)")
    .strip()
    .splitlines()
)


def effect(connection: Connection, sql: str, folder: Path, dialect: Dialect) -> Any:
    """The rows afterwards, or "refused" where the database said no."""
    (folder / "0001_case.sql").write_text(sql)
    [file] = read_folder(folder, dialect).files
    planned = plan(file, dialect, set())
    assert planned.problems == ()
    save = connection.begin_nested()
    try:
        run(connection, planned, ADDRESS[dialect])
        return [rows(connection, f"SELECT {columns}") for columns in QUERIES]
    except MigrationStopped:
        return "refused"
    finally:
        save.rollback()


QUERIES = ("name, x, b_id FROM a", "name, x, ok FROM b", "j FROM b WHERE j IS NOT NULL")
"""Without ids that are counted: PostgreSQL goes on counting when something is rolled back."""
ADDRESS: dict[str, Any] = {}


def rows(connection: Connection, sql: str) -> list[list[Any]]:
    found = [[plain(value) for value in row] for row in connection.execute(text(sql))]
    return sorted(found, key=repr)


def plain(value: Any) -> Any:
    """SQLite has neither booleans nor JSON."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value[:1] in "{[":
        return json.loads(value)
    return int(value) if isinstance(value, (Decimal, float)) and value == int(value) else value


@pytest.mark.parametrize("group", range(4))
def test_a_migration_has_the_same_effect_on_both(
    sqlite_url: str, postgres_url: str, tmp_path: Path, group: int
) -> None:
    found: dict[str, dict[str, Any]] = {}
    for dialect, url in (("sqlite", sqlite_url), ("postgresql", postgres_url)):
        database = open_database(url)
        ADDRESS[dialect] = database.address
        with database.write() as connection:
            folder = tmp_path / dialect
            folder.mkdir()
            (folder / "0001_base.sql").write_text(BASE)
            [file] = read_folder(folder, database.dialect).files
            run(connection, plan(file, database.dialect, set()), database.address)
            (folder / "0001_base.sql").unlink()
            found[dialect] = {
                sql: effect(connection, sql, folder, database.dialect) for sql in CASES[group::4]
            }
        database.close()
    here, there = found["sqlite"], found["postgresql"]
    assert {s: (here[s], there[s]) for s in here if here[s] != there[s]} == {}
