"""The contenders: each is a process that serves a workload and reloads it in its own way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import bench_workload
from bench_clients import HOST, Poller

REPOSITORY = Path(__file__).parents[2]
_START = 120.0


class Subject(ABC):
    """Started by `start`, which gives once version 0 answers; `stop` ends the process and those
    that it started."""

    name = ""
    path = "/"
    entry = "app.py"
    adapter = ""
    settle = 0.15
    """Seconds after an edit went live until the next: more than what counts as one burst."""
    patience = 40.0
    """Seconds after which an edit that is not live is counted as missed."""

    def __init__(self, size: str, folder: Path) -> None:
        self.folder = folder
        self.workload = bench_workload.WORKLOADS[size](self.adapter, self.entry)
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._staging = folder / "staging"
        self._staging.mkdir(parents=True)
        self.code.mkdir(parents=True)
        for name, text in self.workload.files.items():
            (self.code / name).write_text(text)

    @property
    def code(self) -> Path:
        """The folder that is watched."""
        return self.folder / "bench_app"

    @abstractmethod
    def command(self) -> list[str]:
        """What starts the process, in the contender's folder."""

    @abstractmethod
    def find_port(self) -> int | None:
        """The port, None while it is not known yet."""

    def start(self) -> None:
        """Raises RuntimeError, with what the process printed, when it does not come up."""
        log = self.folder / "log.txt"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self.port = self._wait_for_port(time.monotonic() + _START)
            poller = Poller(self.port, self.path)
            poller.wait_for(0, _START)
            poller.close()
        except (TimeoutError, RuntimeError) as error:
            self.stop()
            raise RuntimeError(f"{self.name}: {error}\n{log.read_text()}") from None

    def _wait_for_port(self, deadline: float) -> int:
        while (port := self.find_port()) is None:
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError("the process ended")
            if time.monotonic() > deadline:
                raise TimeoutError("it did not come up")
            time.sleep(0.002)
        return port

    def save(self, version: int) -> float:
        """Replaces the edited file by one with `version`; the time at which that was done."""
        staged = self._staging / "next.py"
        staged.write_text(self.workload.edit(version))
        begun = time.perf_counter()
        os.replace(staged, self.code / self.workload.edited)
        return begun

    def stop(self) -> None:
        """SIGINT, and SIGKILL for whoever is left of its session after ten seconds."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


class DevServer(Subject):
    """The product, as its users start it."""

    name = "sysctl dev server"
    path = "/bench/version"
    entry = "plugin.py"
    adapter = bench_workload.DEVSERVER

    @property
    def code(self) -> Path:
        return self.folder / "plugins" / "bench"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "devserver", "dev", "server", "--hot-reload", "--port", "0"]

    def find_port(self) -> int | None:
        server = self.server_file()
        return None if server is None else int(server["port"])

    def server_file(self) -> dict[str, Any] | None:
        """What the server wrote about itself, None while it has not."""
        try:
            content: dict[str, Any] = json.loads(
                (self.folder / "instance" / "server.json").read_text()
            )
        except FileNotFoundError:
            return None
        return content

    def outcomes(self) -> list[dict[str, Any]]:
        """Every reload as the server itself timed it, the newest first."""
        server = self.server_file()
        if server is None:
            raise RuntimeError("the server is gone")
        request = urllib.request.Request(
            f"http://{HOST}:{self.port}/api/history?limit=1000",
            headers={"Authorization": f"Bearer {server['token']}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found


class Floor(Subject):
    """What a reload cannot do without; see bench_floor.py."""

    name = "floor"
    adapter = bench_workload.WSGI

    def command(self) -> list[str]:
        script = Path(__file__).with_name("bench_floor.py")
        return [sys.executable, str(script), str(self.code), self.entry, str(self._port_file)]

    @property
    def _port_file(self) -> Path:
        return self.folder / "port"

    def find_port(self) -> int | None:
        return int(self._port_file.read_text()) if self._port_file.exists() else None


class Restarting(Subject):
    """uvicorn --reload: starts a new process for every change."""

    name = "uvicorn --reload"
    adapter = bench_workload.ASGI
    # Two saves of one size within a second would be one to its bytecode cache.
    settle = 1.1
    patience = 10.0

    def command(self) -> list[str]:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self._chosen = int(probe.getsockname()[1])
        return [
            *(sys.executable, "-m", "uvicorn", "bench_app.app:app", "--reload"),
            *("--reload-dir", str(self.code), "--host", HOST, "--port", str(self._chosen)),
            *("--log-level", "warning"),
        ]

    def find_port(self) -> int | None:
        return self._chosen


def environment() -> dict[str, str]:
    """This one, with the repository importable and bytecode written, as users have it."""
    found = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    known = [str(REPOSITORY), *filter(None, [found.get("PYTHONPATH")])]
    found["PYTHONPATH"] = os.pathsep.join(known)
    return found
