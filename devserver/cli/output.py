"""Where output goes: consoles for text, one document for JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN_WIDTH = 120


def console_for(stream: IO[str] | None = None) -> Console:
    """A console that takes text literally: no markup, no emoji, no guessed highlights. Colours
    only on a terminal and without NO_COLOR."""
    from rich.console import Console

    target = stream or sys.stdout
    width = None if target.isatty() or "COLUMNS" in os.environ else _PLAIN_WIDTH
    return Console(file=target, width=width, markup=False, emoji=False, highlight=False)


def print_document(document: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def print_line(document: Any) -> None:
    """One JSON document as one line on stdout, seen at once by a reader of a pipe."""
    print(json.dumps(document, default=str), flush=True)
