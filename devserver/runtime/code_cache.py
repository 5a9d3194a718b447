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

_Place = tuple[str, bytes]  # path and content: cheaper to look up than a digest is to make


class CodeCache:
    """Compiles source once for each content, path and interpreter.

    An entry is the SHA-256 of its payload followed by the marshalled code: marshal crashes on
    damage, so nothing is handed to it whose hash does not fit, nor what another user owns. What
    was compiled is kept in memory, and on disk after `flush`: no save waits for it.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder / "code"
        self._ready = False
        self._recent: OrderedDict[_Place, CodeType] = OrderedDict()
        self._unwritten: dict[_Place, CodeType] = {}

    def code(self, source: bytes, path: str) -> CodeType:
        """The code object of a module.

        Raises SyntaxError or ValueError (null bytes) as `compile` does.
        """
        code = self.find(source, path)
        if code is None and self._folder is not None:
            code = self._read(self._folder / self._key(source, path))
            if code is not None:
                self.put(source, path, code, write=False)
        if code is None:
            code = _compile(source, path)
            self.put(source, path, code)
        return code

    def find(self, source: bytes, path: str) -> CodeType | None:
        """The code object of a module if it is in memory."""
        code = self._recent.get((path, source))
        if code is not None:
            with contextlib.suppress(KeyError):  # another thread has just dropped it
                self._recent.move_to_end((path, source))
        return code

    def put(self, source: bytes, path: str, code: CodeType, *, write: bool = True) -> None:
        """Keeps what somebody else made of a module; with `write` also on disk, at a `flush`."""
        place = path, source
        self._recent[place] = code
        if write:
            self._unwritten[place] = code
        while len(self._recent) > _KEPT:
            self._recent.popitem(last=False)

    def flush(self) -> None:
        """Writes what was compiled since the last time; a cache that cannot be written is no
        fault."""
        while self._unwritten:
            (path, source), code = self._unwritten.popitem()
            if self._folder is not None:
                self._write(self._folder / self._key(source, path), marshal.dumps(code))

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
