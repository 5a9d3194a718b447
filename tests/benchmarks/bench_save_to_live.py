"""Save → live: how long after a save the new version answers, and what fails meanwhile.

    python tests/benchmarks/bench_save_to_live.py [--edits 100] [--sizes S,M] [--json FILE]

Three processes serve the same code and are edited in turns, so that whatever else the machine
does hits them alike: the product as its users start it; the floor, which is the file event,
compile, execute and one pointer swapped, behind the same HTTP server; and uvicorn --reload, which
restarts. A save is an `os.replace`. One client asks over a kept-alive connection until the new
version answers; a second one asks steadily and counts every request that is not answered with 200.

Exit code 1 when a target is missed: p50 under 2.5 times the floor, under a tenth of the restart,
and no failed request.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench_clients import Poller, SteadyClient
from bench_report import median, percentile, table
from bench_subjects import DevServer, Floor, Restarting, Subject

FLOOR_RATIO = 2.5
RESTART_RATIO = 0.1
_ROUNDS = 5
_WARM_UP = 3


@dataclass
class Result:
    """Latencies in milliseconds, and what the steady client met."""

    name: str
    size: str
    latencies: list[float] = field(default_factory=list)
    requests: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    missed: int = 0

    @property
    def p50(self) -> float:
        return percentile(self.latencies, 0.5)

    @property
    def p95(self) -> float:
        return percentile(self.latencies, 0.95)

    @property
    def failures(self) -> int:
        return sum(self.failed.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "size": self.size,
            "edits": len(self.latencies),
            "p50_ms": self.p50,
            "p95_ms": self.p95,
            "missed": self.missed,
            "requests": self.requests,
            "failed": dict(self.failed),
            "latencies_ms": self.latencies,
        }


class Measurement:
    """The edits of one contender, some at a time."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.result = Result(subject.name, subject.workload.size)
        self._version = 0

    def warm_up(self, edits: int = _WARM_UP) -> None:
        """Edits that do not count."""
        self._edit(edits)

    def run(self, edits: int) -> None:
        """Makes `edits` and adds them to the result."""
        with SteadyClient(self.subject.port, self.subject.path) as steady:
            self.result.latencies += self._edit(edits)
        self.result.requests += steady.requests
        self.result.failed += steady.failed

    def _edit(self, edits: int) -> list[float]:
        poller = Poller(self.subject.port, self.subject.path)
        found = []
        for _ in range(edits):
            self._version += 1
            time.sleep(self.subject.settle)
            begun = self.subject.save(self._version)
            try:
                live = poller.wait_for(self._version, self.subject.patience)
            except TimeoutError:
                self.result.missed += 1
            else:
                found.append((live - begun) * 1000)
        time.sleep(self.subject.settle)
        poller.close()
        return found


@dataclass
class Comparison:
    """One size: the product beside the others, and its own account of its time."""

    size: str
    ours: Result
    floor: Result
    restart: Result
    steps: list[tuple[str, float]]

    def misses(self) -> list[str]:
        """The targets that were missed, in words."""
        found = []
        if self.ours.p50 >= FLOOR_RATIO * self.floor.p50:
            found.append(f"p50 is {self.ours.p50 / self.floor.p50:.2f} times the floor")
        if self.ours.p50 >= RESTART_RATIO * self.restart.p50:
            found.append(f"p50 is {self.ours.p50 / self.restart.p50:.2f} of a restart")
        if self.ours.failures:
            found.append(f"{self.ours.failures} requests failed: {dict(self.ours.failed)}")
        if self.ours.missed:
            found.append(f"{self.ours.missed} edits never went live")
        return [f"{self.size}: {miss}" for miss in found]


def compare(size: str, folder: Path, *, edits: int, restarts: int) -> Comparison:
    """Measures all contenders in turns."""
    ours = DevServer(size, folder / f"{size}-ours")
    subjects = (ours, Floor(size, folder / f"{size}-floor"), Restarting(size, folder / f"{size}-r"))
    measured = [Measurement(subject) for subject in subjects]
    try:
        for subject in subjects:
            subject.start()
        for measurement in measured:
            measurement.warm_up()
        for turn in range(_ROUNDS):
            for measurement, total in zip(measured, (edits, edits, restarts), strict=True):
                measurement.run(_share(total, turn))
        steps = account(ours.outcomes()[:edits])
    finally:
        for subject in subjects:
            subject.stop()
    return Comparison(size, *(m.result for m in measured), steps)


def _share(total: int, turn: int) -> int:
    """How many of `total` belong to a turn."""
    return (turn + 1) * total // _ROUNDS - turn * total // _ROUNDS


def account(outcomes: Sequence[dict[str, Any]]) -> list[tuple[str, float]]:
    """Median milliseconds of each step of a reload, as the server timed them."""
    found: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        for step in outcome["steps"]:
            if step["plugin"] is None:
                found[step["name"]].append(step["ms"])
        found["in all, from the queue on"].append(outcome["duration_ms"])
    return [(name, median(values)) for name, values in found.items()]


def show(comparisons: Sequence[Comparison]) -> str:
    """The tables."""
    rows = []
    for c in comparisons:
        for result in (c.ours, c.floor, c.restart):
            rows.append(
                (
                    f"{c.size}  {result.name}",
                    str(len(result.latencies)),
                    f"{result.p50:.1f} ms",
                    f"{result.p95:.1f} ms",
                    f"{result.p50 / c.floor.p50:.2f}",
                    f"{result.failures} of {result.requests}",
                )
            )
    heads = ("save → live", "edits", "p50", "p95", "p50 : floor", "failed requests")
    steps = [(f"{c.size}  {name}", f"{ms:.2f} ms") for c in comparisons for name, ms in c.steps]
    return f"{table(heads, rows)}\n\n{table(('where the time goes', 'p50'), steps)}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measures save → live beside peers.")
    parser.add_argument("--edits", type=int, default=100, help="of the product and the floor")
    parser.add_argument("--restarts", type=int, default=12, help="edits of uvicorn --reload")
    parser.add_argument("--sizes", default="S,M", help="S: a file of 50 lines; M: 20 of 200")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        comparisons = [
            compare(size, Path(folder), edits=options.edits, restarts=options.restarts)
            for size in options.sizes.split(",")
        ]
    print(show(comparisons))
    misses = [miss for c in comparisons for miss in c.misses()]
    print("\n" + ("\n".join(f"missed: {m}" for m in misses) or "all targets are met"))
    if options.json is not None:
        results = [r.to_json() for c in comparisons for r in (c.ours, c.floor, c.restart)]
        steps = {c.size: dict(c.steps) for c in comparisons}
        document = {"results": results, "steps_ms": steps, "missed": misses}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
