"""`sysctl plugins canary`: what becomes of a new version that answers a share of the requests."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from devserver.cli.answers import exit_code, show_outcome
from devserver.cli.commands import Command, Invocation, examples, pass_invocation, plugin_argument
from devserver.cli.failures import ExitCode
from devserver.cli.output import print_document
from devserver.core.canary import parse_percent


class Percent(click.ParamType[float]):
    """`10%` or `10`."""

    name = "percent"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        percent = parse_percent(str(value))
        if percent is None:
            self.fail(f"{value!r} is no share of the requests: write 10% or 10", param, ctx)
        return percent


@click.command(
    cls=Command,
    epilog=examples("plugins canary users", "plugins canary users promote"),
)
@plugin_argument
@click.argument(
    "word", type=click.Choice(["status", "promote", "abort"]), default="status", required=False
)
@pass_invocation
def canary(invocation: Invocation, *, name: str, word: str) -> int:
    """Show a canary, promote it, or roll it back.

    Exits with 5 or 6 when a promotion was refused or rolled back, with 1 when there is none.
    """
    from devserver.cli.client import ServerClient

    client = ServerClient.get(invocation.project())
    path = f"/api/plugins/{quote(name, safe='')}/canary"
    if word == "status":
        document = client.call("GET", path, plugin=name).document
        if invocation.as_json:
            print_document(document)
        else:
            _show(document)
        return ExitCode.OK
    answer = client.call("POST", f"{path}/{word}", accept=frozenset({409}), plugin=name)
    if "result" not in answer.document:
        raise client.failure(answer, name)
    show_outcome(answer.document, invocation)
    return ExitCode.OK if word == "abort" else exit_code([answer.document])


def _show(document: dict[str, Any]) -> None:
    sticky = ", sticky" if document["sticky"] else ""
    print(
        f"{document['plugin']} canary g{document['generation']} beside g{document['beside']}: "
        f"{document['percent']:g} % of the requests{sticky}, for {document['seconds']:.0f} s"
    )
    for side, number in (("new", document["generation"]), ("old", document["beside"])):
        tally = document[side]
        print(
            f"  g{number:<4} {tally['requests']:>6} requests  {tally['errors']:>4} failed  "
            f"{tally['rate']:.1%}"
        )
    needed = document["requests_needed"]
    print(f"promoted after {needed} good requests" if needed else "promoted by word only")


def canary_query(percent: float | None, *, sticky: bool, requests: int | None) -> dict[str, str]:
    """What a reload is asked with for a canary; empty for none. Raises UsageError."""
    if percent is None:
        if sticky or requests is not None:
            raise click.UsageError("--sticky and --requests belong to --canary")
        return {}
    return (
        {"canary": f"{percent:g}"}
        | ({"sticky": "true"} if sticky else {})
        | ({} if requests is None else {"requests": str(requests)})
    )
