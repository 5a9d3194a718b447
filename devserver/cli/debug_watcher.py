"""`sysctl plugins debug-watcher`: why a save was not noticed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.commands import Command, Invocation, examples, pass_invocation
from devserver.cli.failures import ExitCode
from devserver.cli.output import print_document
from devserver.cli.text import count, few

if TYPE_CHECKING:
    from devserver.cli.findings import Finding

_BATCHES = 10
_FOLDERS = 12
_RAISE = "sudo sysctl -w fs.inotify.max_user_watches=524288"


@click.command(
    "debug-watcher",
    cls=Command,
    epilog=examples("plugins debug-watcher", "plugins debug-watcher --test-events"),
)
@click.option("--test-events", is_flag=True, help="Write a file, and measure until it is seen.")
@pass_invocation
def debug_watcher(invocation: Invocation, *, test_events: bool) -> int:
    """Show what the server watches and how, what it saw last, and what it would miss.

    --test-events writes a file of its own for a moment, where saves are watched and no plugin is:
    nothing is reloaded. Exits with 1 when there are errors.
    """
    from devserver.cli.client import ServerClient
    from devserver.cli.findings import draw_findings, errors_in, findings_document

    client = ServerClient.get(invocation.project())
    report = client.read("/api/watch")
    is_tested = test_events and report["watching"]
    test = client.call("POST", "/api/watch/test").document if is_tested else None
    found = [*_of_watch(report), *(() if test is None else _of_test(report, test))]
    if invocation.as_json:
        print_document({**findings_document(found), "watch": report, "test": test})
    else:
        draw_findings(found)
        _draw(report)
    return ExitCode.FAILED if errors_in(found) else ExitCode.OK


def _of_watch(report: Mapping[str, Any]) -> Iterator[Finding]:
    from devserver.cli.findings import error, ok, warning

    if report["off"]:
        hint = "start it with `sysctl dev server` or `sysctl --dev-mode start`"
        yield error("watch", "the server was started without watching files", hint)
    elif not report["watching"]:
        hint = "set hot_loading.enabled and watch.enabled to true in config/hot-loading.yaml"
        yield error("watch", "nothing but config/hot-loading.yaml is watched", hint)
    elif report["mode"] == "polling" and report["force_polling"] is not True:
        hint = "sysctl doctor tells whether the file system or the limits are the reason"
        yield warning("watch", "polling: the system gives no events, changes come later", hint)
    else:
        folders = count(len(report["folders"]), "folder")
        quiet = f"a batch ends after {report['debounce_ms']} ms of quiet"
        yield ok("watch", f"{report['mode']}, {folders}, {quiet}")
    limits = report["inotify"]
    if limits["max_user_watches"] is not None:
        used = f"{limits['watches']} watches in {count(limits['instances'], 'instance')}"
        most = f"{limits['max_user_watches']} and {limits['max_user_instances']} for all programs"
        low = len(report["folders"]) * 2 > limits["max_user_watches"]
        told = f"{used}, of {most} of this user"
        yield warning("inotify", told, _RAISE) if low else ok("inotify", told)
    if report["missed"]:
        hint = "correct watch.patterns and watch.ignore in config/hot-loading.yaml"
        yield warning("patterns", f"saves of these go unnoticed: {few(report['missed'])}", hint)
    else:
        yield ok("patterns", "they have every file that plugins are made of")


def _of_test(report: Mapping[str, Any], test: Mapping[str, Any]) -> Iterator[Finding]:
    from devserver.cli.findings import error, ok

    if test["seen"]:
        yield ok("test", f"{test['path']} was seen {test['ms']:.1f} ms after it was written")
    elif test["problem"]:
        yield error("test", test["problem"], "let the user who runs the server write there")
    elif test["path"] is None:
        hint = "watch.patterns in config/hot-loading.yaml should have plugins/**/*.py"
        yield error("test", "no pattern watches a file that could be written for it", hint)
    else:
        told = f"{test['path']} was not seen within {test['timeout']:g} s"
        hint = "set watch.force_polling to true in config/hot-loading.yaml"
        if report["mode"] == "polling":
            hint = "the server's terminal shows whether it stands still"
        yield error("test", told, hint)


def _draw(report: Mapping[str, Any]) -> None:
    from devserver.cli.tables import draw_facts, draw_heading, draw_table

    draw_facts(
        [
            ("patterns", few(report["patterns"], 20)),
            ("ignored", few(report["ignore"], 20)),
            ("folders", few(report["folders"], _FOLDERS)),
        ]
    )
    rows = []
    for batch in report["changes"][:_BATCHES]:
        moment = datetime.fromtimestamp(batch["time"]).astimezone()
        more = f" and {batch['more']} more" if batch["more"] else ""
        rows.append((f"{moment:%H:%M:%S.%f}"[:-3], f"{few(batch['paths'])}{more}"))
    if rows:
        draw_table(("seen", "what"), rows)
    else:
        draw_heading(("no change was seen yet", "dim"))
