"""A copy of a project with an earlier version of a plugin in place, for a check to run in."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from devserver.core.bisection import Verdict
from devserver.core.errors import DevServerError
from devserver.core.names import normalise
from devserver.core.source import PluginSource
from devserver.runtime.discovery import discover, read_source
from devserver.runtime.project import Project
from devserver.store.address import VARIABLE

_LEFT_OUT = frozenset({"instance", ".plugin_cache", ".git"})
"""At the top: what belongs to the running server, and what no check needs."""
_NEVER = frozenset({"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"})
_MOST_OUTPUT = 4000
_SKIP, _CANNOT_RUN = 125, (126, 127)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check said; `output` is the end of what it printed."""

    verdict: Verdict
    exit_code: int
    seconds: float
    output: str


def check(project: Project, version: PluginSource, command: str) -> Checked:
    """Runs a shell command in a copy of the project that has `version` in place: exit code 0 is
    good, 125 skips, others up to 127 are bad.

    Raises DevServerError when the command cannot be run, or was ended by a signal.
    """
    with _copy(project, version) as folder:
        begun = time.monotonic()
        code, output = _run(command, folder, _environment(project.root, folder))
        seconds = time.monotonic() - begun
    if code in _CANNOT_RUN or code < 0 or code > 127:
        said = output.strip().splitlines()[-1:] or [f"exit code {code}"]
        raise DevServerError(
            f"the check could not be run: {said[0]}",
            hint="exit code 0 is good, 125 skips a version, 1 to 124 are bad",
        )
    verdict = Verdict.GOOD if code == 0 else Verdict.SKIPPED if code == _SKIP else Verdict.BAD
    return Checked(verdict=verdict, exit_code=code, seconds=seconds, output=output)


@contextmanager
def _copy(project: Project, version: PluginSource) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sysctl-check-", ignore_cleanup_errors=True) as made:
        folder = Path(made).resolve() / project.name
        linked: list[Path] = []
        shutil.copytree(
            project.root,
            folder,
            ignore=lambda where, names: _ignored(project.root, Path(where), names, linked),
            ignore_dangling_symlinks=True,
        )
        for place in linked:
            (folder / place.relative_to(project.root)).symlink_to(place)
        _put(Project(folder), version)
        yield folder


def _ignored(root: Path, where: Path, names: list[str], linked: list[Path]) -> set[str]:
    """What is not copied. Installed environments are large: they go to `linked`."""
    out = set()
    for name in names:
        path = where / name
        if name == "node_modules" or (path / "pyvenv.cfg").is_file():
            linked.append(path)
            out.add(name)
        elif name in _NEVER or (where == root and name in _LEFT_OUT) or not _is_copied(path):
            out.add(name)
    return out


def _is_copied(path: Path) -> bool:
    """Folders and files; not what cannot be read, nor a link to where it is itself."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    if stat.S_ISDIR(mode):
        return not (path.is_symlink() and _leads_back(path))
    return stat.S_ISREG(mode) and os.access(path, os.R_OK)


def _leads_back(link: Path) -> bool:
    return link.parent.resolve().is_relative_to(link.resolve())


def _put(copy: Project, version: PluginSource) -> None:
    """The plugin in the copy is the version and nothing else."""
    place = discover(copy).get(normalise(version.name))
    if place is not None and place.is_dir() and not version.single_file:
        _empty(copy, place)
    elif place is not None:
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    root = copy.plugins if version.single_file else copy.plugins / version.name
    for path, file in version.files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)


def _empty(copy: Project, place: Path) -> None:
    source = read_source(copy, place)
    for file in () if source is None else source.files.values():
        file.path.unlink()


def _environment(root: Path, folder: Path) -> Mapping[str, str]:
    """The same, but with a database and a path of the copy's own."""
    database = f"sqlite:///{folder / 'instance' / 'devserver.sqlite'}"
    found = os.environ | {VARIABLE: database}
    if "PYTHONPATH" in found:
        parts = (Path(p) for p in found["PYTHONPATH"].split(os.pathsep) if p)
        moved = (folder / p.relative_to(root) if p.is_relative_to(root) else p for p in parts)
        found["PYTHONPATH"] = os.pathsep.join(map(str, moved))
    return found


def _run(command: str, folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate()
    finally:  # Ctrl-C too: what the check started ends with it
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode, output.decode(errors="replace")[-_MOST_OUTPUT:]
