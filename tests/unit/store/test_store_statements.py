"""Where statements end, and which may not stand in a migration."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devserver.store.sql_tokens import Dialect, Unfinished
from devserver.store.statements import lasting_effect, mentioned, split, transaction_word

BOTH: tuple[Dialect, ...] = ("postgresql", "sqlite")


def texts(sql: str, dialect: Dialect = "postgresql") -> list[str]:
    return [s.text for s in split(sql, dialect)]


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("", 0),
        (" ;; ; \n", 0),
        ("-- nothing; here\n", 0),
        ("/* a; b */", 0),
        ("SELECT 1", 1),
        ("SELECT 1; SELECT 2", 2),
        ("SELECT 1; SELECT 2;\n", 2),
        ("SELECT 'a;b'; SELECT 'it''s; so'", 2),
        ('SELECT "a;b"; SELECT "x"";""y"', 2),
        ("SELECT 1 -- one; two\n; SELECT 2", 2),
        ("SELECT 1 /* one; two */; SELECT 2", 2),
        ("CREATE TABLE a (x TEXT DEFAULT ';'); SELECT 1", 2),
        ("SELECT CASE WHEN 1 THEN 2 END; SELECT 3", 2),
        ("SELECT 'a\\'; SELECT 'b'", 2),
        ("SELECT 1 - -1; SELECT 2", 2),
        ("SELECT é; SELECT ü", 2),
    ],
)
def test_semicolons_end_statements_only_where_they_do(
    sql: str, count: int, dialect: Dialect
) -> None:
    assert len(split(sql, dialect)) == count


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("SELECT $$a;b$$; SELECT 1", 2),
        ("SELECT $x$a;$$;b$x$; SELECT 1", 2),
        ("DO $body$ BEGIN PERFORM 1; END; $body$; SELECT 1", 2),
        ("SELECT E'a\\';b'; SELECT 1", 2),
        ("SELECT a$b$c; SELECT 1", 2),
        ("SELECT $1; SELECT $2", 2),
        ("/* a /* b; */ c; */ SELECT 1; SELECT 2", 2),
        ("CREATE RULE r AS ON INSERT TO a DO (SELECT 1; SELECT 2); SELECT 3", 2),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1;"
            " SELECT CASE WHEN true THEN 1 END; END; SELECT 2",
            2,
        ),
    ],
)
def test_what_postgresql_quotes(sql: str, count: int) -> None:
    assert len(split(sql, "postgresql")) == count


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("SELECT [a;b]; SELECT `c;d`", 2),
        ("SELECT '$$'; SELECT '$$'", 2),
        ("/* a /* b */ SELECT 1; SELECT 2", 2),
        (
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET x = 1;"
            " UPDATE a SET y = CASE WHEN 1 THEN 2 END; END; SELECT 1",
            2,
        ),
        (
            "CREATE TEMP TRIGGER IF NOT EXISTS t AFTER INSERT ON a BEGIN SELECT 1; END",
            1,
        ),
    ],
)
def test_what_sqlite_quotes(sql: str, count: int) -> None:
    assert len(split(sql, "sqlite")) == count


@pytest.mark.parametrize(
    ("sql", "dialect", "what", "line"),
    [
        ("SELECT 1;\nSELECT 'abc", "sqlite", "a string", 2),
        ('SELECT "abc', "postgresql", "a quoted name", 1),
        ("SELECT [abc", "sqlite", "a quoted name", 1),
        ("\n\n/* abc", "sqlite", "a comment", 3),
        ("/* /* */", "postgresql", "a comment", 1),
        ("DO $x$ BEGIN $$", "postgresql", "a text that $x$ opens", 1),
        ("CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1;", "sqlite", "a body that BEGIN", 1),
    ],
)
def test_a_text_that_is_cut_is_told_where_it_opened(
    sql: str, dialect: Dialect, what: str, line: int
) -> None:
    with pytest.raises(Unfinished) as caught:
        split(sql, dialect)
    assert caught.value.what.startswith(what)
    assert sql.count("\n", 0, caught.value.start) + 1 == line


def test_each_statement_knows_its_line_and_is_the_text_of_the_file() -> None:
    sql = "-- first\nSELECT 1;\n\n/* second\n */ SELECT\n 2;"
    found = split(sql, "postgresql")
    assert [(s.line, s.text) for s in found] == [(2, "SELECT 1"), (5, "SELECT\n 2")]
    assert [sql[s.start :][:6] for s in found] == ["SELECT", "SELECT"]


@given(st.text(alphabet="ab'\"$;-/*\\()[]` \nE"))
def test_any_text_is_split_or_refused(sql: str) -> None:
    for dialect in BOTH:
        with suppress(Unfinished):
            assert all(s.text in sql and s.text.strip() for s in split(sql, dialect))


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("BEGIN", "BEGIN"),
        ("begin transaction", "BEGIN"),
        ("START TRANSACTION", "START TRANSACTION"),
        ("COMMIT", "COMMIT"),
        ("END", "END"),
        ("ROLLBACK TO x", "ROLLBACK"),
        ("SAVEPOINT x", "SAVEPOINT X"),
        ("RELEASE x", "RELEASE"),
        ("ABORT", "ABORT"),
        ("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION"),
        ("/* x */ COMMIT", "COMMIT"),
        ("PREPARE x AS SELECT 1", None),
        ("SELECT 1 AS begin", None),
        ("CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END", None),
    ],
)
def test_words_of_transactions_are_found(sql: str, word: str | None) -> None:
    assert transaction_word(split(sql, "sqlite")[0]) == word


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("VACUUM", "VACUUM"),
        ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys"),
        ("PRAGMA defer_foreign_keys = ON", None),
        ("ATTACH 'x' AS y", "ATTACH"),
        ("CREATE INDEX CONCURRENTLY i ON a (x)", "CONCURRENTLY"),
        ("CREATE DATABASE x", "CREATE DATABASE"),
        ("SET search_path TO x", "SET SEARCH_PATH TO"),
        ("SET LOCAL search_path TO x", "SET LOCAL SEARCH_PATH"),
        ("SET LOCAL lock_timeout = '1s'", None),
        ("SELECT pg_catalog.set_config('search_path', '', false)", "set_config()"),
        ("COPY a FROM stdin", "COPY"),
        ("ALTER TABLE a SET SCHEMA b", None),
        ("UPDATE a SET x = 1", None),
    ],
)
def test_what_does_not_fit_into_a_transaction_is_found(sql: str, what: str | None) -> None:
    assert lasting_effect(split(sql, "postgresql")[0]) == what


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE plugins",
        "DROP TABLE IF EXISTS a, plugins",
        'ALTER TABLE public."plugins" ADD COLUMN x INT',
        "ALTER TABLE ONLY Plugins DROP COLUMN x",
        "CREATE TABLE IF NOT EXISTS plugins (id INT)",
        "INSERT INTO plugins VALUES (1)",
        "UPDATE plugins SET status = 'x'",
        "DELETE FROM plugins",
        "TRUNCATE a, plugins",
        "SELECT * FROM a, plugins p",
        "SELECT * FROM a JOIN plugins ON true",
        "INSERT INTO a SELECT name FROM plugins",
        "CREATE TABLE a (x INT REFERENCES plugins (id))",
        "CREATE INDEX i ON plugins (name)",
        "CREATE TRIGGER t AFTER INSERT ON plugins BEGIN SELECT 1; END",
        "CREATE VIEW v AS SELECT * FROM (SELECT * FROM plugins) x",
        "COMMENT ON TABLE plugins IS 'x'",
        "COMMENT ON COLUMN plugins.name IS 'x'",
        "DO $$ BEGIN DELETE FROM plugins; END $$",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM plugins'",
        "DELETE FROM a USING plugins WHERE true",
    ],
)
def test_a_core_table_is_found_wherever_it_is_named(sql: str) -> None:
    assert mentioned(split(sql, "postgresql")[0], {"plugins"}, "postgresql") == "plugins"


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE a (plugins INT, x INT)",
        "SELECT plugins, x FROM a WHERE plugins = 1 ORDER BY x, plugins",
        "INSERT INTO a (x, plugins) VALUES (1, 2)",
        "INSERT INTO a VALUES ('DROP TABLE plugins')",
        "INSERT INTO a VALUES ($$DROP TABLE plugins$$)",
        "UPDATE a SET x = 1, plugins = 2",
        "SELECT 1 FROM mine.plugins",
        "CREATE TABLE a (x INT) -- FROM plugins",
        "CREATE INDEX i ON a (x, plugins)",
    ],
)
def test_the_word_alone_is_no_core_table(sql: str) -> None:
    assert mentioned(split(sql, "postgresql")[0], {"plugins"}, "postgresql") is None
