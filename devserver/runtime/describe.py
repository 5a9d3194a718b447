"""Words for what plugin code raised, whatever its own methods do."""

from __future__ import annotations


def describe(error: BaseException) -> str:
    """`ValueError: text`; an error that cannot say its text is named alone."""
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - __str__ is plugin code too
        text = "(its text cannot be had)"
    return f"{name}: {text}" if text else name
