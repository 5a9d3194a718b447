"""Clients that watch a server while it is edited: 127.0.0.1 only, every loop bounded."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from types import TracebackType

HOST = "127.0.0.1"
_TIMEOUT = 5.0
_ERRORS = (OSError, http.client.HTTPException)


class Connection:
    """A kept-alive connection; it is opened anew after an error."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._path = path
        self._connection: http.client.HTTPConnection | None = None

    def get(self) -> tuple[int, str]:
        """Status and body. Raises OSError or HTTPException."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(HOST, self._port, timeout=_TIMEOUT)
        try:
            self._connection.request("GET", self._path)
            answer = self._connection.getresponse()
            return answer.status, answer.read().decode()
        except _ERRORS:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Poller:
    """Asks again and again until a version answers."""

    def __init__(self, port: int, path: str) -> None:
        self._connection = Connection(port, path)

    def wait_for(self, version: int, timeout: float) -> float:
        """The monotonic time of the first answer with `version`. Raises TimeoutError."""
        deadline = time.perf_counter() + timeout
        while time.perf_counter() < deadline:
            try:
                status, body = self._connection.get()
            except _ERRORS:
                time.sleep(0.005)
                continue
            if status == 200 and body.strip() == str(version):
                return time.perf_counter()
            time.sleep(0.0005)
        raise TimeoutError(f"version {version} was not served within {timeout:g} s")

    def close(self) -> None:
        self._connection.close()


class SteadyClient:
    """Asks every few milliseconds while the `with` block runs, and counts what fails."""

    def __init__(self, port: int, path: str, *, pause: float = 0.004) -> None:
        self._connection = Connection(port, path)
        self._pause = pause
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="steady-client", daemon=True)
        self.requests = 0
        self.failed: Counter[str] = Counter()

    def __enter__(self) -> SteadyClient:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join(2 * _TIMEOUT)
        self._connection.close()

    def _run(self) -> None:
        while not self._ended.wait(self._pause):
            self.requests += 1
            try:
                status, _ = self._connection.get()
            except _ERRORS as error:
                self.failed[type(error).__name__] += 1
            else:
                if status != 200:
                    self.failed[f"status {status}"] += 1
