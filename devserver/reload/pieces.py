"""Whether what is on disk looks like the first piece of something."""

from __future__ import annotations

from devserver.core.source import PluginSource, SourceFile
from devserver.reload.catalog import Reading
from devserver.runtime.generation import Generation


def looks_unfinished(reading: Reading, running: Generation | None) -> bool:
    """True for a plugin that has vanished, which may be back in a moment, and where a file has
    lost the newline at its end: half a line may be valid code, too. So may be a file of
    configuration that has nothing in it any more."""
    if reading.candidate is None:
        return True
    if running is not None and _has_lost_a_layer(reading, running):
        return True
    known = {} if running is None else running.source.files
    return any(
        _ends_in_a_line(file) and _ended_with_newline(known.get(relative))
        for relative, file in _code(reading.candidate.source)
    )


def _has_lost_a_layer(reading: Reading, running: Generation) -> bool:
    """True where a file said something of the plugin and now is empty."""
    said = {layer.file for layer in running.config.layers if layer.file and layer.values}
    return any(
        layer.file in said and not layer.values and not layer.content.strip()
        for layer in reading.config.layers
    )


def _code(source: PluginSource) -> list[tuple[str, SourceFile]]:
    return [(name, file) for name, file in source.files.items() if name.endswith(".py")]


def _ends_in_a_line(file: SourceFile) -> bool:
    return bool(file.content) and not file.content.endswith((b"\n", b"\r"))


def _ended_with_newline(file: SourceFile | None) -> bool:
    return file is not None and file.content.endswith((b"\n", b"\r"))
