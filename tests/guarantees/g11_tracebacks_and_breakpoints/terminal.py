"""The dev server on a terminal of its own, as a developer sits at it."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import threading
from pathlib import Path

from tests.e2e.running import COMMAND, environment

PATIENCE = 30.0


class OnTerminal:
    """`sysctl dev server` with a pseudo terminal as stdin, stdout and stderr."""

    def __init__(self, project: Path) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [*COMMAND, "dev", "server", "--port", "0", "--log-format", "plain"],
            cwd=project,
            env={**environment(), "TERM": "dumb", "COLUMNS": "200"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._text = ""
        self._seen = 0
        self._arrived = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="terminal-reader")
        self._reader.start()
        self.url = self.wait_match(r"(http://127\.0\.0\.1:\d+)/").group(1)

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._ours, 65536)
            except OSError:  # the other end is gone
                part = b""
            with self._arrived:
                self._text += part.decode(errors="replace").replace("\r\n", "\n")
                self._arrived.notify_all()
            if not part:
                return

    def wait_match(self, pattern: str) -> re.Match[str]:
        """The first match in what came after the last one."""
        with self._arrived:
            search = re.compile(pattern).search
            found = self._arrived.wait_for(lambda: search(self._text, self._seen), PATIENCE)
            assert found, self._text[self._seen :]
            self._seen = found.end()
            return found

    def type(self, line: str) -> None:
        os.write(self._ours, line.encode() + b"\n")

    def end(self) -> int:
        """Ctrl-C; the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        os.close(self._ours)
