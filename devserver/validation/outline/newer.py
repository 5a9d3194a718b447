"""Tells syntax that a later Python reads from what none does."""

from __future__ import annotations

import re
import sys

_SIGNS = (
    ((3, 12), "type parameters", re.compile(r"\s*(?:async\s+def|def|class)\s+\w+\s*\[")),
    ((3, 12), "the type statement", re.compile(r"\s*type\s+\w+\s*(?:\[.*\])?\s*=")),
    ((3, 14), "except without brackets", re.compile(r"\s*except\*?\s+\w[\w.]*\s*,.*:")),
    ((3, 14), "template strings", re.compile(r"""[^#'"]*\b(?:t|tr|rt)(?:'|")""")),
)


def newer_syntax(line: str) -> str | None:
    """A hint on a line that this interpreter refuses and a later one may read, or None."""
    for version, name, sign in _SIGNS:
        if sys.version_info < version and sign.match(line):
            wanted = ".".join(map(str, version))
            here = f"{sys.version_info[0]}.{sys.version_info[1]}"
            return f"{name} came with Python {wanted}; this is {here}"
    return None
