"""The dev server's output as JSON, one feed event a line."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import IO, Any

from devserver.cli.outcomes import failed_step
from devserver.cli.screen import Banner
from devserver.core.outcome import Outcome
from devserver.reload.journal import FeedEvent
from devserver.runtime.log_lines import LogLine


class JsonView:
    """Writes `{"id", "kind", "time", "payload"}`; kinds beside those of the feed are `ready`,
    `log` and `server`, with a null id. An outcome that failed has the `step` that said no. The
    token is not among it."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def ready(self, banner: Banner, time: float) -> None:
        failed = [
            {
                "name": r.name,
                "reason": r.reason,
                "diagnostics": [d.to_json() for d in r.diagnostics],
            }
            for r in banner.failed
        ]
        payload = {
            "project": banner.project,
            "url": banner.url,
            "mode": banner.mode,
            "active": banner.active,
            "failed": failed,
            "disabled": banner.disabled,
            "ready_ms": round(banner.ready_ms, 3),
            "settings": [d.to_json() for d in banner.settings],
            "warnings": [d.to_json() for d in banner.warnings],
        }
        self._write(None, "ready", time, payload)

    def event(self, event: FeedEvent, outcome: Outcome | None, time: float) -> None:
        payload = event.payload
        if outcome is not None and not outcome.success:
            payload = {**payload, "step": failed_step(outcome)}
        self._write(event.id, event.kind, time, payload)

    def log(self, line: LogLine) -> None:
        payload = asdict(line)
        self._write(None, "log", payload.pop("time"), payload)

    def say(self, word: str, time: float) -> None:
        self._write(None, "server", time, {"status": word})

    def _write(self, number: int | None, kind: str, time: float, payload: Any) -> None:
        event = {"id": number, "kind": kind, "time": round(time, 3), "payload": payload}
        self._stream.write(json.dumps(event, default=str) + "\n")
        self._stream.flush()
