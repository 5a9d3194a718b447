"""Real servers of other kinds, with an application of ours inside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

import devserver
from tests.integration.lab import wait_for


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def serving(
    *command: str, folder: Path, port: int, end: int = signal.SIGTERM
) -> Iterator[httpx.Client]:
    """Runs `python -m COMMAND` in a folder until the end of the block, and gives a client."""
    where = Path(devserver.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(where), "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_for(lambda: process.poll() is not None or _listens(port), "the port", 60)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as c:
            yield c
        process.send_signal(end)
        process.wait(60)
    finally:
        process.kill()
        said, _ = process.communicate()
        print(said)
    assert "Traceback (most recent call last)" not in said


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
