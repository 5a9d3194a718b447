"""What 100 MB of ordinary run-time state cost in a reload, beside copying it by other means.

Each way runs in a process of its own, over the same state: records of str, int, float, None and
lists. Time is in seconds; peak memory is what the process held beyond the state, in megabytes,
by the kernel's own count (VmHWM). Memory of a reload includes the old and the new state, as that
of a copy does.

    python tests/benchmarks/bench_large_state.py [--records N]

Exit code 1 when a reload is slower than deepcopy, or holds more than pickle by a fifth.
"""

from __future__ import annotations

import argparse
import copy
import json
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench_report import table

from devserver.assembly import PluginHost
from devserver.runtime.project import Project

RECORDS = 200_000
"""About 100 MB and 1.4 million objects."""

RUNS = 3

PLUGIN = """
from devserver.sdk import BasePlugin

VERSION = {version}

class Large(BasePlugin):
    name = "large"
    version = "1.0.0"

    def __init__(self):
        super().__init__()
        self.records = {{}}
        self.options = []
"""


def records(count: int) -> dict[str, Any]:
    """Records as an application holds them; about 500 bytes each."""
    return {
        f"user-{n}": {
            "id": n,
            "name": f"name of {n}",
            "mail": f"{n}@example.com",
            "score": n / 7,
            "tags": [f"tag-{n % 97}", n % 13],
            "parent": None,
        }
        for n in range(count)
    }


def by_deepcopy(state: Any) -> Any:
    return copy.deepcopy(state)


def by_pickle(state: Any) -> Any:
    return pickle.loads(pickle.dumps(state, protocol=5))


PEERS: dict[str, Callable[[Any], Any]] = {"deepcopy": by_deepcopy, "pickle": by_pickle}


def peer(way: str, count: int) -> dict[str, float]:
    state = records(count)
    before = reset_peak()
    begun = time.perf_counter()
    kept = PEERS[way](state)
    seconds = time.perf_counter() - begun
    assert len(kept) == count
    return {"seconds": seconds, "peak_mb": peak() - before}


def reload(count: int, backup: bool) -> dict[str, float]:
    """Seconds are those in which requests wait: from the snapshot to the commit."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "config").mkdir()
        (root / "config" / "hot-loading.yaml").write_text(
            f"hot_loading:\n  reload:\n    backup_state: {str(backup).lower()}\n"
        )
        path = root / "plugins" / "large.py"
        path.parent.mkdir()
        path.write_text(PLUGIN.format(version=1))
        host = PluginHost(Project(root), hot_reload=False)
        host.start()
        try:
            return _reloaded(host, path, count)
        finally:
            host.stop()


def _reloaded(host: PluginHost, path: Path, count: int) -> dict[str, float]:
    generation = host.registry.view.generation("large")
    assert generation is not None
    generation.plugin.records = records(count)  # type: ignore[union-attr]
    del generation
    before = reset_peak()
    begun = time.perf_counter()
    path.write_text(PLUGIN.format(version=2))
    outcome = host.changed(path)
    live = time.perf_counter() - begun
    top = peak() - before
    assert outcome is not None
    assert outcome.state.kept == ("records",), outcome
    held = ("snapshot", "activate", "verify", "commit")
    steps = {s.name: s.ms / 1000 for s in outcome.steps if s.plugin is None and s.name in held}
    return {"seconds": sum(steps.values()), "peak_mb": top, "live": live, **steps}


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"no {field} in /proc/self/status")


def reset_peak() -> float:
    """What is held now, in megabytes; the peak starts from here."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak() -> float:
    return _status("VmHWM")


def measured(way: str, count: int) -> dict[str, float]:
    """One way, in a process of its own."""
    command = [sys.executable, __file__, "--way", way, "--records", str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def best_of(runs: int, ways: tuple[str, ...], count: int) -> dict[str, dict[str, float]]:
    """The fastest run of each way; they take turns, as other work on the machine comes and goes."""
    found: dict[str, dict[str, float]] = {}
    for _ in range(runs):
        for way in ways:
            now = measured(way, count)
            if way not in found or now["seconds"] < found[way]["seconds"]:
                found[way] = now
    return found


def main(arguments: list[str] | None = None) -> int:
    """Prints the figures; 0 when a reload is faster than deepcopy and about as large as pickle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--way", choices=[*PEERS, "reload", "reload-without-backup"])
    options = parser.parse_args(arguments)
    if options.way is not None:
        found = (
            peer(options.way, options.records)
            if options.way in PEERS
            else reload(options.records, backup=options.way == "reload")
        )
        print(json.dumps(found))
        return 0
    ways = best_of(RUNS, ("reload", "reload-without-backup", *PEERS), options.records)
    base = ways["deepcopy"]
    rows = [
        (way, f"{found['seconds']:.2f}", f"{found['seconds'] / base['seconds']:.2f}",
         f"{found['peak_mb']:.0f}", f"{found['peak_mb'] / base['peak_mb']:.2f}")
        for way, found in ways.items()
    ]  # fmt: skip
    print(table(("way", "seconds", "of deepcopy", "peak MB", "of deepcopy"), rows))
    faster = ways["reload"]["seconds"] < base["seconds"]
    return 0 if faster and ways["reload"]["peak_mb"] < 1.2 * ways["pickle"]["peak_mb"] else 1


if __name__ == "__main__":
    sys.exit(main())
