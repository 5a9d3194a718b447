"""Requests while the code behind them is replaced all the time: how long they take.

    python tests/benchmarks/bench_requests.py [--seconds 4] [--rounds 3] [--json FILE]

Four clients with keep-alive ask one Flask view. Beside the product, at rest and with a save as soon
as the one before it is live, stands what it is built on: Werkzeug's threaded server with a Flask
app, which reloads nothing. The three take turns, so that what else the machine does hits all.

Exit code 1 when a request fails, or half of them take more than twice as long during reloads.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bench_workload
from bench_clients import Connection, Poller
from bench_report import percentile, table
from bench_subjects import DevServer, Subject

CLIENTS = 4
TARGET = 2.0
_PAUSE = 0.004
_SETTLE = 0.05
_PATIENCE = 20.0

_PEER = """
import sys
from pathlib import Path
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server
app = Flask("peer")

@app.get("/bench/version")
def version():
    return "0"

class KeepAlive(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, *arguments):
        pass

server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=KeepAlive)
part = Path("port.new")
part.write_text(str(server.port))
part.rename("port")
server.serve_forever()
"""


class Plain(Subject):
    """Werkzeug's threaded server with a Flask app."""

    name = "werkzeug, no reloads"
    path = "/bench/version"
    adapter = bench_workload.WSGI

    def command(self) -> list[str]:
        return [sys.executable, "-c", _PEER]

    def find_port(self) -> int | None:
        port = self.folder / "port"
        return int(port.read_text()) if port.exists() else None


@dataclass
class Series:
    """What one contender has shown; latencies in milliseconds."""

    name: str
    latencies: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    reloads: int = 0

    def share(self, share: float) -> float:
        return percentile(self.latencies, share)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "requests": len(self.latencies),
            "failed": len(self.failed),
            "reloads": self.reloads,
            "p50_ms": self.share(0.5),
            "p99_ms": self.share(0.99),
            "max_ms": max(self.latencies),
        }


def ask(subject: Subject, series: Series, during: Callable[[], None]) -> None:
    """Lets the clients ask until `during()` comes back."""
    ended = threading.Event()

    def run() -> None:
        connection = Connection(subject.port, subject.path)
        while not ended.wait(_PAUSE):
            begun = time.perf_counter()
            try:
                status, _ = connection.get()
            except (OSError, http.client.HTTPException) as error:
                series.failed.append(type(error).__name__)
                continue
            series.latencies.append((time.perf_counter() - begun) * 1000)
            if status != 200:
                series.failed.append(f"status {status}")
        connection.close()

    clients = [threading.Thread(target=run, daemon=True) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        during()
    finally:
        ended.set()
        for client in clients:
            client.join()


def reload_for(seconds: float, subject: Subject, series: Series) -> None:
    """Saves as soon as what was saved before is live."""
    deadline = time.monotonic() + seconds
    poller = Poller(subject.port, subject.path)
    while time.monotonic() < deadline:
        series.reloads += 1
        subject.save(series.reloads)
        poller.wait_for(series.reloads, _PATIENCE)
        time.sleep(_SETTLE)
    poller.close()


def measure(folder: Path, *, seconds: float, rounds: int) -> list[Series]:
    """The peer, the product at rest, and the product during reloads."""
    plain, ours = Plain("S", folder / "plain"), DevServer("S", folder / "ours")
    found = [Series(plain.name), Series(ours.name), Series(f"{ours.name}, reloading")]
    try:
        plain.start()
        ours.start()
        for _ in range(rounds):
            ask(plain, found[0], lambda: time.sleep(seconds))
            ask(ours, found[1], lambda: time.sleep(seconds))
            ask(ours, found[2], lambda: reload_for(seconds, ours, found[2]))
    finally:
        plain.stop()
        ours.stop()
    return found


def show(found: Sequence[Series]) -> str:
    """The table."""
    rows = [
        (
            s.name,
            str(s.reloads),
            f"{s.share(0.5):.1f} ms",
            f"{s.share(0.99):.1f} ms",
            f"{max(s.latencies):.0f} ms",
            f"{len(s.failed)} of {len(s.latencies)}",
        )
        for s in found
    ]
    return table(("a request", "reloads", "p50", "p99", "longest", "failed"), rows)


def misses(found: Sequence[Series]) -> list[str]:
    """The targets that were not met."""
    rest, reloading = found[1], found[2]
    told = [f"{s.name}: {len(s.failed)} failed: {s.failed[:3]}" for s in found if s.failed]
    if reloading.share(0.5) > TARGET * rest.share(0.5):
        told.append(f"half of the requests take more than {TARGET:g} times as long")
    return told


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measures requests during reloads.")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        found = measure(Path(folder), seconds=options.seconds, rounds=options.rounds)
    print(show(found))
    missed = misses(found)
    print("\n" + ("\n".join(f"missed: {m}" for m in missed) or "all targets are met"))
    if options.json is not None:
        document = {"results": [s.to_json() for s in found], "missed": missed}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
