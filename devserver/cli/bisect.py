"""`sysctl plugins bisect`: finds the save that broke something."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from devserver.cli.commands import Command, Invocation, examples, pass_invocation, plugin_argument
from devserver.cli.failures import ExitCode, report
from devserver.cli.output import print_document
from devserver.cli.tables import draw_heading
from devserver.cli.text import clean, one_line
from devserver.core.bisection import Bisection, Verdict
from devserver.core.errors import DevServerError, VersionNotFound

if TYPE_CHECKING:
    from devserver.assembly.checkout import Checked
    from devserver.runtime.project import Project
    from devserver.store.sources import KeptVersion
    from devserver.store.store import Store

_COLOURS = {Verdict.GOOD: "green", Verdict.BAD: "red", Verdict.SKIPPED: "yellow"}
_DIFF = {"+": "green", "-": "red", "@": "cyan"}
_LAST_LINES = 10


@click.command(
    cls=Command,
    epilog=examples(
        "plugins bisect users --check ./smoke.sh",
        "plugins bisect users --check pytest --good 3 --bad 9",
    ),
)
@plugin_argument
@click.option(
    "--check", required=True, metavar="COMMAND",
    help="Exits with 0 for a good version, with 125 to skip it, with up to 127 for a bad one.",
)  # fmt: skip
@click.option(
    "--good", type=click.IntRange(1), metavar="N", help="A good version. Default: the oldest."
)
@click.option(
    "--bad", type=click.IntRange(1), metavar="N", help="A bad version. Default: the newest."
)
@pass_invocation
def bisect(
    invocation: Invocation, *, name: str, check: str, good: int | None, bad: int | None
) -> int:
    """Find the first kept version of a plugin for which a check fails.

    The check is a shell command. It runs in a copy of the project in a temporary folder, with
    that version in place and a database of its own; the project and the running server are not
    touched. Works without a server.
    """
    from devserver.assembly.past import on_disk, past_of

    project = invocation.project()
    plugin = on_disk(project, name)
    with past_of(project) as store:
        versions = [] if store is None else store.sources.versions(plugin.key)
        try:
            chosen = _chosen(plugin.name, versions, good, bad)
        except VersionNotFound as error:
            report(error.message, error.hint, as_json=invocation.as_json)
            return ExitCode.USAGE
        assert store is not None, "there are versions"
        search = _Search(
            project=project,
            store=store,
            name=plugin.name,
            command=check,
            versions={v.number: v for v in chosen},
            quiet=invocation.as_json,
        )
        found = search.run()
    if invocation.as_json:
        print_document(found)
    else:
        _draw(found)
    return ExitCode.OK


def _chosen(
    name: str, versions: list[KeptVersion], good: int | None, bad: int | None
) -> list[KeptVersion]:
    for number in (good, bad):
        if number is not None and all(v.number != number for v in versions):
            numbers = [v.number for v in versions]
            raise VersionNotFound(f"plugin {name!r} has no version {number}", versions=numbers)
    # What was put into service once more stands out of its turn, but where it is asked for.
    row = [v for v in versions if v.restores is None or v.number in (good, bad)]
    numbers = [v.number for v in row]
    first = good or min(numbers, default=0)
    last = bad or max(numbers, default=0)
    if first >= last:
        told = "fewer than two versions" if len(numbers) < 2 else "no bad version after the good"
        raise VersionNotFound(f"plugin {name!r} has {told}", versions=numbers)
    return [v for v in row if first <= v.number <= last]


@dataclass(kw_only=True)
class _Search:
    """One search; prints each step unless it is `quiet`."""

    project: Project
    store: Store
    name: str
    command: str
    versions: Mapping[int, KeptVersion]
    quiet: bool
    steps: list[dict[str, Any]] = field(default_factory=list)
    known: dict[str, Checked] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """What was found. Raises DevServerError when there is nothing to find."""
        numbers = list(self.versions)
        self._expect(numbers[-1], Verdict.BAD)
        self._expect(numbers[0], Verdict.GOOD)
        search = Bisection(numbers)
        while (number := search.next()) is not None:
            search.tell(number, self._check(number))
        is_certain = len(search.suspects) == 1
        return {
            "plugin": self.name,
            "check": self.command,
            "steps": self.steps,
            "last_good": search.last_good,
            "first_bad": search.first_bad if is_certain else None,
            "suspects": list(search.suspects),
            "diff": list(self._diff(search.last_good, search.first_bad)),
        }

    def _expect(self, number: int, expected: Verdict) -> None:
        found = self._check(number)
        if found is expected:
            return
        if found is Verdict.SKIPPED:
            raise DevServerError(
                f"the check skips version {number}, one of the two ends",
                hint="name another one with --good or --bad",
            )
        if expected is Verdict.BAD:
            raise DevServerError(
                f"version {number} passes the check: there is nothing to find",
                hint="give a version that fails it with --bad N",
            )
        raise DevServerError(
            f"version {number} fails the check too: what broke it came before",
            hint="give a version that passes it with --good N, if one is kept",
        )

    def _check(self, number: int) -> Verdict:
        from devserver.assembly.checkout import check

        digest = self.versions[number].digest
        checked = self.known.get(digest)
        if checked is None:
            checked = self.known[digest] = check(self.project, self._source(number), self.command)
        self.steps.append(
            {
                "version": number,
                "verdict": str(checked.verdict),
                "exit_code": checked.exit_code,
                "seconds": round(checked.seconds, 3),
                "output": checked.output,
            }
        )
        if not self.quiet:
            verdict = (f"{checked.verdict:<8}", _COLOURS[checked.verdict])
            told = f"exit {checked.exit_code}  {checked.seconds:.1f} s"
            draw_heading(f"  version {number:<4}", verdict, (told, "dim"))
            sys.stdout.flush()
        return checked.verdict

    def _source(self, number: int) -> Any:
        from devserver.reload.rollbacks import source_of

        files = self.store.sources.files(self.name, number)
        return source_of(self.project, self.name, self.versions[number], files)

    def _diff(self, before: int, after: int) -> Iterator[str]:
        """The lines of a unified diff between two versions."""
        old = self.store.sources.files(self.name, before)
        new = self.store.sources.files(self.name, after)
        for path in sorted(old.keys() | new.keys()):
            if old.get(path) == new.get(path):
                continue
            texts = _lines(old.get(path)), _lines(new.get(path))
            names = f"version {before}/{path}", f"version {after}/{path}"
            if texts[0] is None or texts[1] is None:
                yield f"Binary files {names[0]} and {names[1]} differ"
                continue
            yield from difflib.unified_diff(texts[0], texts[1], *names, lineterm="")


def _lines(content: bytes | None) -> list[str] | None:
    """None for what is no text."""
    if content is None:
        return []
    try:
        return content.decode().splitlines()
    except UnicodeDecodeError:
        return None


def _draw(found: Mapping[str, Any]) -> None:
    if found["first_bad"] is None:
        named = ", ".join(map(str, found["suspects"]))
        draw_heading(("the first bad version is one of ", "bold"), f"{named}: others were skipped")
    else:
        bad, good = found["first_bad"], found["last_good"]
        draw_heading((f"version {bad} is the first bad one", "bold red"), f", after version {good}")
    last = next(s for s in reversed(found["steps"]) if s["version"] == found["suspects"][-1])
    for line in last["output"].strip().splitlines()[-_LAST_LINES:]:
        draw_heading((f"  | {clean(line)}", "dim"))
    for line in found["diff"]:
        draw_heading((one_line(line), _DIFF.get(line[:1], "")))
