"""Many plugins: how long the start takes, and whether a save takes longer among many.

    python tests/benchmarks/bench_many_plugins.py [--counts 1,100,200,1000] [--json FILE]

For each count a project of so many plugins is started twice, without and with the code cache of
the run before, and one plugin is then edited. Every tenth plugin builds on the one before it.

Exit code 1 when a save among the most plugins takes more than twice as long as among the fewest,
or a request fails.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench_report import table
from bench_save_to_live import Measurement
from bench_subjects import DevServer

FLAT = 2.0

_PLUGIN = '''"""Plugin {number} of many."""

from dataclasses import dataclass

from devserver.sdk import BasePlugin
{imports}

LIMIT = {number}


@dataclass
class Item{number}:
    name: str
    amount: int = LIMIT


class Plugin{number}(BasePlugin):
    name = "many_{number:04}"
    version = "1.0.0"

    def __init__(self):
        super().__init__()
        self.items = []

    def register_routes(self, app, router):
        @router.get("/")
        def items():
            return self.items

        @router.post("/<name>")
        def add(name, amount: int = LIMIT):
            self.items.append(Item{number}(name, amount))
            return {{"count": len(self.items)}}
'''


@dataclass
class Row:
    """Seconds from the command to the first answer, without and with a cache; milliseconds from
    save to live."""

    plugins: int
    cold_s: float
    warm_s: float
    p50_ms: float
    p95_ms: float
    failed: int
    missed: int


class Crowd(DevServer):
    """The product with `count` plugins in all."""

    def __init__(self, count: int, folder: Path) -> None:
        super().__init__("S", folder)
        for number in range(1, count):
            self._write(number)

    def _write(self, number: int) -> None:
        below = number - 1
        builds_on = number % 10 == 0
        imports = f"from plugins.many_{below:04}.plugin import Item{below}" if builds_on else ""
        place = self.folder / "plugins" / f"many_{number:04}"
        place.mkdir()
        (place / "plugin.py").write_text(_PLUGIN.format(number=number, imports=imports))

    def seconds_to_ready(self) -> float:
        """Starts it; how long that took."""
        begun = time.perf_counter()
        self.start()
        return time.perf_counter() - begun


def measure(count: int, folder: Path, edits: int) -> Row:
    """One count, from an empty cache on."""
    crowd = Crowd(count, folder)
    try:
        cold = crowd.seconds_to_ready()
        crowd.stop()
        warm = crowd.seconds_to_ready()
        measurement = Measurement(crowd)
        measurement.warm_up()
        measurement.run(edits)
    finally:
        crowd.stop()
    found = measurement.result
    return Row(count, cold, warm, found.p50, found.p95, found.failures, found.missed)


def show(rows: Sequence[Row]) -> str:
    """The table."""
    heads = ("plugins", "cold start", "warm start", "save → live p50", "p95", "failed requests")
    return table(
        heads,
        [
            (
                str(r.plugins),
                f"{r.cold_s:.2f} s",
                f"{r.warm_s:.2f} s",
                f"{r.p50_ms:.1f} ms",
                f"{r.p95_ms:.1f} ms",
                str(r.failed),
            )
            for r in rows
        ],
    )


def misses(rows: Sequence[Row]) -> list[str]:
    """The targets that were missed, in words."""
    few, many = rows[0], rows[-1]
    found = [f"{r.failed} requests failed at {r.plugins} plugins" for r in rows if r.failed]
    found += [f"{r.missed} edits never went live at {r.plugins}" for r in rows if r.missed]
    if many.p50_ms > FLAT * few.p50_ms:
        ratio = many.p50_ms / few.p50_ms
        found.append(f"a save at {many.plugins} plugins takes {ratio:.1f} times as long")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measures start and save with many plugins.")
    parser.add_argument("--counts", default="1,100,200,1000", help="how many plugins")
    parser.add_argument("--edits", type=int, default=30, help="at each count")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = [
            measure(int(count), Path(folder) / count, options.edits)
            for count in options.counts.split(",")
        ]
    print(show(rows))
    missed = misses(rows)
    print("\n" + ("\n".join(f"missed: {m}" for m in missed) or "all targets are met"))
    if options.json is not None:
        document = {"rows": [asdict(r) for r in rows], "missed": missed}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
