"""`sysctl database`: where everything is kept, and the migrations of plugins."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.commands import Group, Invocation, complete_plugin, examples, pass_invocation
from devserver.cli.failures import ExitCode, report
from devserver.cli.output import print_document

if TYPE_CHECKING:
    from devserver.cli.migrating import ProjectMigrations


@click.group(cls=Group, epilog=examples("database status", "database migrate --dry-run"))
def database() -> None:
    """Look at the database and bring it up to date. Works without a server."""


@database.command(epilog=examples("database status", "database status --json"))
@pass_invocation
def status(invocation: Invocation) -> int:
    """Show which database is used, and what is applied to it.

    Exits with 1 when it cannot be used.
    """
    with _migrations(invocation) as migrations:
        document = migrations.status()
    if invocation.as_json:
        print_document(document)
    else:
        _draw_status(document)
    if document["reachable"]:
        return ExitCode.OK
    report(document["error"], document["hint"], as_json=False)
    return ExitCode.FAILED


@database.command(
    epilog=examples(
        "database migrate", "database migrate users --dry-run", "database migrate users --redo"
    )
)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_plugin)
@click.option(
    "--redo",
    is_flag=True,
    help="Drop what the plugin's migrations made, with all rows, and run them again.",
)
@click.option("--dry-run", is_flag=True, help="Show the SQL; change nothing.")
@pass_invocation
def migrate(invocation: Invocation, *, name: str | None, redo: bool, dry_run: bool) -> int:
    """Bring the server's own tables up to date, then apply the migrations of plugins.

    All that is pending of a plugin is one transaction: it is applied, or nothing of it is. A
    server that runs for the project then reloads the plugins whose tables have changed.
    """
    if redo and name is None:
        raise click.UsageError("--redo is for one plugin: give its name")
    with _migrations(invocation) as migrations:
        migrations.require(name)
        if dry_run:
            return _preview(invocation, migrations, name, redo=redo)
        upgraded = migrations.upgrade_core()
        core = {**migrations.core(), "upgraded": upgraded}
        if not invocation.as_json:
            print(f"core tables: {'brought to' if upgraded else 'up to date at'} {core['head']}")
        rows = list(_told(migrations.migrate(name, redo=redo), invocation, _draw_applied))
    from devserver.cli.migrated import reload_migrated

    changed = [row["name"] for row in rows if row["applied"]]
    reloaded, code = reload_migrated(invocation, changed)
    if invocation.as_json:
        document = {"dry_run": False, "core": core, "plugins": rows, "reloaded": reloaded}
        print_document(document)
    return _exit_code(rows) or code


def _preview(
    invocation: Invocation, migrations: ProjectMigrations, name: str | None, *, redo: bool
) -> int:
    core = migrations.core()
    if not invocation.as_json:
        made = "up to date" if core["current"] else f"would be brought to {core['head']}"
        print(f"-- core tables: {made}")
    rows = list(_told(migrations.preview(name, redo=redo), invocation, _draw_pending))
    if invocation.as_json:
        print_document({"dry_run": True, "core": core, "plugins": rows})
    return _exit_code(rows)


@contextmanager
def _migrations(invocation: Invocation) -> Iterator[ProjectMigrations]:
    from devserver.cli.migrating import ProjectMigrations

    migrations = ProjectMigrations(invocation.project())
    try:
        yield migrations
    finally:
        migrations.close()


def _exit_code(rows: Iterable[dict[str, Any]]) -> ExitCode:
    return ExitCode.FAILED if any(row["error"] for row in rows) else ExitCode.OK


def _told(
    rows: Iterable[dict[str, Any]], invocation: Invocation, draw: Any
) -> Iterator[dict[str, Any]]:
    """The rows, each shown when it is there; failures go to stderr."""
    for row in rows:
        if not invocation.as_json and row["error"] is None:
            draw(row)
        if row["error"] is not None:
            _report_failure(row)
        yield row


def _report_failure(row: dict[str, Any]) -> None:
    from devserver.cli.frames import print_frames
    from devserver.core.diagnostics import Diagnostic

    found = [Diagnostic.from_json(d) for d in row["diagnostics"]]
    print_frames([d for d in found if d.file is not None], to=sys.stderr)
    report(row["error"], row["hint"], as_json=False)


def _draw_applied(row: dict[str, Any]) -> None:
    from devserver.cli.text import one_line

    applied = ", ".join(row["applied"])
    print(one_line(f"{row['name']}: {f'applied {applied}' if applied else 'nothing to do'}"))


def _draw_pending(row: dict[str, Any]) -> None:
    from devserver.cli.text import clean, one_line

    if not row["pending"]:
        print(one_line(f"-- {row['name']}: nothing to do"))
    for one in row["pending"]:
        print(f"\n-- {one_line(one['file'])}\n{clean(one['sql'])}")


def _draw_status(document: dict[str, Any]) -> None:
    from devserver.cli.tables import draw_facts, draw_table

    core = document["core"]
    facts = [
        ("database", document["url"]),
        ("given by", document["origin"]),
        ("dialect", document["dialect"]),
        ("reachable", "yes" if document["reachable"] else ("no", "red")),
    ]
    if core is not None:
        at = core["revision"] or "not made yet"
        told = "up to date" if core["current"] else f"{core['head']} is what this program needs"
        facts.append(("core tables", f"{at}, {told}"))
    draw_facts(facts)
    if document["plugins"]:
        print()
        columns = ("plugin", "applied", "pending", "drifted", "notes")
        draw_table(columns, [_status_row(row) for row in document["plugins"]])


def _status_row(row: dict[str, Any]) -> list[Any]:
    notes = [f"{d['code']} {d['message']}" for d in row["diagnostics"]]
    if not row["on_disk"]:
        notes = ["no longer in plugins/"]
    pending, drifted = ", ".join(row["pending"]), ", ".join(row["drifted"])
    return [
        row["name"],
        str(len(row["applied"])),
        (pending or "-", "yellow" if pending else ""),
        (drifted or "-", "red" if drifted else ""),
        "; ".join(notes),
    ]
