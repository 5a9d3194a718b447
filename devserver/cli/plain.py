"""The dev server's output as records: one line each, ASCII, a time first. For pipes and files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import IO

from devserver.cli.outcomes import companions, failed_step, steps_of, was_removed
from devserver.cli.screen import Banner
from devserver.core.diagnostics import Diagnostic
from devserver.core.outcome import Outcome, Result
from devserver.reload.journal import FeedEvent
from devserver.runtime.log_lines import LogLine

_BARE = re.compile(r"[!#-<>-~]+\Z")
_WORDS = {Result.RELOADED: "ok", Result.REJECTED: "refused", Result.ROLLED_BACK: "rolled-back"}


class PlainView:
    """Writes `TIME KIND WORD key=value ...`; values with spaces are JSON strings."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def ready(self, banner: Banner, time: float) -> None:
        counts = {
            "active": banner.active,
            "failed": len(banner.failed),
            "disabled": banner.disabled,
        }
        self._write(
            time, "server ready", url=banner.url, mode=banner.mode, **counts, ms=banner.ready_ms
        )
        for record in banner.failed:
            self._write(time, "plugin failed", plugin=record.name, reason=record.reason)
            self._diagnostics(time, record.diagnostics)
        self._diagnostics(time, (*banner.settings, *banner.warnings))

    def event(self, event: FeedEvent, outcome: Outcome | None, time: float) -> None:
        if outcome is not None:
            self.outcome(outcome, time)
        elif event.kind == "settings":
            word = "applied" if event.payload.get("ok") else "refused"
            self._write(time, f"settings {word}", file="config/hot-loading.yaml")
            found = event.payload.get("diagnostics", ())
            self._diagnostics(time, [Diagnostic.from_json(d) for d in found])
        elif event.kind == "notice":
            told = {k: event.payload.get(k) for k in ("plugin", "message", "hint")}
            self._write(time, f"notice {event.payload.get('level', 'info')}", **told)

    def outcome(self, outcome: Outcome, time: float) -> None:
        """The record of one outcome and those of its findings; nothing for `unchanged`."""
        if outcome.result is Result.UNCHANGED:
            return
        routes = outcome.routes_after - outcome.routes_before
        steps = ",".join(f"{name}:{ms:.1f}" for name, ms in steps_of(outcome))
        failed = {
            "step": failed_step(outcome),
            "serving": ",".join(f"{n}:g{g}" for n, g in outcome.serving.items() if g) or "none",
            "error": outcome.error or outcome.message,
        }
        self._write(
            time,
            f"reload {_WORDS[outcome.result]}",
            plugin=outcome.plugin,
            generation=_generations(outcome),
            ms=float(outcome.duration_ms),
            **({} if outcome.success else failed),
            steps=steps,
            routes=f"{routes:+d}" if routes else None,
            also=",".join(companions(outcome)),
            removed=",".join(outcome.removed),
            deed=outcome.deed if outcome.deed != "removed" else None,
            changed=",".join(outcome.changes),
            state_lost=",".join(outcome.state.lost),
            state_passed=",".join(outcome.state.passed),
        )
        self._diagnostics(time, outcome.diagnostics)
        for note in outcome.notes:
            first, _, rest = note.partition("\n")
            self._write(time, "note", plugin=outcome.plugin, message=first)
            self._lines(time, outcome.plugin, rest)

    def log(self, line: LogLine) -> None:
        self._write(
            line.time, f"log {line.level.lower()}", logger=line.logger, message=line.message
        )
        self._lines(line.time, line.logger, line.traceback)

    def say(self, word: str, time: float) -> None:
        self._write(time, f"server {word}")

    def _diagnostics(self, time: float, diagnostics: Iterable[Diagnostic]) -> None:
        for found in diagnostics:
            self._write(
                time,
                f"diagnostic {found.severity}",
                code=found.code,
                plugin=found.plugin,
                at=found.location,
                message=found.message,
                hint=found.hint,
            )
            self._lines(time, found.plugin, found.traceback)

    def _lines(self, time: float, source: str | None, text: str | None) -> None:
        for line in (text or "").splitlines():
            self._write(time, "traceback", of=source, line=line)

    def _write(self, time: float, head: str, **values: object) -> None:
        shown = [f"{k}={_value(v)}" for k, v in values.items() if v not in (None, "")]
        moment = datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")
        self._stream.write(" ".join([moment.replace("+00:00", "Z"), head, *shown]) + "\n")
        self._stream.flush()


def _generations(outcome: Outcome) -> str:
    if was_removed(outcome):
        return f"{outcome.previous_generation}->none"
    if not outcome.success or outcome.previous_generation == outcome.generation:
        return str(outcome.generation)
    return f"{outcome.previous_generation}->{outcome.generation}"


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    text = str(value)
    return text if _BARE.match(text) else json.dumps(text)
