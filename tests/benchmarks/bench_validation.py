"""Validation: what a save waits for, and what a thousand plugins cost beside other tools.

    python tests/benchmarks/bench_validation.py [--count 1000] [--json FILE]

The first table is one file of 200 lines that was edited, among few and among many plugins: the
whole step (read the tree of syntax, analyse, all checks) and which share of it is our own code,
the rest being the compiler and the standard library. The second is the command's work on all
plugins, without and with the cache of the run before, beside `python -m compileall` and
`ruff check` on the same files; the ratio is to compileall.

Exit code 1 when a save among the most plugins takes more than twice as long as among few.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench_report import median, table

from devserver.assembly import OfflineProject
from devserver.core.source import PluginSource, SourceFile
from devserver.runtime.discovery import discover, read_source
from devserver.runtime.project import Project
from devserver.validation.analyser import Analyser
from devserver.validation.candidate import Candidate, World
from devserver.validation.checks import built_in_validators
from devserver.validation.pipeline import Pipeline

FLAT = 2.0
_FEW = 10
_SAVES = 60
_OWN = ("/devserver/", "/validators/")
_METHOD = '''
    async def step_{number}(self, amount: int = {number}, *, fresh: bool = False) -> dict[str, int]:
        """One of many."""
        if fresh and amount not in self.seen:
            self.seen[amount] = time.time()
        return {{"amount": amount, "seen": len(self.seen)}}
'''
_PLUGIN = '''"""Plugin {number} of many."""

import json
import time

from devserver.sdk import BasePlugin
{more}

class Plugin{number}(BasePlugin):
    name = "many_{number:04}"
    version = "1.0.0"

    def __init__(self):
        super().__init__()
        self.seen = {{}}

    def register_routes(self, app, router):
        @router.get("/")
        def seen():
            return json.dumps(self.seen)

    def shutdown(self):
        self.seen.clear()
{methods}'''


def text_of(number: int, lines: int) -> str:
    """The text of a plugin of about so many lines; every tenth builds on the one before it."""
    more = ""
    if number % 10 == 0 and number:
        before = f"Plugin{number - 1}"
        more = f"from plugins.many_{number - 1:04}.plugin import {before}\n\nUSED = {before}\n"
    count = max((lines - 24) // 6, 0)
    methods = "".join(_METHOD.format(number=i) for i in range(count))
    return _PLUGIN.format(number=number, more=more, methods=methods)


def make_project(root: Path, count: int) -> Project:
    """A project of so many plugins of 30 lines, the first of them 200 lines long."""
    for number in range(count):
        path = root / "plugins" / f"many_{number:04}" / "plugin.py"
        path.parent.mkdir(parents=True)
        path.write_text(text_of(number, 200 if number == 0 else 30))
    return Project(root)


class Saves:
    """Edits of the long file of a project, validated as the server does on a save."""

    def __init__(self, project: Project) -> None:
        self._analyser = Analyser(project.cache, deferred=True)
        self._pipeline = Pipeline(built_in_validators())
        sources = [read_source(project, place) for place in discover(project).values()]
        known = [self._analyser.analyse(s) for s in sources if s is not None]
        self._running = {c.key: c for c in known}
        self._edits = 0

    def next_source(self) -> PluginSource:
        """The long plugin with a line that it never had before."""
        source = self._running["many_0000"].source
        old = source.files["plugin.py"]
        self._edits += 1
        content = old.content + f"\nEDIT = {self._edits}\n".encode()
        files = [SourceFile.of(old.path, old.relative, content)]
        return PluginSource.of(
            name=source.name, root=source.root, base=source.base, files=files, single_file=False
        )

    def validate(self, source: PluginSource) -> Candidate:
        """The step `validate` of a save; raises AssertionError on a finding."""
        candidate = self._analyser.analyse(source)
        world = World(
            plugins={**self._running, candidate.key: candidate},
            running=self._running,
            changed=frozenset({candidate.key}),
        )
        found = self._pipeline.run(world).diagnostics
        assert not found, found
        return candidate


def time_saves(saves: Saves) -> list[float]:
    """Milliseconds of each of some saves."""
    took = []
    for _ in range(_SAVES):
        source = saves.next_source()
        begun = time.perf_counter()
        saves.validate(source)
        took.append((time.perf_counter() - begun) * 1000)
    return took


def own_share(saves: Saves) -> float:
    """The share of the time that is spent in our own functions, as cProfile sees it."""
    sources = [saves.next_source() for _ in range(_SAVES)]
    profile = cProfile.Profile()
    profile.enable()
    for source in sources:
        saves.validate(source)
    profile.disable()
    own = total = 0.0
    for (file, _, _), (_, _, inside, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        total += inside
        own += inside if any(part in file for part in _OWN) else 0.0
    return own / total


def time_all(project: Project) -> float:
    """Seconds that `validate --all` works, without the start of the interpreter."""
    begun = time.perf_counter()
    found = OfflineProject(project).validate()
    assert not found.diagnostics, found.diagnostics[:3]
    return time.perf_counter() - begun


def time_command(command: Sequence[str], before: Callable[[], None]) -> float:
    """Seconds of a command, after `before` was called."""
    before()
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


def measure_peers(project: Project) -> list[tuple[str, float]]:
    """All plugins, ours and the others', each cold and warm."""
    plugins = str(project.plugins)

    def forget() -> None:
        for name in ("__pycache__", ".ruff_cache"):
            for folder in project.root.rglob(name):
                shutil.rmtree(folder)

    compile_all = [sys.executable, "-m", "compileall", "-q", plugins]
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F", plugins]
    ruff += ["--cache-dir", str(project.root / ".ruff_cache")]
    shutil.rmtree(project.cache, ignore_errors=True)
    return [
        ("validate --all, cold", time_all(project)),
        ("validate --all, warm", time_all(project)),
        ("python -m compileall, cold", time_command(compile_all, forget)),
        ("python -m compileall, warm", time_command(compile_all, lambda: None)),
        ("ruff check, cold", time_command(ruff, forget)),
        ("ruff check, warm", time_command(ruff, lambda: None)),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints both tables; 1 when a save is not flat in the number of plugins."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    saves: dict[int, tuple[float, float]] = {}
    peers: list[tuple[str, float]] = []
    for count in (_FEW, options.count):
        with tempfile.TemporaryDirectory() as folder:
            project = make_project(Path(folder), count)
            one = Saves(project)
            time_saves(one)  # warms what is read once
            saves[count] = (median(time_saves(one)), own_share(one))
            if count == options.count:
                peers = measure_peers(project)
    rows = [[str(n), f"{ms:.2f}", f"{share:.0%}"] for n, (ms, share) in saves.items()]
    print(table(["plugins", "one save of 200 lines, ms", "of it own code"], rows), "\n")
    base = dict(peers)["python -m compileall, cold"]
    rows = [[name, f"{took:.2f}", f"{took / base:.2f}"] for name, took in peers]
    print(table([f"{options.count} plugins", "seconds", "to compileall"], rows))
    if options.json:
        options.json.write_text(json.dumps({"saves": saves, "all": dict(peers)}, indent=2))
    few, many = saves[_FEW][0], saves[options.count][0]
    return int(many > FLAT * few)


if __name__ == "__main__":
    sys.exit(main())
