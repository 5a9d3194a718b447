"""What the trial costs, beside the least that a process for the same code costs.

    python tests/benchmarks/bench_trial.py [--rounds 200] [--lines 50] [--json FILE]

A plugin of so many lines is edited before each round. In turns it is examined by the warm fork
server, by a spawned worker (as where there is no fork), executed by a bare `os.fork()` of this
process, which has imported the same libraries, and by `python -c` in a new interpreter. Each time
ends with the knowledge whether the code ran to its end.

Exit code 1 when the fork server takes longer than 10 ms at the median.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench_report import median, percentile, table

from devserver.core.source import PluginSource, SourceFile
from devserver.reload import trial_forkserver
from devserver.reload.trial_forkserver import ForkServerTrial

LIMIT_MS = 10.0
_HEAD = "from devserver.sdk import BasePlugin\n\nVERSION = {version}\n\n\n"
_ITEM = "def step_{n}(a, b={n}):\n    return [a, b, {n}]\n\n\n"
_TAIL = "class Plugin(BasePlugin):\n    name = 'measured'\n    version = '1.0.0'\n"


def text_of(version: int, lines: int) -> str:
    """A module of about so many lines, another one for each version."""
    items = "".join(_ITEM.format(n=n) for n in range(max(1, (lines - 8) // 4)))
    return _HEAD.format(version=version) + items + _TAIL


def source_of(base: Path, text: str) -> PluginSource:
    root = base / "plugins" / "measured"
    file = SourceFile.of(root / "plugin.py", "plugin.py", text.encode())
    return PluginSource.of(name="measured", root=root, base=base, files=[file], single_file=False)


def forked(text: str) -> None:
    """The least: a child of this very process compiles and executes the code."""
    pid = os.fork()
    if pid == 0:
        try:
            exec(compile(text, "plugin.py", "exec"), {"__name__": "measured"})
        except BaseException:
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        raise AssertionError("the code failed")


def started(text: str) -> None:
    """A new interpreter executes the code."""
    subprocess.run([sys.executable, "-c", text], check=True)


def examiner(trial: ForkServerTrial, base: Path, *, can_fork: bool) -> Callable[[str], None]:
    def examine(text: str) -> None:
        trial_forkserver.CAN_FORK = can_fork
        found = trial.examine([source_of(base, text)], [], timeout=10)
        if found:
            raise AssertionError(found[0].message)

    return examine


def measure(rounds: int, lines: int) -> dict[str, list[float]]:
    """Milliseconds of each way, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        trial = ForkServerTrial(cache=base / ".plugin_cache", memory_mb=lambda: "auto")
        ways: dict[str, tuple[int, Callable[[str], None]]] = {
            "trial, fork server": (1, examiner(trial, base, can_fork=True)),
            "bare os.fork() + exec": (1, forked),
            "python -c": (10, started),
            "trial, spawned worker": (10, examiner(trial, base, can_fork=False)),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        try:
            for number in range(-3, rounds):
                text = text_of(number, lines)
                for name, (every, way) in ways.items():
                    if number % every:
                        continue
                    begun = time.perf_counter()
                    way(text)
                    if number >= 0:
                        times[name].append((time.perf_counter() - begun) * 1000)
                # As long as a reload takes after its trial: the server gets the next child ready.
                time.sleep(0.05)
        finally:
            trial_forkserver.CAN_FORK = True
            trial.close()
        return times


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--lines", type=int, default=50)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    times = measure(options.rounds, options.lines)
    rows = [
        [name, f"{median(ms):.1f}", f"{percentile(ms, 0.95):.1f}", str(len(ms))]
        for name, ms in times.items()
    ]
    print(table([f"{options.lines} lines", "p50 ms", "p95 ms", "rounds"], rows))
    if options.json:
        options.json.write_text(json.dumps(times))
    return int(median(times["trial, fork server"]) > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
