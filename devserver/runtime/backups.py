"""Writes the state of a generation that goes as JSON, for people to look at and take back."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from devserver.runtime.attributes import state_of
from devserver.runtime.generation import Generation
from devserver.runtime.readable import Readable

_STALE = 60.0
"""Seconds after which an unfinished file belongs to nobody."""


class Backups:
    """Files `FOLDER/NAME/TIME-gN.json` of mode 0600 in folders of mode 0700, the last `keep` of
    each plugin. `limit` is about how many characters one has at most."""

    def __init__(self, folder: Path, *, keep: int = 10, limit: int = 4_000_000) -> None:
        self._folder = folder
        self._keep = keep
        self._limit = limit

    def write(self, generation: Generation) -> Path:
        """The file, which is there whole or not at all. Raises OSError."""
        now = datetime.now(UTC)
        text = self._text(generation, now)
        folder = self._folder / generation.key
        for path in (self._folder, folder):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.stat().st_mode & 0o077:
                path.chmod(0o700)
        path = folder / f"{now:%Y%m%dT%H%M%S.%fZ}-g{generation.number}.json"
        unfinished = folder / f".{path.name}.tmp"
        try:
            _write_new(unfinished, text)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        self._prune(folder)
        return path

    def _text(self, generation: Generation, now: datetime) -> str:
        readable = Readable(generation.host.own.secret_texts(), characters=self._limit)
        state = {n: readable.of(v, n) for n, v in sorted(state_of(generation).items())}
        head: dict[str, Any] = {
            "plugin": generation.name,
            "generation": generation.number,
            "version": generation.version,
            "time": now.isoformat(),
        }
        for value in generation.persistent.values():
            head["get_persistent_state()"] = readable.of(value)
        head["complete"] = not readable.cut
        # One line for each name: as readable as an indented file, and made many times faster.
        lines = [f" {json.dumps(k)}: {json.dumps(v)}" for k, v in head.items()]
        inner = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in state.items())
        return "{\n" + ",\n".join([*lines, f' "state": {{\n{inner}\n }}']) + "\n}\n"

    def _prune(self, folder: Path) -> None:
        finished = sorted(p for p in folder.iterdir() if p.suffix == ".json")
        for path in finished[: -self._keep]:
            path.unlink(missing_ok=True)
        for path in folder.glob(".*.tmp"):
            try:
                if time.time() - path.stat().st_mtime > _STALE:
                    path.unlink(missing_ok=True)
            except FileNotFoundError:
                continue


def _write_new(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
