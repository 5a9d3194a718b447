"""Loads checks: the built-in ones and a project's own, both from a folder of files."""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.validation.candidate import Candidate, Validator, World
from devserver.validation.limits import TookTooLong, run_within
from devserver.validation.pipeline import FAILED_CHECK

BUILT_IN = ("syntax", "imports", "structure", "dependencies", "compatibility")
CHECK_SECONDS = 5.0
"""How long a project's own check may take for one plugin, and its file to be loaded."""


class OwnCheck:
    """A project's own check, run for a limited time; one that did not end is not asked again
    until its file is loaded anew."""

    def __init__(self, validator: Validator, path: Path, seconds: float) -> None:
        self.name = validator.name
        self.codes = getattr(validator, "codes", {})
        self.path = path
        self._validator = validator
        self._seconds = seconds
        self.gave_up = False

    def check(self, candidate: Candidate, world: World) -> Iterable[Diagnostic]:
        """What the check finds. Raises what it raises, and TookTooLong once."""
        if self.gave_up:
            return ()
        name = f"devserver-check-{self.name}"
        try:
            return run_within(
                lambda: list(self._validator.check(candidate, world)), self._seconds, name=name
            )
        except TookTooLong:
            self.gave_up = True
            raise


def built_in_folder() -> Path:
    """Where the built-in checks are: in the wheel, else beside the package in its repository."""
    package = Path(__file__).resolve().parents[1]
    folder = package / "builtin_validators"
    return folder if folder.is_dir() else package.parent / "validators"


def built_in_validators() -> list[Validator]:
    """The checks that come with the product.

    Raises RuntimeError when one of them cannot be loaded: the installation is damaged.
    """
    loaded, problems = load_validators(built_in_folder())
    by_name = {v.name: v for v in loaded}
    missing = [name for name in BUILT_IN if name not in by_name]
    if missing:
        told = "; ".join(d.message for d in problems) or f"none in {built_in_folder()}"
        raise RuntimeError(f"built-in checks are missing: {', '.join(missing)} ({told})")
    return [by_name[name] for name in BUILT_IN]


def project_validators(
    folder: Path, *, seconds: float = CHECK_SECONDS
) -> tuple[list[Validator], list[Diagnostic]]:
    """A project's own checks, and what is wrong with those that cannot be used; none where
    `folder` is that of the built-in ones. A name that is taken already is not used again."""
    if folder.resolve() == built_in_folder().resolve():
        return [], []
    found: list[Validator] = []
    problems: list[Diagnostic] = []
    owners = dict.fromkeys(BUILT_IN, "a built-in check")
    for path, loaded in _loaded(folder, seconds):
        if isinstance(loaded, Diagnostic):
            problems.append(loaded)
        elif loaded.name in owners:
            message = f"the name {loaded.name!r} is that of {owners[loaded.name]}"
            hint = "give it a name of its own; until then it is not run"
            problems.append(_problem(path, message, None, hint))
        else:
            owners[loaded.name] = f"the check in {path.name}"
            found.append(OwnCheck(loaded, path, seconds))
    return found, problems


def load_validators(folder: Path) -> tuple[list[Validator], list[Diagnostic]]:
    """The checks in a folder, in order of file name, and what is wrong with the others.

    Each `*.py` (but `_*.py`) is executed and has an attribute `validator`. A folder that does
    not exist has none.
    """
    loaded = [one for _, one in _loaded(folder, None)]
    problems = [one for one in loaded if isinstance(one, Diagnostic)]
    return [one for one in loaded if not isinstance(one, Diagnostic)], problems


def _loaded(folder: Path, seconds: float | None) -> Iterable[tuple[Path, Validator | Diagnostic]]:
    """Each file of a folder with its check or what is wrong with it; `seconds` limits how long
    the file may run."""
    for path in sorted(folder.glob("[!_.]*.py")):
        try:
            yield path, _validator_of(_executed(path, path.read_bytes(), seconds), path)
        except _Broken as error:
            yield path, error.diagnostic
        except OSError as error:
            message = f"the check {path.stem!r} cannot be read: {error.strerror}"
            yield path, _problem(path, message, None)


class _Broken(Exception):
    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def _executed(path: Path, content: bytes, seconds: float | None) -> ModuleType:
    """The module, with a name of its own that no import can meet."""
    key = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    module = ModuleType(f"_devserver_check_{key}_{path.stem}")
    module.__file__ = str(path)
    # A dataclass looks its module up while its class body runs.
    sys.modules[module.__name__] = module
    try:
        code = compile(content, str(path), "exec", dont_inherit=True)

        def run() -> None:
            exec(code, module.__dict__)  # noqa: S102 - checks are code

        if seconds is None:
            run()
        else:
            run_within(run, seconds, name=f"devserver-check-{path.stem}")
    except SyntaxError as error:
        message = f"the check {path.stem!r} has a syntax error: {error.msg}"
        raise _Broken(_problem(path, message, error.lineno)) from None
    except Exception as error:  # a project's own check may raise anything
        message = f"the check {path.stem!r} cannot be loaded: {type(error).__name__}: {error}"
        raise _Broken(_problem(path, message, _line_in(path, error))) from error
    finally:
        sys.modules.pop(module.__name__, None)
    return module


def _validator_of(module: ModuleType, path: Path) -> Validator:
    validator: Any = getattr(module, "validator", None)
    name = getattr(validator, "name", None)
    if not isinstance(name, str) or not callable(getattr(validator, "check", None)):
        message = f"{path.name} has no check: `validator` must have a name and a method check()"
        hint = "write `validator = MyCheck()` at its end, with `name = ...` and `def check(...)`"
        raise _Broken(_problem(path, message, None, hint))
    checked: Validator = validator
    return checked


def _line_in(path: Path, error: Exception) -> int | None:
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno for f in reversed(frames) if f.filename == str(path)), None)


def _problem(path: Path, message: str, line: int | None, hint: str | None = None) -> Diagnostic:
    return Diagnostic(
        code=FAILED_CHECK,
        severity=Severity.WARNING,
        message=message,
        file=f"{path.parent.name}/{path.name}",
        line=line,
        hint=hint or "correct the file; the other checks run meanwhile",
    )
