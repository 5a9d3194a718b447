"""The tokens of config/main.yaml: who else may call, and what for."""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
from collections.abc import Callable
from pathlib import Path

from devserver.core.errors import DevServerError
from devserver.core.permissions import Caller
from devserver.runtime.host_settings import MAIN_FILE, TokenSettings, read_host_settings

FindToken = Callable[[str], Caller | None]
"""Whose token a credential is; None when it is nobody's."""


class Tokens:
    """Reads the file again when it has changed, at the next call with a token: a token that was
    taken out is refused from then on, whether or not anything is watched. While the file is
    invalid the tokens that were read before stay, and `on_problem(message, hint)` is told once.
    """

    def __init__(self, root: Path, *, on_problem: Callable[[str, str | None], object]) -> None:
        self._root = root
        self._file = root / MAIN_FILE
        self._on_problem = on_problem
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._tokens: tuple[TokenSettings, ...] = ()

    def __call__(self, credential: str) -> Caller | None:
        """Whose token it is. All are compared: the time tells nothing of them."""
        digest = hashlib.sha256(credential.encode(errors="replace")).hexdigest()
        found: Caller | None = None
        for token in self._current():
            if hmac.compare_digest(digest, token.sha256.lower()):
                found = Caller(name=token.name, grants=frozenset(token.permissions))
        return found

    def _current(self) -> tuple[TokenSettings, ...]:
        with self._lock:
            seen = _state_of(self._file)
            if seen != self._seen:
                self._seen = seen
                try:
                    self._tokens = read_host_settings(self._root).auth.tokens
                except DevServerError as error:
                    self._on_problem(f"{error.message}; the tokens stay as they were", error.hint)
            return self._tokens


def _state_of(file: Path) -> tuple[int, ...]:
    try:
        found = os.stat(file)
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
