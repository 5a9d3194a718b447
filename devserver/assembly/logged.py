"""What becomes of saves as log records: somebody else's server has no terminal of ours."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from devserver.assembly.host import PluginHost
from devserver.core.diagnostics import Diagnostic
from devserver.core.outcome import Outcome, Result
from devserver.reload.journal import FeedEvent

_log = logging.getLogger("devserver.reload")
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def log_what_happens(plugins: PluginHost) -> None:
    """From now on each outcome and notice of the host is a record of the logger
    `devserver.reload`: an error what was refused, a warning what has findings, else info."""
    if plugins.settings_diagnostics:
        _log_findings("config/hot-loading.yaml", plugins.settings_diagnostics)
    plugins.journal.listen(_log_event)


def _log_event(event: FeedEvent, outcome: Outcome | None) -> None:
    told = event.payload
    if outcome is not None:
        _log_outcome(outcome)
    elif event.kind == "settings":
        found = [Diagnostic.from_json(d) for d in told.get("diagnostics", ())]
        word = "applied" if told.get("ok") else "not applied, the old settings stay"
        _log_findings(f"config/hot-loading.yaml {word}", found)
    elif event.kind == "notice":
        hint = f"\n  hint: {told['hint']}" if told.get("hint") else ""
        _log.log(_LEVELS.get(told["level"], logging.INFO), "%s%s", told["message"], hint)


def _log_outcome(outcome: Outcome) -> None:
    if outcome.result is Result.UNCHANGED:
        return
    serving = ", ".join(f"{name} g{number}" for name, number in outcome.serving.items() if number)
    head = f"{outcome.message} (serving: {serving or 'nothing'}, {outcome.duration_ms:.0f} ms)"
    least = logging.INFO if outcome.success else logging.ERROR
    _log_findings(head, outcome.diagnostics, outcome.notes, least=least)


def _log_findings(
    head: str,
    found: Iterable[Diagnostic],
    notes: Iterable[str] = (),
    *,
    least: int = logging.INFO,
) -> None:
    lines, level = [head], least
    for diagnostic in found:
        level = max(level, _LEVELS[diagnostic.severity])
        place = f"{diagnostic.location}: " if diagnostic.location else ""
        lines.append(f"  {place}{diagnostic.code} {diagnostic.message}")
        if diagnostic.hint:
            lines.append(f"    hint: {diagnostic.hint}")
        lines += [f"    {line}" for line in (diagnostic.traceback or "").splitlines()]
    _log.log(level, "%s", "\n".join([*lines, *(f"  note: {note}" for note in notes)]))
