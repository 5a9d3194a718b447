"""How a trial process is started: this interpreter, its options, its import path."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from subprocess import _args_from_interpreter_flags  # type: ignore[attr-defined]
from typing import Any

_BEGIN = "; ".join(
    [
        "import json, sys",
        "options = json.loads(sys.argv[1])",
        "sys.path[:] = options['path']",
        "from importlib import import_module",
        "import_module(options['module']).main(options)",
    ]
)


def command(module: str, options: Mapping[str, Any]) -> list[str]:
    """The command line that calls `main(options)` of one of our modules in a new interpreter
    which finds modules as this one does. `options` are plain JSON values."""
    path = [entry for entry in sys.path if isinstance(entry, str)]
    given = json.dumps({"path": path, **options, "module": module})
    return [sys.executable, *_args_from_interpreter_flags(), "-c", _BEGIN, given]
