"""The record of one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from devserver.core.diagnostics import Diagnostic


class Result(StrEnum):
    """How a transaction ended."""

    RELOADED = "reloaded"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"

    @property
    def success(self) -> bool:
        """True when nothing was refused."""
        return self in (Result.RELOADED, Result.UNCHANGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One timed step; `plugin` is None where the step is of the whole batch."""

    name: str
    ms: float
    plugin: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "plugin": self.plugin, "ms": round(self.ms, 3)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StateReport:
    """What became of the state, as sorted attribute names, `PLUGIN.ATTRIBUTE` for dependents.

    kept: the run-time value lives on. merged: the new code's value was taken. passed: handed
    over by reference, because it cannot be copied. lost: neither.
    """

    kept: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @classmethod
    def joined(cls, reports: Iterable[StateReport]) -> StateReport:
        """Several as one."""
        found = list(reports)
        return cls(
            kept=tuple(n for r in found for n in r.kept),
            merged=tuple(n for r in found for n in r.merged),
            passed=tuple(n for r in found for n in r.passed),
            lost=tuple(n for r in found for n in r.lost),
        )

    def to_json(self) -> dict[str, list[str]]:
        return {
            "kept": list(self.kept),
            "merged": list(self.merged),
            "passed": list(self.passed),
            "lost": list(self.lost),
        }


OTHERS_FOLLOW_LATER = (
    "said to this instance alone: the others that share its database do the same at their next "
    "start, and with --all-instances at once"
)
KEPT_FOR_THIS_RUN = "kept for this run only, until the database takes it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a transaction did, told to terminal, API and journal alike.

    `plugin` is the one asked for or the first changed; `plugins` are all of the batch, in order;
    `reloaded` those that went live. `generation` is that of `plugin` afterwards, 0 when nothing
    serves. `serving` maps each plugin of the batch to the generation that answers afterwards.
    `deed` is the word for what was done where it is not a reload: removed, disabled, unloaded.
    `backups` are the files, from the project root, that state was written to because it was asked
    for.
    `kept` is False where the operator's word holds for this run only: the database did not take it.
    `duration_ms` runs from the command's arrival in the queue. `time` is Unix seconds.
    """

    id: int = 0
    plugin: str
    plugins: tuple[str, ...]
    result: Result
    message: str
    trigger: str = "file"
    changes: tuple[str, ...] = ()
    time: float = 0.0
    reloaded: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    generation: int = 0
    previous_generation: int = 0
    serving: dict[str, int] = field(default_factory=dict)
    duration_ms: float = 0.0
    steps: tuple[Step, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    state: StateReport = StateReport()
    routes_before: int = 0
    routes_after: int = 0
    notes: tuple[str, ...] = ()
    backups: tuple[str, ...] = ()
    error: str | None = None
    deed: str = ""
    kept: bool = True

    @property
    def success(self) -> bool:
        return self.result.success

    @property
    def rolled_back(self) -> bool:
        return self.result is Result.ROLLED_BACK

    def with_steps(self, *steps: Step) -> Outcome:
        """The same outcome with further steps, for work that ends after the commit."""
        return replace(self, steps=(*self.steps, *steps))

    def for_this_run(self, reason: str) -> Outcome:
        """The same, where the operator's word could not be kept."""
        note = f"{KEPT_FOR_THIS_RUN}: {reason}"
        return replace(self, kept=False, notes=(*self.notes, note))

    def to_json(self) -> dict[str, Any]:
        """The shape of `POST /api/plugins/NAME/reload`."""
        return {
            "id": self.id,
            "success": self.success,
            "plugin": self.plugin,
            "plugins": list(self.plugins),
            "message": self.message,
            "result": str(self.result),
            "trigger": self.trigger,
            "changes": list(self.changes),
            "time": self.time,
            "reloaded": list(self.reloaded),
            "removed": list(self.removed),
            "rolled_back": self.rolled_back,
            "generation": self.generation,
            "previous_generation": self.previous_generation,
            "serving": dict(self.serving),
            "duration_ms": round(self.duration_ms, 3),
            "steps": [s.to_json() for s in self.steps],
            "diagnostics": [d.to_json() for d in self.diagnostics],
            "state": self.state.to_json(),
            "routes": {"before": self.routes_before, "after": self.routes_after},
            "notes": list(self.notes),
            "backups": list(self.backups),
            "error": self.error,
            "deed": self.deed,
            "kept": self.kept,
        }
