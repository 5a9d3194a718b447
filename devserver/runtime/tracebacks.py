"""Tracebacks that show the source which raised, of whichever generation.

The standard library finds source by file name alone, so of two generations of a file it shows
one. These ask the module table that a frame's globals belong to.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.source import PluginSource
from devserver.runtime.describe import describe
from devserver.runtime.modules import GenerationLoader, ModuleTable
from devserver.runtime.shown_source import source_lines

_REPEATS = 3  # of one line, as Python itself shows them
_FIRST, _LAST = 20, 40  # frames shown of a traceback that has more
_CHAIN = 20  # exceptions shown of a chain that has more
_TEXT = 10_000  # characters shown of what an exception says

_Step = tuple[FrameType, int, int]
"""A frame, its line, and the offset of its last instruction."""


def has_plugin_code(error: BaseException) -> bool:
    """True when `error`, one that it came from, or one that it groups went through plugin code."""
    return any(any(map(_table_of, _frames(e.__traceback__))) for e in _family(error))


def plugin_of(error: BaseException) -> str | None:
    """The name of the plugin whose code `error`, or one behind it, came through last."""
    place = _place_of(error)
    return None if place is None else place[0].key


def format_error(error: BaseException) -> str:
    """The plugin's own frames and the error, as Python prints them: with marks below the
    expression that failed, chained errors above it, grouped ones indented. Where a library
    raised, the frame that did so is the last. Long ones are cut in the middle."""
    try:
        told = traceback.TracebackException.from_exception(error, limit=0, compact=True)
        _put_own_stacks(told, error, _Texts())
        parts = [_headed(part) for part in told.format()]
    except Exception:  # noqa: BLE001 - notes, members and attributes are the plugin's own
        parts = [describe(error)]
    return "".join(parts).rstrip("\n")


def diagnostic_for(
    error: BaseException,
    *,
    code: str,
    plugin: str,
    message: str,
    source: PluginSource | None,
    hint: str | None,
) -> Diagnostic:
    """A finding at the innermost line of plugin code that `error` came through."""
    origin = error.__cause__ if error.__cause__ is not None else error
    if isinstance(origin, SyntaxError) and _is_of_a_file(origin, source):
        return Diagnostic(
            code=code,
            severity=Severity.ERROR,
            message=message,
            plugin=plugin,
            file=_relative(source, origin.filename or ""),
            line=origin.lineno,
            column=origin.offset,
            source_lines=(origin.text.rstrip("\n"),) if origin.text else (),
            hint=hint,
        )
    place = _place_of(origin)
    if place is None:
        return Diagnostic(
            code=code, severity=Severity.ERROR, message=message, plugin=plugin, hint=hint
        )
    table, filename, number = place
    lines = [line.rstrip("\n") for line in _Texts().lines(table, filename)]
    return Diagnostic(
        code=code,
        severity=Severity.ERROR,
        message=message,
        plugin=plugin,
        file=_relative(source, filename),
        line=number,
        source_lines=tuple(lines[number - 1 : number]),
        lines_before=tuple(lines[max(0, number - 3) : number - 1]),
        lines_after=tuple(lines[number : number + 1]),
        hint=hint,
        traceback=format_error(origin),
    )


class _Texts:
    """The lines of files as generations have them; each is decoded once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], list[str]] = {}

    def lines(self, table: ModuleTable, filename: str) -> list[str]:
        """Empty for what is not a file of that generation."""
        key = id(table), filename
        if key not in self._known:
            files = table.source.files.values()
            content = next((f.content for f in files if str(f.path) == filename), b"")
            self._known[key] = source_lines(content)
        return self._known[key]

    def summary(self, step: _Step) -> traceback.FrameSummary:
        """What is shown of a frame; of a library's, the standard library finds the line."""
        frame, number, offset = step
        code, table = frame.f_code, _table_of(frame)
        line = None
        if table is not None:
            line = "".join(self.lines(table, code.co_filename)[number - 1 : number])
        where: Any = next(islice(code.co_positions(), max(offset, 0) // 2, None), (None,) * 4)
        _, end, column, end_column = where
        return traceback.FrameSummary(
            code.co_filename,
            number,
            code.co_name,
            lookup_line=False,
            line=line,
            end_lineno=end,
            colno=column,
            end_colno=end_column,
        )


class _OwnFrames:
    """What a TracebackException shows as its stack: the frames given, and marks for those of
    them that are left out."""

    def __init__(self, steps: list[_Step], texts: _Texts) -> None:
        self._steps = steps
        self._texts = texts

    def format(self, **_options: Any) -> list[str]:
        runs = [[*run] for _, run in groupby(self._steps, key=lambda s: (s[0].f_code, s[1]))]
        left_out = runs[_FIRST:-_LAST]
        if not left_out:
            return self._shown(runs)
        count = sum(map(len, left_out))
        mark = f"  [{count} frames left out]\n"
        return [*self._shown(runs[:_FIRST]), mark, *self._shown(runs[-_LAST:])]

    def _shown(self, runs: list[list[_Step]]) -> list[str]:
        parts: list[str] = []
        summary = traceback.StackSummary()
        for run in runs:
            for step in run[:_REPEATS]:
                parts.append(summary.format_frame_summary(self._texts.summary(step)))
            more = len(run) - _REPEATS
            if more > 0:
                times = "time" if more == 1 else "times"
                parts.append(f"  [Previous line repeated {more} more {times}]\n")
        return parts


def _put_own_stacks(
    told: traceback.TracebackException, error: BaseException, texts: _Texts
) -> None:
    """Gives `told`, which is about `error`, and all below it their frames; cuts long chains."""
    pending: list[tuple[Any, Any, int]] = [(told, error, 0)]
    while pending:
        one, about, depth = pending.pop()
        steps = _own_steps(about.__traceback__)
        one.stack = _OwnFrames(steps, texts) if steps else None
        one._str = _cut(one._str)
        if one.exceptions is not None:
            members = zip(one.exceptions, about.exceptions, strict=False)
            pending += [(member, itself, depth) for member, itself in members]
        for kind in ("__cause__", "__context__"):
            earlier = getattr(one, kind)
            if earlier is not None and depth < _CHAIN:
                pending.append((earlier, getattr(about, kind), depth + 1))
            elif earlier is not None:
                setattr(one, kind, None)
                one.__notes__ = [*(one.__notes__ or ()), "[what came before it is left out]"]


def _cut(text: str) -> str:
    if not isinstance(text, str) or len(text) <= _TEXT:
        return text
    return f"{text[: _TEXT // 2]} [...] {text[-_TEXT // 2 :]}"


def _headed(part: str) -> str:
    stem = part.removesuffix("Traceback (most recent call last):\n")
    return part if stem == part else f"{stem}Traceback (plugin code only):\n"


def _own_steps(trace: TracebackType | None) -> list[_Step]:
    """Those in plugin code, and the last one where a library that they called raised."""
    steps = [*_steps(trace)]
    own = [step for step in steps if _table_of(step[0]) is not None]
    if own and own[-1] is not steps[-1] and not _is_internal(steps[-1][0]):
        own.append(steps[-1])
    return own


def _steps(trace: TracebackType | None) -> Iterator[_Step]:
    while trace is not None:
        yield trace.tb_frame, trace.tb_lineno or 0, trace.tb_lasti
        trace = trace.tb_next


def _frames(trace: TracebackType | None) -> Iterator[FrameType]:
    return (frame for frame, _, _ in _steps(trace))


def _table_of(frame: FrameType) -> ModuleTable | None:
    """The table of the generation that a frame is code of; None for other code."""
    loader = frame.f_globals.get("__loader__")
    return loader.table if isinstance(loader, GenerationLoader) else None


def _is_internal(frame: FrameType) -> bool:
    """True for code of this product and of the import system, which tells a plugin's author
    nothing."""
    module = str(frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] == "devserver" or frame.f_code.co_filename.startswith("<frozen")


def _family(error: BaseException) -> Iterator[BaseException]:
    """An error, those that it came from, and those that they group; each once."""
    pending, seen = [error], set[int]()
    while pending:
        one = pending.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        context = None if one.__suppress_context__ else one.__context__
        pending += [e for e in (one.__cause__, context) if e is not None]
        if isinstance(one, BaseExceptionGroup):
            pending += one.exceptions


def _place_of(error: BaseException) -> tuple[ModuleTable, str, int] | None:
    """File and line of the innermost plugin code of `error`, else of one that it came from or
    groups."""
    for one in _family(error):
        own = [(t, s) for s in _steps(one.__traceback__) if (t := _table_of(s[0])) is not None]
        if own:
            table, (frame, line, _) = own[-1]
            return table, frame.f_code.co_filename, line or 1
    return None


def _is_of_a_file(error: SyntaxError, source: PluginSource | None) -> bool:
    """False for a text that plugin code compiles itself: the plugin's line says more then."""
    name, line = error.filename, error.lineno
    if not isinstance(name, str) or not isinstance(line, int) or line < 1:
        return False
    own = () if source is None else source.files.values()
    return any(str(f.path) == name for f in own) or Path(name).is_file()


def _relative(source: PluginSource | None, filename: str) -> str:
    return filename if source is None else filename.removeprefix(f"{source.base}/")
