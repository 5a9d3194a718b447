"""Runs all checks over what has changed and puts the findings in order."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.validation.candidate import Candidate, ValidationReport, Validator, World
from devserver.validation.codes import CODES
from devserver.validation.severity import Overrides, OverridesFile
from devserver.validation.texts import Texts

FAILED_CHECK = "STR900"
_CODE = re.compile(r"[A-Z]{2,12}[0-9]{3,4}")
_TIDY = frozenset({"IMP020", "IMP021"})
_OF_THE_MOMENT = frozenset({"DEP003", "DEP006", "DEP007", "IMP003", "IMP007", "CFG008"})
"""Codes that come and go without an edit of the file in which they are ignored; so do the
CMP codes."""


class Pipeline:
    """All `validators` see every changed candidate; what one of them finds, or that it raises,
    keeps no other from running.

    `bad_settings` is how bad mistakes in the severities of config/main.yaml are.
    """

    def __init__(
        self, validators: Sequence[Validator], *, bad_settings: Severity = Severity.WARNING
    ) -> None:
        self.validators = tuple(validators)
        self.codes: dict[str, str] = {**CODES, **own_codes(self.validators)}
        self._bad_settings = bad_settings
        self._overrides = OverridesFile(self.codes)
        gives_tidy = any(v.name == "unused" for v in self.validators)
        moment = {c for c in self.codes if c.startswith("CMP")} | _OF_THE_MOMENT
        self._doubtful = frozenset(moment if gives_tidy else moment | _TIDY)

    def run(self, world: World) -> ValidationReport:
        """Everything that is wrong with the changed plugins, in order of plugin, file, line.

        Comments silence findings (see `ignores`), config/main.yaml makes codes worse or milder.
        """
        started = time.perf_counter()
        world.environment.refresh()
        left_out = [_left_out(v, world) for v in self.validators if getattr(v, "gave_up", False)]
        texts = Texts(world)
        kept: dict[Diagnostic, None] = {}
        overrides = Overrides()
        for key in sorted(world.changed):
            candidate = world.plugins.get(key)
            if candidate is None:
                continue
            overrides = self._overrides.of(candidate.source.base)
            found = [d for d in self._judge(candidate, world) if not texts.silences(d)]
            if not left_out and not any(d.code == FAILED_CHECK for d in found):
                found.extend(texts.unused_ignores(candidate, self.codes, self._doubtful))
            kept.update(dict.fromkeys(found))
        told = (*overrides.applied([*left_out, *kept]), *self._mistakes(overrides))
        ordered = sorted(dict.fromkeys(texts.completed(d) for d in told), key=_order)
        ms = (time.perf_counter() - started) * 1000
        return ValidationReport(diagnostics=tuple(ordered), ms=ms)

    def _mistakes(self, overrides: Overrides) -> Iterable[Diagnostic]:
        return (replace(d, severity=self._bad_settings) for d in overrides.problems)

    def _judge(self, candidate: Candidate, world: World) -> Iterator[Diagnostic]:
        unreadable = {d.file for d in candidate.early if d.code.startswith("SYN")}
        yield from candidate.early
        for validator in self.validators:
            for diagnostic in _checked(validator, candidate, world):
                if diagnostic.file not in unreadable or diagnostic.code.startswith("SYN"):
                    yield diagnostic


def own_codes(validators: Iterable[Validator]) -> dict[str, str]:
    """Code → meaning of what checks say in their attribute `codes` that they give."""
    found: dict[str, str] = {}
    for validator in validators:
        declared = getattr(validator, "codes", None)
        if isinstance(declared, dict):
            found.update({str(c): str(m) for c, m in declared.items() if _CODE.fullmatch(str(c))})
    return found


def _checked(validator: Validator, candidate: Candidate, world: World) -> Iterable[Diagnostic]:
    found: list[Diagnostic] = []
    try:
        for diagnostic in validator.check(candidate, world):
            _insist(diagnostic)
            found.append(diagnostic)
    except Exception as error:  # noqa: BLE001 - a project's own check may raise anything
        found.append(_failure(validator, candidate, error))
    return found


def _insist(given: object) -> None:
    """Raises TypeError or ValueError for what is no finding."""
    if not isinstance(given, Diagnostic):
        raise TypeError(f"a check gives Diagnostics, not {type(given).__name__}")
    if not isinstance(given.code, str) or not _CODE.fullmatch(given.code):
        raise ValueError(f"{given.code!r} is no code: letters and digits such as OWN001")
    if not isinstance(given.severity, Severity):
        raise TypeError(f"severity is a Severity, not {given.severity!r}")
    if not isinstance(given.message, str):
        raise TypeError(f"message is text, not {given.message!r}")
    for name in ("file", "hint", "plugin"):
        value = getattr(given, name)
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} is text or None, not {value!r}")
    for name in ("line", "column", "end_line", "end_column"):
        number = getattr(given, name)
        if number is not None and (type(number) is not int or number < 1):
            raise TypeError(f"{name} counts from 1 or is None, not {number!r}")


def _failure(validator: Validator, candidate: Candidate, error: Exception) -> Diagnostic:
    written_in = getattr(validator, "path", None) or _file_of(validator)
    frames = traceback.extract_tb(error.__traceback__)
    inside = [f for f in frames if written_in is not None and f.filename == str(written_in)]
    name = getattr(validator, "name", type(validator).__name__)
    file = None if written_in is None else _relative(Path(written_in), candidate.source.base)
    return Diagnostic(
        code=FAILED_CHECK,
        severity=Severity.WARNING,
        message=f"the check {name!r} failed: {type(error).__name__}: {error}",
        plugin=candidate.name,
        file=file,
        line=inside[-1].lineno if inside else None,
        hint="correct the check; the others have run",
    )


def _left_out(validator: Validator, world: World) -> Diagnostic:
    """What is said in every later run of a check that did not end in time."""
    base = next((c.source.base for c in world.plugins.values()), Path())
    written_in = getattr(validator, "path", None)
    return Diagnostic(
        code=FAILED_CHECK,
        severity=Severity.WARNING,
        message=f"the check {validator.name!r} did not end in time before and is left out",
        file=None if written_in is None else _relative(Path(written_in), base),
        hint="correct the check; it runs again when its file is saved",
    )


def _file_of(validator: Validator) -> str | None:
    code = getattr(getattr(validator.check, "__func__", validator.check), "__code__", None)
    return None if code is None else str(code.co_filename)


def _relative(path: Path, base: Path) -> str:
    try:
        return path.relative_to(base).as_posix()
    except ValueError:
        return path.as_posix()


def _order(diagnostic: Diagnostic) -> tuple[str, str, int, int, str, str]:
    return (
        diagnostic.plugin or "",
        diagnostic.file or "",
        diagnostic.line or 0,
        diagnostic.column or 0,
        diagnostic.code,
        diagnostic.message,
    )
