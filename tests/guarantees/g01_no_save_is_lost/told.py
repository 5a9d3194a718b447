"""A watcher in a process of its own, which can be stopped and limited: `told.py PROJECT` prints
a line of JSON for its start, for every batch and for every problem; it ends with its input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from devserver.core.changes import ChangeBatch
from devserver.core.settings import WatchSettings
from devserver.reload.watcher import Watcher


def main(root: Path) -> None:
    def batch(found: ChangeBatch) -> None:
        tell(batch=sorted(path.relative_to(root).as_posix() for path in found.paths))

    watcher = Watcher(root, WatchSettings(), batch, lambda m, h: tell(problem=m, hint=h))
    watcher.start()
    tell(mode=watcher.mode)
    sys.stdin.read()
    watcher.stop()


def tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
