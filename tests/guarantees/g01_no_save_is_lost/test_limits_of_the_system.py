"""The system's own limits, reached for real: a full event queue, no more watches."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
_LONGEST_QUEUE = 100_000
_LIMIT = "/proc/sys/user/max_inotify_watches"
_FILE = "plugins/users/plugin.py"

pytestmark = pytest.mark.skipif(not _QUEUE.exists(), reason="there is no inotify")


class Told:
    """What the watcher of another process tells."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child
        self.lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.lines.put(json.loads(line))

    def next(self, kind: str) -> Any:
        """The next thing of a kind; what comes before it is passed over."""
        while True:
            line = self.lines.get(timeout=20)
            if kind in line:
                return line[kind]

    def wait_for(self, path: str) -> None:
        while path not in self.next("batch"):
            pass

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.child.send_signal(signal.SIGCONT)
        assert self.child.stdin is not None
        self.child.stdin.close()
        self.child.wait(20)
        self._reader.join()
        assert self.child.stdout is not None
        self.child.stdout.close()


@contextlib.contextmanager
def watching(root: Path, *before: str) -> Iterator[Told]:
    words = [*before, sys.executable, "-m", "tests.guarantees.g01_no_save_is_lost.told", str(root)]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    told = Told(child)
    try:
        yield told
    finally:
        told.end()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name in ("users", "orders", "noise"):
        folder = root / "plugins" / name
        folder.mkdir(parents=True)
        (folder / "plugin.py").write_text("v0")
    return root


def flood(folder: Path, events: int) -> None:
    """More events than that: writes to two files in turn, so that none is like the one before."""
    files = [os.open(folder / name, os.O_WRONLY | os.O_CREAT) for name in ("a.py", "b.py")]
    for number in range(events + 1):
        os.pwrite(files[number % 2], b"x", 0)
    for file in files:
        os.close(file)


def test_what_a_full_event_queue_dropped_is_found_by_comparison(root: Path) -> None:
    limit = int(_QUEUE.read_text())
    if limit > _LONGEST_QUEUE:
        pytest.skip(f"the queue holds {limit} events")
    with watching(root) as told:
        assert told.next("mode") == "inotify"
        os.kill(told.child.pid, signal.SIGSTOP)
        flood(root / "plugins/noise", limit)
        (root / _FILE).write_text("v1")  # no event is left for these
        (root / "plugins/orders/plugin.py").unlink()
        (root / "plugins/fresh").mkdir()
        (root / "plugins/fresh/plugin.py").write_text("v1")
        os.kill(told.child.pid, signal.SIGCONT)
        missing = {_FILE, "plugins/orders/plugin.py", "plugins/fresh/plugin.py"}
        while missing:
            missing -= set(told.next("batch"))
        (root / "plugins/fresh/plugin.py").write_text("v2")
        told.wait_for("plugins/fresh/plugin.py")


def test_no_more_watches_is_told_and_polling_finds_the_saves(root: Path) -> None:
    enough = ["unshare", "--user", "--map-root-user", "sh", "-c"]
    works = (
        shutil.which("unshare")
        and not subprocess.run(
            [*enough, f"echo 3 > {_LIMIT}"], capture_output=True, check=False
        ).returncode
    )
    if not works:
        pytest.skip("this system gives no user namespaces")
    with watching(root, *enough, f'echo 3 > {_LIMIT}; exec "$@"', "sh") as told:
        problem = told.next("problem")
        assert "watch limit" in problem
        assert "polling" in problem
        for version in ("v1", "v2"):  # of equal size
            (root / _FILE).write_text(version)
            told.wait_for(_FILE)
