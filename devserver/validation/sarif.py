"""Findings as a SARIF 2.1.0 log, for code scanning."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.validation.candidate import ValidationReport
from devserver.validation.rules import Rule, rule_of

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_ROOT = "PROJECTROOT"


def to_sarif(
    report: ValidationReport,
    *,
    codes: Mapping[str, str],
    root: Path,
    version: str,
    ended: datetime,
    exit_code: int,
) -> dict[str, Any]:
    """The report as one SARIF log of one run.

    `codes` are all that could be given, with their meanings; `root` is the project, which files
    are relative to. Columns count UTF-16 code units. A fingerprint tells a finding from others
    by code, file, message and the text of its line, so it lives through edits above it.
    """
    told = dict.fromkeys([*codes, *(d.code for d in report.diagnostics)])
    rules = [rule_of(code, codes.get(code, "")) for code in told]
    numbers = {rule.code: index for index, rule in enumerate(rules)}
    run = {
        "tool": {
            "driver": {
                "name": "sysctl-devserver",
                "semanticVersion": version,
                "version": version,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "invocations": [
            {
                "executionSuccessful": True,
                "exitCode": exit_code,
                "endTimeUtc": ended.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            }
        ],
        "originalUriBaseIds": {_ROOT: {"uri": f"{root.absolute().as_uri()}/"}},
        "columnKind": "utf16CodeUnits",
        "results": list(_results(report.diagnostics, numbers)),
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.meaning},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": [rule.kind], "fixable": rule.fixable},
    }
    if rule.fix:
        shown["help"] = {"text": f"For example: {rule.fix}", "markdown": f"For example: {rule.fix}"}
    return shown


def _results(
    diagnostics: Iterable[Diagnostic], numbers: Mapping[str, int]
) -> Iterable[dict[str, Any]]:
    seen: dict[str, int] = {}
    for diagnostic in diagnostics:
        print_ = _fingerprint(diagnostic)
        # What is told twice in the same words gets a number of its own.
        seen[print_] = seen.get(print_, 0) + 1
        text = diagnostic.message
        if diagnostic.hint:
            text += f" ({diagnostic.hint})"
        result: dict[str, Any] = {
            "ruleId": diagnostic.code,
            "ruleIndex": numbers[diagnostic.code],
            "level": _LEVELS[diagnostic.severity],
            "message": {"text": text},
            "partialFingerprints": {"finding/v1": f"{print_}:{seen[print_]}"},
        }
        if diagnostic.file is not None:
            result["locations"] = [{"physicalLocation": _place(diagnostic, diagnostic.file)}]
        if diagnostic.plugin is not None:
            result["properties"] = {"plugin": diagnostic.plugin}
        yield result


def _fingerprint(diagnostic: Diagnostic) -> str:
    line = diagnostic.source_lines[0].strip() if diagnostic.source_lines else ""
    parts = (diagnostic.code, diagnostic.plugin or "", diagnostic.file or "", diagnostic.message)
    return hashlib.sha256("\0".join((*parts, line)).encode(errors="replace")).hexdigest()[:32]


def _place(diagnostic: Diagnostic, file: str) -> dict[str, Any]:
    artifact = {"uri": quote(file), "uriBaseId": _ROOT}
    if Path(file).is_absolute():
        artifact = {"uri": Path(file).as_uri()}
    place: dict[str, Any] = {"artifactLocation": artifact}
    if diagnostic.line is not None:
        place["region"] = _region(diagnostic, diagnostic.line)
    return place


def _region(diagnostic: Diagnostic, line: int) -> dict[str, Any]:
    end_line = diagnostic.end_line or line
    region: dict[str, Any] = {"startLine": line, "endLine": end_line}
    lines = diagnostic.source_lines
    if diagnostic.column is not None:
        first = lines[0] if lines else ""
        last = lines[end_line - line] if len(lines) > end_line - line else ""
        end = diagnostic.end_column
        if end is None:
            end, last = diagnostic.column + 1, first
            region["endLine"] = line
        region["startColumn"] = _utf16(first, diagnostic.column)
        region["endColumn"] = _utf16(last, end)
    if lines:
        region["snippet"] = {"text": "\n".join(lines)}
    return region


def _utf16(text: str, column: int) -> int:
    """A column that counts characters as one that counts UTF-16 code units, both from 1."""
    return column + sum(ord(c) > 0xFFFF for c in text[: column - 1])
