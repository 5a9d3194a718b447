"""Text from plugins is not trusted: what could steer a terminal is made visible."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean(text: str) -> str:
    """`text` with escape sequences and direction marks written out; newlines and tabs stay."""
    return _CONTROLS.sub(_visible, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """`text` cleaned, with newlines and tabs written out too."""
    return clean(text).replace("\n", "\\n").replace("\t", "\\t")


def count(number: int, noun: str) -> str:
    """`1 plugin`, `2 plugins`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def few(names: Iterable[str], limit: int = 6) -> str:
    """The names with commas; past `limit` the rest as a number."""
    known = [one_line(name) for name in names]
    shown = ", ".join(known[:limit])
    return f"{shown} and {len(known) - limit} more" if len(known) > limit else shown


def milliseconds(value: float) -> str:
    """A short figure: `0.4`, `41`, `1250`."""
    return f"{value:.1f}" if value < 0.95 else f"{value:.0f}"


def _visible(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
