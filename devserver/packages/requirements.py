"""Installed distributions that a package asks for: shown, and installed when that is allowed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from devserver.core.errors import DevServerError
from devserver.packages.refusal import PackageRefused, problem
from devserver.validation.distributions import Distributions, applies, requirements_in

BY_HAND = "PKG017"
MISSING = "PKG018"
_LONGEST = 600.0
_ALLOW = "`--install-requirements`, or development.auto_install_deps in config/hot-loading.yaml"
_LIST = """
import importlib.metadata, json
found = importlib.metadata.distributions()
print(json.dumps({d.metadata["Name"]: d.version for d in found if d.metadata["Name"]}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """A requirement that applies here; `problem` is why it is not satisfied, None when it is."""

    requirement: Requirement
    problem: str | None


def needed_by(text: str) -> list[Needed]:
    """What a requirements.txt asks for in this environment.

    Raises PackageRefused for lines that are no plain requirements: options, paths and URLs could
    bring in anything.
    """
    plain = {line.text: line for line in requirements_in(text)}
    found = []
    for raw in _lines(text):
        line = plain.get(raw)
        if line is None or line.requirement is None or line.requirement.url is not None:
            told = f"requirements.txt has {raw[:80]!r}, which is not installed by itself"
            hint = "leave it out, and install it by hand where it is needed"
            raise PackageRefused([problem(BY_HAND, told, hint, file="requirements.txt")])
        if applies(line.requirement):
            why = Distributions().problem_with(line.requirement)
            found.append(Needed(requirement=line.requirement, problem=why))
    return found


def _lines(text: str) -> Iterator[str]:
    """Each entry as it is written, without comments, continued lines as one."""
    pending = ""
    for raw in text.splitlines():
        line = raw.strip() if not raw.lstrip().startswith("#") else ""
        line = line.partition(" #")[0].rstrip()
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        entry, pending = (pending + line).strip(), ""
        if entry:
            yield entry


def refuse_missing(needed: Sequence[Needed]) -> None:
    """Raises PackageRefused with all that is not there."""
    missing = [n.problem for n in needed if n.problem is not None]
    if missing:
        hint = f"install it by hand, or allow it: {_ALLOW}"
        found = [problem(MISSING, f"requirements.txt: {told}", hint) for told in missing]
        raise PackageRefused(found)


class Installer:
    """Installs wheels into the virtual environment of `python`, by uv where it is there, else by
    pip. Code of packages is never built, and nothing that is installed is changed: plugins and
    this program use it."""

    def __init__(self, python: Path | None = None) -> None:
        self._python = Path(sys.executable) if python is None else python

    @contextmanager
    def installed(self, needed: Sequence[Needed]) -> Iterator[list[str]]:
        """Installs what is not there, for a block; when that raises, what came is taken away
        again. Gives the names of what came.

        Raises PackageRefused.
        """
        wanted = [n.requirement for n in needed if n.problem is not None]
        if not wanted:
            yield []
            return
        self._refuse_outside()
        before = self._distributions()
        try:
            self._install(wanted, before)
            yield sorted(self._distributions().keys() - before.keys())
        except BaseException:  # raised again; Ctrl-C leaves nothing behind either
            self._take_away(sorted(self._distributions().keys() - before.keys()))
            raise

    def _refuse_outside(self) -> None:
        told = self._ask("import json, sys; print(json.dumps(sys.prefix != sys.base_prefix))")
        if told is not True:
            message = f"{self._python} belongs to no virtual environment"
            hint = "make one (`python -m venv .venv`) and run the server with it"
            raise PackageRefused([problem(MISSING, message, hint)])

    def _distributions(self) -> dict[str, str]:
        return dict(self._ask(_LIST))

    def _ask(self, code: str) -> Any:
        command = [str(self._python), "-I", "-c", code]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=_LONGEST
            )
        except (OSError, subprocess.SubprocessError) as error:
            told = f"{self._python} cannot be asked what is installed: {error}"
            raise PackageRefused([problem(MISSING, told, "look at that environment")]) from None
        return json.loads(done.stdout)

    def _install(self, wanted: Sequence[Requirement], before: dict[str, str]) -> None:
        with tempfile.TemporaryDirectory(prefix="devserver-") as folder:
            fixed = Path(folder) / "constraints.txt"
            fixed.write_text("".join(f"{n}=={v}\n" for n, v in before.items() if n and v))
            options = ("--only-binary", ":all:", "--constraint", str(fixed))
            done = self._run("install", *options, *map(str, wanted))
        if done.returncode != 0:
            reason = _last_line(done.stderr or done.stdout)
            names = ", ".join(map(str, wanted))
            told = f"{names} cannot be installed as wheels beside what is there: {reason}"
            hint = "install it by hand in the server's environment and try again"
            raise PackageRefused([problem(MISSING, told, hint)])

    def _take_away(self, names: Sequence[str]) -> None:
        if not names:
            return
        yes = () if shutil.which("uv") else ("--yes",)
        done = self._run("uninstall", *yes, *names)
        if done.returncode != 0:
            raise DevServerError(
                f"{', '.join(names)} came and cannot be taken away: {_last_line(done.stderr)}",
                hint=f"`{self._python} -m pip uninstall {' '.join(names)}`",
            )

    def _run(self, deed: str, *words: str) -> subprocess.CompletedProcess[str]:
        uv = shutil.which("uv")
        if uv is not None:
            command = [uv, "pip", deed, "--python", str(self._python), *words]
        else:
            tool = [sys.executable, "-m", "pip", "--python", str(self._python)]
            quiet = ("--no-input", "--disable-pip-version-check")
            command = [*tool, *quiet, deed, *words]
        try:
            return subprocess.run(
                command, capture_output=True, text=True, timeout=_LONGEST, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 1, "", f"no end after {_LONGEST:g} s")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR", "error"))]
    return (errors or lines or ["it did not say why"])[-1][:300]
