"""How a trial ended, as the watch of its process tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class End(StrEnum):
    """How a trial ended."""

    PASSED = "passed"
    FAILED = "failed"
    """Plugin code raised; the process told the diagnostic."""
    EXITED = "exited"
    SIGNALLED = "signalled"
    TIMED_OUT = "timed out"
    OVERTAKEN = "overtaken"
    """There is newer content; nobody wants to know of this one."""
    STOPPED = "stopped"
    """Whoever asked for it is gone."""
    FAULT = "fault"
    """Something of ours went wrong; `fault` says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """`entry` counts the entry that was being executed, `status` is an exit code or a signal,
    `failure` a diagnostic as JSON, `stack` text of faulthandler, `output` the end of what was
    printed, `imported` the modules of the environment that had to be imported. `alone` is True
    when the process has started and opened nothing that outlasts the execution."""

    end: End
    entry: int = 0
    status: int = 0
    failure: Mapping[str, Any] | None = None
    stack: str = ""
    output: str = ""
    imported: tuple[str, ...] = ()
    fault: str = ""
    alone: bool = False

    def to_message(self) -> dict[str, Any]:
        return {**asdict(self), "end": str(self.end)}

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Ended:
        return cls(**{**message, "end": End(message["end"])})
