"""Compiled code by content hash."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import marshal
import os
import sys
import tempfile
import warnings
from collections import OrderedDict
from pathlib import Path
from types import CodeType

_FLAGS = f"{sys.flags.optimize}:{sys.implementation.cache_tag}"
_DIGEST = 32
_KEPT = 1024  # code objects in memory


class CodeCache:
    """Compiles source once for each content, path and interpreter.

    An entry is the SHA-256 of its payload followed by the marshalled code: marshal crashes on
    damage, so nothing is handed to it whose hash does not fit, nor what another user owns. What
    was compiled is kept in memory, and on disk after `flush`: no save waits for it.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder / "code"
        self._ready = False
        self._recent: OrderedDict[str, CodeType] = OrderedDict()
        self._unwritten: dict[str, CodeType] = {}

    def code(self, source: bytes, path: str) -> CodeType:
        """The code object of a module.

        Raises SyntaxError or ValueError (null bytes) as `compile` does.
        """
        key = self._key(source, path)
        code = self._recent.get(key)
        if code is None and self._folder is not None:
            code = self._read(self._folder / key)
        if code is None:
            code = _compile(source, path)
            self._unwritten[key] = code
        self._recent[key] = code
        while len(self._recent) > _KEPT:
            self._recent.popitem(last=False)
        return code

    def flush(self) -> None:
        """Writes what was compiled since the last time; a cache that cannot be written is no
        fault."""
        while self._unwritten:
            key, code = self._unwritten.popitem()
            if self._folder is not None:
                self._write(self._folder / key, marshal.dumps(code))

    @staticmethod
    def _key(source: bytes, path: str) -> str:
        digest = hashlib.sha256(importlib.util.MAGIC_NUMBER)
        for part in (_FLAGS.encode(), os.fsencode(path), source):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
        return digest.hexdigest()

    @staticmethod
    def _read(entry: Path) -> CodeType | None:
        try:
            with entry.open("rb") as file:
                if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                    return None
                content = file.read()
        except OSError:
            return None
        payload = content[_DIGEST:]
        if hashlib.sha256(payload).digest() != content[:_DIGEST]:
            return None
        code = marshal.loads(payload)
        return code if isinstance(code, CodeType) else None

    def _write(self, entry: Path, payload: bytes) -> None:
        """Puts an entry in whole or not at all."""
        with contextlib.suppress(OSError):
            if not self._ready:
                entry.parent.parent.mkdir(exist_ok=True)
                entry.parent.mkdir(mode=0o700, exist_ok=True)
                entry.parent.chmod(0o700)
                self._ready = True
            descriptor, name = tempfile.mkstemp(dir=entry.parent, prefix=".new-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(hashlib.sha256(payload).digest() + payload)
                Path(name).replace(entry)
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise


def _compile(source: bytes, path: str) -> CodeType:
    with warnings.catch_warnings():
        # A SyntaxWarning is told by validation, at its place; here it would be printed.
        warnings.simplefilter("ignore")
        return compile(source, path, "exec", dont_inherit=True)
