"""The floor: what a reload cannot do without. A process of its own.

watchfiles at step 5, compile of the file that changed, execution of the package, one pointer
swapped; behind the same HTTP server and connection handling as the product. Nothing is checked,
kept or rolled back.

    python bench_floor.py FOLDER ENTRY PORT_FILE
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import watchfiles

from devserver.web.server import DevHTTPServer

PACKAGE = "bench_app"


class Floor:
    """A WSGI application whose code is a folder of modules; the entry is executed last."""

    def __init__(self, folder: Path, entry: str) -> None:
        self._folder = folder
        self._order = [*sorted(p for p in folder.glob("*.py") if p.name != entry), folder / entry]
        self._code: dict[Path, CodeType] = {}
        self.load(self._order)

    def load(self, changed: list[Path]) -> None:
        """Compiles what changed, executes everything, swaps."""
        for path in changed:
            self._code[path] = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        package = ModuleType(PACKAGE)
        package.__path__ = [str(self._folder)]
        sys.modules[PACKAGE] = package
        for path in self._order:
            module = ModuleType(f"{PACKAGE}.{path.stem}")
            sys.modules[module.__name__] = module
            exec(self._code[path], module.__dict__)
        self._app = module.app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self._app(environ, start_response)


def main(folder: Path, entry: str, port_file: Path) -> None:
    """Serves until it is killed; the port is in `port_file` once it answers."""
    floor = Floor(folder, entry)
    server = DevHTTPServer(floor, host="127.0.0.1", port=0, stopping=threading.Event())
    server.serve()
    written = port_file.with_suffix(".new")
    written.write_text(str(server.port))
    written.replace(port_file)
    for changes in watchfiles.watch(folder, step=5):
        changed = {Path(path) for _, path in changes if path.endswith(".py")}
        if changed:
            floor.load(sorted(changed))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
