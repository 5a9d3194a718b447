"""`sysctl dev plugin codes`: the table of all codes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import click

from devserver.cli.output import console_for, print_document
from devserver.validation.codes import CODES
from devserver.validation.findings import did_you_mean
from devserver.validation.rules import Rule, markdown_table, rules


def print_codes(wanted: Collection[str], *, form: str) -> int:
    """Prints the rules of `wanted` codes, all without any, as `rich`, `json` or `markdown`.

    Raises click.UsageError for a code that does not exist.
    """
    asked = [code.upper() for code in wanted]
    for code in asked:
        if code not in CODES:
            hint = did_you_mean(code, CODES)
            raise click.UsageError(f"there is no code {code!r}" + (f": {hint}" if hint else ""))
    chosen = [rule for rule in rules() if not asked or rule.code in asked]
    if form == "markdown":
        print(markdown_table(), end="")
    elif form == "json":
        print_document([_document(rule) for rule in chosen])
    else:
        _draw(chosen)
    return 0


def _document(rule: Rule) -> dict[str, object]:
    return {
        "code": rule.code,
        "kind": rule.kind,
        "severity": str(rule.severity),
        "meaning": rule.meaning,
        "fix": rule.fix,
        "fixable": rule.fixable,
        "can_be_changed": rule.can_be_changed,
    }


def _draw(chosen: Sequence[Rule]) -> None:
    console = console_for()
    for rule in chosen:
        console.print(f"{rule.code}  {rule.severity:<7}  {rule.meaning}", soft_wrap=True)
        if len(chosen) < len(CODES) and rule.fix:
            console.print(f"        for example: {rule.fix}", soft_wrap=True)
