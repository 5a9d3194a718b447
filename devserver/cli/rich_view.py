"""The dev server's output for people: colours, code frames, one line a reload."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from devserver.cli.frames import SHOWN, draw_frames
from devserver.cli.outcomes import (
    by_severity,
    companions,
    failed_step,
    steps_of,
    still_serving,
    was_removed,
)
from devserver.cli.program import program_name, version
from devserver.cli.screen import Banner
from devserver.cli.text import clean, count, few, milliseconds, one_line
from devserver.core.diagnostics import Diagnostic
from devserver.core.outcome import Outcome, Result
from devserver.reload.journal import FeedEvent
from devserver.runtime.log_lines import LogLine

_LEVELS = {
    "DEBUG": "dim", "INFO": "cyan", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red",
}  # fmt: skip
_MARKS = {"error": ("✗", "red"), "warning": ("!", "yellow")}
_FILES = 3


class RichView:
    """Draws on a console line by line; nothing is ever taken back or cleared."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def ready(self, banner: Banner, _time: float) -> None:
        self._line()
        self._line(
            ("  sysctl dev server ", "bold"), (version(), "dim"), f"  {one_line(banner.project)}"
        )
        link = banner.link if self._console.is_terminal else banner.url
        self._line(("  ➜  ", "green"), (link, "bold cyan"))
        plugins = f"{count(banner.active, 'plugin')} active"
        if banner.waiting:
            plugins += f" · {banner.waiting} loaded at first use"
        if banner.disabled:
            plugins += f" · {banner.disabled} disabled"
        failed: tuple[str, str] = ("", "")
        if banner.failed:
            failed = (f" · {len(banner.failed)} failed", "red")
        self._line(
            f"     {_watching(banner)} · {plugins}", failed, f" · ready in {banner.ready_ms:.0f} ms"
        )
        self._line(("     press Ctrl-C to stop", "dim"))
        self._line()
        for record in banner.failed:
            why = "" if record.diagnostics else f": {one_line(record.reason)}"
            self._line(("✗ ", "red"), (one_line(record.name), "bold"), f" failed to load{why}")
            self._frames(record.diagnostics)
        self._frames(banner.settings)
        for found in banner.warnings[:SHOWN]:
            self._line(*_warning(found))
        if len(banner.warnings) > SHOWN:
            more = count(len(banner.warnings) - SHOWN, "more warning")
            self._line((f"  and {more}: `{program_name()} dev plugin validate --all`", "dim"))

    def event(self, event: FeedEvent, outcome: Outcome | None, _time: float) -> None:
        if outcome is not None:
            self.outcome(outcome)
        elif event.kind == "settings":
            self._settings(event)
        elif event.kind == "notice":
            self._notice(event)

    def outcome(self, outcome: Outcome) -> None:
        """The line of one outcome and what belongs below it; nothing for `unchanged`."""
        if outcome.result is Result.UNCHANGED:
            return
        errors, warnings = by_severity(outcome)
        if outcome.success:
            self._line(*_success(outcome))
            warnings = errors + warnings
        else:
            self._line(*_failure(outcome))
            self._frames(errors)
            if not errors:
                self._line(f"  {one_line(outcome.error or outcome.message)}")
        for found in warnings:
            self._line(*_warning(found))
        self._below(outcome)

    def log(self, line: LogLine) -> None:
        name = line.logger.removeprefix("plugins.").removesuffix(".plugin")
        first, *rest = clean(line.message).split("\n")
        level = _LEVELS.get(line.level, "")
        self._line((f"{line.level.lower():<7} ", level), (f"{one_line(name)}  ", "bold"), first)
        for text in (*rest, *clean(line.traceback or "").splitlines()):
            self._line((f"  {text}", "dim"))

    def say(self, word: str, _time: float) -> None:
        self._line((word, "dim"))

    def _below(self, outcome: Outcome) -> None:
        if outcome.state.lost:
            self._line(("  ! ", "yellow"), f"state lost: {few(outcome.state.lost, 12)}")
        if outcome.state.passed:
            passed = few(outcome.state.passed, 12)
            self._line((f"  state passed by reference: {passed}", "dim"))
        for note in outcome.notes:
            first, *rest = clean(note).split("\n")
            self._line((f"  note: {first}", "dim"))
            for text in rest:
                self._line((f"    {text}", "dim"))

    def _settings(self, event: FeedEvent) -> None:
        name = "config/hot-loading.yaml"
        if event.payload.get("ok"):
            self._line(("✓ ", "green"), (name, "bold"), " applied")
        else:
            self._line(("✗ ", "red"), (name, "bold"), " refused · the settings before it stay")
        found = event.payload.get("diagnostics", ())
        self._frames([Diagnostic.from_json(d) for d in found])

    def _notice(self, event: FeedEvent) -> None:
        mark, style = _MARKS.get(str(event.payload.get("level")), ("·", "cyan"))
        plugin = event.payload.get("plugin")
        named = (f"{one_line(str(plugin))}  ", "bold") if plugin else ""
        self._line((f"{mark} ", style), named, clean(str(event.payload.get("message", ""))))
        if event.payload.get("hint"):
            self._line((f"  hint: {one_line(str(event.payload['hint']))}", "dim"))

    def _frames(self, diagnostics: Sequence[Diagnostic]) -> None:
        draw_frames(self._console, diagnostics)

    def _line(self, *parts: str | tuple[str, str]) -> None:
        self._console.print(Text.assemble(*parts), soft_wrap=True)


Parts = list[str | tuple[str, str]]


def _success(outcome: Outcome) -> Parts:
    parts: Parts = [("✓ ", "green"), (one_line(outcome.plugin), "bold")]
    if outcome.deed and outcome.reloaded:
        parts.append(f" {one_line(outcome.deed)}")  # it alone; the others came along
    parts += _others(companions(outcome))
    parts += [f" {_generations(outcome)} ", (f"{milliseconds(outcome.duration_ms)} ms", "bold")]
    parts += _steps(outcome)
    routes = outcome.routes_after - outcome.routes_before
    if routes:
        parts.append((f" routes {routes:+d}", "cyan"))
    return parts + _changed(outcome)


def _failure(outcome: Outcome) -> Parts:
    said = "refused" if outcome.result is Result.REJECTED else "rolled back"
    others = [name for name in outcome.plugins if name != outcome.plugin]
    return [
        ("✗ ", "red"),
        (one_line(outcome.plugin), "bold"),
        *_others(others),
        (f" {said} ({failed_step(outcome)})", "red"),
        f" · {one_line(still_serving(outcome))}",
        *_changed(outcome),
    ]


def _warning(found: Diagnostic) -> Parts:
    place = f"{one_line(found.location)} " if found.location else ""
    parts: Parts = [("  ! ", "yellow"), (place, "cyan"), (f"{found.code} ", "dim")]
    return [*parts, one_line(found.message)]


def _others(names: Iterable[str]) -> Parts:
    shown = few(names)
    return [(f" + {shown}", "")] if shown else []


def _generations(outcome: Outcome) -> str:
    if was_removed(outcome):
        return outcome.deed or "removed"
    if outcome.deed and not outcome.reloaded:
        return one_line(outcome.deed)
    if outcome.previous_generation in (0, outcome.generation):
        return f"g{outcome.generation} {outcome.deed}".rstrip()
    return f"g{outcome.previous_generation}→g{outcome.generation}"


def _steps(outcome: Outcome) -> Parts:
    shown = " · ".join(f"{name} {milliseconds(ms)}" for name, ms in steps_of(outcome))
    return [(f" ({shown})", "dim")] if shown else []


def _changed(outcome: Outcome) -> Parts:
    if not outcome.changes:
        return []
    return [(f" ← {few(outcome.changes, _FILES)}", "dim")]


def _watching(banner: Banner) -> str:
    if not banner.hot_reload or banner.mode == "off":
        return "not watching"
    return f"watching ({banner.mode})"
