"""`sysctl dev plugin`: work on single plugins."""

from __future__ import annotations

import click

from devserver.cli.commands import Group, Invocation, complete_plugin, examples, pass_invocation


@click.group(
    cls=Group,
    lazy={
        "debug": "devserver.cli.debugging.command:debug_all",
        "monitor": "devserver.cli.monitor.command:monitor",
    },
    epilog=examples("dev plugin validate users", "dev plugin validate --all"),
)
def plugin() -> None:
    """Check plugins while developing them."""


@plugin.command(
    epilog=examples(
        "dev plugin validate users",
        "dev plugin validate --all --watch",
        "dev plugin validate --all --fix",
        "dev plugin validate --all --format sarif",
    )
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_plugin)
@click.option("--all", "everything", is_flag=True, help="Validate every plugin.")
@click.option("--watch", is_flag=True, help="Go on, with what changes and its dependents.")
@click.option("--fix", is_flag=True, help="Correct what can be corrected without asking.")
@click.option("--diff", is_flag=True, help="With --fix: show what it would do, write nothing.")
@click.option(
    "--format",
    "chosen",
    type=click.Choice(["rich", "json", "github", "sarif"]),
    help="How to print findings; with --watch json is one line a run.  [default: rich]",
)
@pass_invocation
def validate(
    invocation: Invocation,
    *,
    names: tuple[str, ...],
    everything: bool,
    watch: bool,
    fix: bool,
    diff: bool,
    chosen: str | None,
) -> int:
    """Check plugins without running them.

    Exits with 5 when there are errors; warnings alone are no failure.
    """
    if bool(names) == everything:
        raise click.UsageError(
            "give the plugins to validate, or --all"
            if not names
            else "--all already means every plugin; leave out the names"
        )
    form = chosen or ("json" if invocation.as_json else "rich")
    _refuse_contradictions(form, as_json=invocation.as_json, watch=watch, fix=fix, diff=diff)
    from devserver.cli.validate import Validation, watch_and_validate

    validation = Validation(invocation.project(), scope=None if everything else names, form=form)
    if watch:
        return watch_and_validate(validation)
    return validation.fix(only_show=diff) if fix else validation.run_once()


def _refuse_contradictions(form: str, *, as_json: bool, watch: bool, fix: bool, diff: bool) -> None:
    if as_json and form != "json":
        raise click.UsageError(f"--json and --format {form} contradict each other")
    if watch and fix:
        raise click.UsageError("--fix corrects once; leave out --watch")
    if watch and form == "sarif":
        raise click.UsageError("a SARIF log is one document; with --watch use json or github")
    if diff and not fix:
        raise click.UsageError("--diff shows what --fix would do; add --fix")


@plugin.command(
    epilog=examples("dev plugin create my_plugin", "dev plugin create notes --template database")
)
@click.argument("name", metavar="NAME")
@click.option(
    "--template",
    type=click.Choice(["basic", "command", "routes", "service", "fastapi", "database"]),
    default="basic",
    show_default=True,
    help="What it is to have.",
)
@pass_invocation
def create(invocation: Invocation, *, name: str, template: str) -> int:
    """Make a new plugin, with tests. A running server puts it into service at once.

    Templates: basic (state, a route, configuration, health), command, routes (bodies, errors,
    permissions), service (for other plugins, with events), fastapi (an APIRouter), database
    (tables by migrations).
    """
    from devserver.cli.create import create_and_tell

    return create_and_tell(invocation, name, template)


@plugin.command(epilog=examples("dev plugin test users", "dev plugin test users --hot-reload"))
@click.argument("name", metavar="NAME", shell_complete=complete_plugin)
@click.argument("arguments", metavar="[-- PYTEST ARGUMENTS]", nargs=-1)
@click.option("--hot-reload", is_flag=True, help="Go on: run them again at every save.")
@pass_invocation
def test(invocation: Invocation, *, name: str, arguments: tuple[str, ...], hot_reload: bool) -> int:
    """Run a plugin's tests with pytest, without a server.

    They are in plugins/NAME/tests/, or in tests/test_NAME.py of the project. What follows `--`
    goes to pytest.
    """
    from devserver.cli.testing import PluginTests, watch_and_test

    tests = PluginTests(invocation.project(), name, arguments, as_json=invocation.as_json)
    return watch_and_test(tests) if hot_reload else tests.run()


@plugin.command(
    "analyze-deps",
    epilog=examples(
        "dev plugin analyze-deps",
        "dev plugin analyze-deps orders",
        "dev plugin analyze-deps --format svg > plugins.svg",
    ),
)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_plugin)
@click.option(
    "--format",
    "chosen",
    type=click.Choice(["rich", "json", "dot", "mermaid", "svg"]),
    help="How to print it.  [default: rich]",
)
@pass_invocation
def analyze_deps(invocation: Invocation, *, name: str | None, chosen: str | None) -> int:
    """Show who needs whom, what a save reloads, circles, and what is not there.

    Works without a server, from the files. Exits with 1 when there are circles or when something
    is missing.
    """
    from devserver.cli.analysing import analyse

    form = chosen or ("json" if invocation.as_json else "rich")
    if invocation.as_json and form != "json":
        raise click.UsageError(f"--json and --format {form} contradict each other")
    return analyse(invocation.project(), name, form=form)


@plugin.command(epilog=examples("dev plugin schema", "dev plugin schema > manifest.schema.json"))
def schema() -> None:
    """Print the JSON Schema of manifest.json, for editors."""
    from devserver.cli.output import print_document
    from devserver.core.manifest import published_schema

    print_document(published_schema())


@plugin.command(
    epilog=examples(
        "dev plugin codes", "dev plugin codes IMP001", "dev plugin codes --format markdown"
    )
)
@click.argument("codes", metavar="[CODE]...", nargs=-1)
@click.option(
    "--format",
    "chosen",
    type=click.Choice(["rich", "json", "markdown"]),
    help="How to print the table.  [default: rich]",
)
@pass_invocation
def codes(invocation: Invocation, *, codes: tuple[str, ...], chosen: str | None) -> int:
    """What the codes of findings mean, how bad they are, and what to write instead."""
    from devserver.cli.codes import print_codes

    form = chosen or ("json" if invocation.as_json else "rich")
    if codes and form == "markdown":
        raise click.UsageError("the Markdown is the whole table; leave out the codes")
    return print_codes(codes, form=form)
