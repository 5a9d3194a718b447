"""How bad a project takes each code to be: `validation: {severity: {CODE: WORD}}` in
config/main.yaml."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from devserver.core.config_check import (
    OUT_OF_RANGE,
    SYNTAX,
    UNKNOWN_KEY,
    UNREADABLE,
    WRONG_TYPE,
)
from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.yaml_text import Place, YamlDocument, read_yaml
from devserver.validation.findings import did_you_mean
from devserver.validation.ignores import can_be_changed

FILE = "config/main.yaml"
SECTION = "validation"
KEY = "severity"
OFF = "off"
WORDS = (*(str(s) for s in Severity), OFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What a project's file says: code → severity, None for `off`. `problems` are what is wrong
    with it; a wrong entry has no effect, the others have."""

    severities: Mapping[str, Severity | None] = field(default_factory=lambda: MappingProxyType({}))
    problems: tuple[Diagnostic, ...] = ()

    def applied(self, found: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
        """The findings as bad as the project takes them to be, without those that are off."""
        for diagnostic in found:
            wanted = self.severities.get(diagnostic.code, diagnostic.severity)
            if wanted is not None:
                yield replace(diagnostic, severity=wanted)


class OverridesFile:
    """Reads the overrides of projects, each again only when the file has changed: so an edit is
    in force at the next validation. For one thread at a time."""

    def __init__(self, known: Collection[str]) -> None:
        self._codes = frozenset(known)
        self._known: dict[Path, tuple[object, Overrides]] = {}

    def of(self, root: Path) -> Overrides:
        """The overrides of the project at `root`; none without a file. While the file cannot be
        parsed, what it said before stays in force."""
        path = root / FILE
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns)
            known = self._known.get(root)
            if known is not None and known[0] == stamp:
                return known[1]
            text = path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            self._known.pop(root, None)
            return Overrides()
        except (OSError, UnicodeDecodeError) as error:
            return self._unreadable(root, f"the file cannot be read: {error}")
        before = known[1].severities if known is not None else MappingProxyType({})
        found = overrides_in(text, self._codes, before)
        self._known[root] = (stamp, found)
        return found

    def _unreadable(self, root: Path, message: str) -> Overrides:
        known = self._known.get(root)
        problem = Diagnostic(code=UNREADABLE, severity=Severity.ERROR, message=message, file=FILE)
        before = known[1].severities if known is not None else MappingProxyType({})
        return Overrides(severities=before, problems=(problem,))


def overrides_in(
    text: str, known: Collection[str], before: Mapping[str, Severity | None] | None = None
) -> Overrides:
    """The overrides in a text of config/main.yaml; `before` stays when it is no YAML."""
    document = read_yaml(text)
    lines = text.split("\n")
    broken = [
        _problem(SYNTAX, p.message, p.place, lines, p.hint)
        for p in document.problems
        if p.kind == "syntax"
    ]
    if not document.readable:
        return Overrides(severities=before or MappingProxyType({}), problems=tuple(broken))
    severities: dict[str, Severity | None] = {}
    problems = list(broken)
    for found in _entries(document, lines, known):
        if isinstance(found, Diagnostic):
            problems.append(found)
        else:
            severities[found[0]] = found[1]
    return Overrides(severities=MappingProxyType(severities), problems=tuple(problems))


def _entries(
    document: YamlDocument, lines: list[str], known: Collection[str]
) -> Iterator[Diagnostic | tuple[str, Severity | None]]:
    top = document.value if isinstance(document.value, dict) else {}
    section = top.get(SECTION)
    if section is None:
        return
    if not isinstance(section, dict):
        place = document.values.get((SECTION,))
        message = f"{SECTION} must be a section with the key {KEY}"
        yield _problem(WRONG_TYPE, message, place, lines, None)
        return
    for key in section:
        if key != KEY:
            place = document.keys.get((SECTION, key))
            hint = did_you_mean(key, [KEY]) or f"the only key is {KEY}"
            yield _problem(UNKNOWN_KEY, f"unknown key {SECTION}.{key}", place, lines, hint)
    table = section.get(KEY)
    if table is None:
        return
    if not isinstance(table, dict):
        place = document.values.get((SECTION, KEY))
        message = f"{SECTION}.{KEY} must be a mapping of codes to one of {', '.join(WORDS)}"
        yield _problem(WRONG_TYPE, message, place, lines, None)
        return
    for code, word in table.items():
        yield _entry(document, lines, known, code, word)


def _entry(
    document: YamlDocument, lines: list[str], known: Collection[str], code: str, word: Any
) -> Diagnostic | tuple[str, Severity | None]:
    path = (SECTION, KEY, code)
    upper = code.upper()
    if upper not in known:
        hint = did_you_mean(upper, known) or "`sysctl dev plugin codes` lists them"
        place = document.keys.get(path)
        return _problem(UNKNOWN_KEY, f"there is no code {code!r}", place, lines, hint)
    if not can_be_changed(upper):
        hint = "correct what it tells of"
        message = f"the severity of {upper} cannot be changed"
        return _problem(OUT_OF_RANGE, message, document.keys.get(path), lines, hint)
    # YAML reads a bare `off` as false.
    text = OFF if word is False else word
    if text not in WORDS:
        near = did_you_mean(str(text), WORDS)
        message = f"the severity of {upper} must be one of {', '.join(WORDS)}"
        return _problem(OUT_OF_RANGE, message, document.values.get(path), lines, near)
    return upper, None if text == OFF else Severity(text)


def _problem(
    code: str, message: str, place: Place | None, lines: list[str], hint: str | None
) -> Diagnostic:
    if place is None:
        return Diagnostic(code=code, severity=Severity.ERROR, message=message, file=FILE, hint=hint)
    return Diagnostic(
        code=code,
        severity=Severity.ERROR,
        message=message,
        file=FILE,
        line=place.line,
        column=place.column,
        end_line=place.end_line,
        end_column=place.end_column,
        source_lines=tuple(lines[place.line - 1 : place.end_line]),
        hint=hint,
    )
