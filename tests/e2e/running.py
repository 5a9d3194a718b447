"""The dev server as a subprocess."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

REPOSITORY = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "devserver"]
PATIENCE = 30.0


class Running:
    """A dev server as a subprocess with JSON output."""

    def __init__(self, project: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "dev", "server", "--port", "0", "--json", *words],
            cwd=project,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events: list[dict[str, Any]] = []
        self._arrived = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="e2e-reader")
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._arrived:
                self.events.append(json.loads(line))
                self._arrived.notify_all()
        with self._arrived:
            self._arrived.notify_all()

    def wait_for(self, kind: str, **payload: Any) -> dict[str, Any]:
        """The payload of the first event like this."""

        def found() -> dict[str, Any] | None:
            for event in self.events:
                if event["kind"] == kind and payload.items() <= event["payload"].items():
                    return dict(event["payload"])
            return None

        with self._arrived:
            self._arrived.wait_for(lambda: found() or self.process.poll() is not None, PATIENCE)
            event = found()
        assert event is not None, self.events
        return event

    def end(self, number: int) -> tuple[int, float, str]:
        """Sends a signal; exit code, seconds that it took, and stderr."""
        begun = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        took = time.monotonic() - begun
        assert self.process.stderr is not None
        return code, took, self.process.stderr.read()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "120"}


def sysctl(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=False,
    )


def fetch(url: str, path: str, method: str = "GET") -> Any:
    """The JSON of an answer of the server at `url`."""
    with urlopen(Request(url.rstrip("/") + path, method=method), timeout=PATIENCE) as answer:
        return json.load(answer)
