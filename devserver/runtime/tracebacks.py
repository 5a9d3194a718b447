"""Tracebacks that show the source which raised, of whichever generation."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Iterable
from types import TracebackType

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.source import PluginSource
from devserver.runtime.modules import GenerationLoader, ModuleTable


def plugin_frames(error: BaseException) -> list[tuple[ModuleTable, traceback.FrameSummary]]:
    """The frames of `error` that are plugin code, outermost first, with the table they belong
    to and the line as that generation's source has it."""
    found = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        loader = frame.f_globals.get("__loader__")
        if isinstance(loader, GenerationLoader):
            code = frame.f_code
            lines = _lines_of(loader.table, code.co_filename)[trace.tb_lineno - 1 : trace.tb_lineno]
            summary = traceback.FrameSummary(
                code.co_filename,
                trace.tb_lineno,
                code.co_name,
                lookup_line=False,
                line="".join(lines),
            )
            found.append((loader.table, summary))
        trace = trace.tb_next
    return found


def format_error(error: BaseException) -> str:
    """The plugin's own frames and the error; chained errors above it, as Python prints them."""
    parts = []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and plugin_frames(cause):
        joint = "caused" if error.__cause__ is not None else "while handling it there was"
        parts.append(f"{format_error(cause)}\n\n{joint}:\n")
    frames = [summary for _, summary in plugin_frames(error)]
    if frames:
        parts.append("Traceback (plugin code only):")
        parts.extend(text.rstrip("\n") for text in traceback.format_list(frames))
    parts.extend(text.rstrip("\n") for text in traceback.format_exception_only(error))
    return "\n".join(parts)


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
    frames = plugin_frames(origin)
    place = frames[-1] if frames else None
    if isinstance(origin, SyntaxError) and origin.filename and origin.lineno:
        return Diagnostic(
            code=code,
            severity=Severity.ERROR,
            message=message,
            plugin=plugin,
            file=_relative(source, origin.filename),
            line=origin.lineno,
            column=origin.offset,
            source_lines=(origin.text.rstrip("\n"),) if origin.text else (),
            hint=hint,
        )
    if place is None:
        return Diagnostic(
            code=code, severity=Severity.ERROR, message=message, plugin=plugin, hint=hint
        )
    table, frame = place
    number = frame.lineno or 1
    lines = _lines_of(table, frame.filename)
    return Diagnostic(
        code=code,
        severity=Severity.ERROR,
        message=message,
        plugin=plugin,
        file=_relative(source, frame.filename),
        line=number,
        source_lines=tuple(lines[number - 1 : number]),
        lines_before=tuple(lines[max(0, number - 3) : number - 1]),
        lines_after=tuple(lines[number : number + 1]),
        hint=hint,
        traceback=format_error(origin),
    )


def remember_source(tables: Iterable[ModuleTable]) -> None:
    """Lets the standard library's tracebacks show the running source of these tables, also
    while something else is on disk: entries without a time are never checked against it."""
    for table in tables:
        for file in table.source.modules().values():
            text = file.content.decode("utf-8", "replace")
            lines = text.splitlines(keepends=True)
            linecache.cache[str(file.path)] = (len(text), None, lines, str(file.path))


def forget_source(tables: Iterable[ModuleTable]) -> None:
    """The standard library reads these files from disk again."""
    for table in tables:
        for file in table.source.modules().values():
            linecache.cache.pop(str(file.path), None)


def _lines_of(table: ModuleTable, filename: str) -> list[str]:
    """The lines of a file as this generation has it."""
    for file in table.source.files.values():
        if str(file.path) == filename:
            return file.content.decode("utf-8", "replace").splitlines()
    return []


def _relative(source: PluginSource | None, filename: str) -> str:
    return filename if source is None else filename.removeprefix(f"{source.base}/")
