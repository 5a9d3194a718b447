"""The source that the standard library's own tracebacks, warnings and debugger show."""

from __future__ import annotations

import linecache
from codecs import BOM_UTF8
from collections.abc import Iterable
from importlib.util import decode_source

from devserver.core.source import SourceFile
from devserver.runtime.modules import ModuleTable


def show_source(shown: Iterable[ModuleTable], *, gone: Iterable[ModuleTable]) -> None:
    """Lets the standard library show the running source of the tables `shown`, also while
    something else is on disk: entries without a time are never checked against it. The files
    that only `gone` have are read from disk again."""
    found = {str(f.path): source_lines(f.content) for t in shown for f in _modules(t)}
    for filename, lines in found.items():
        linecache.cache[filename] = (sum(map(len, lines)), None, lines, filename)
    for filename in {str(f.path) for t in gone for f in _modules(t)} - found.keys():
        linecache.cache.pop(filename, None)


def forget_source(tables: Iterable[ModuleTable]) -> None:
    """The standard library reads these files from disk again."""
    show_source((), gone=tables)


def source_lines(content: bytes) -> list[str]:
    """The lines of a file as Python counts them, each with its end: what else Unicode knows as
    one (a form feed, U+2028) is none."""
    try:
        text = _decoded(content)
    except (SyntaxError, UnicodeDecodeError):
        text = content.decode("utf-8", "replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = [f"{line}\n" for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "\n" else lines


def _decoded(content: bytes) -> str:
    declared = any(b"coding" in line for line in content.split(b"\n", 2)[:2])
    if declared or content.startswith(BOM_UTF8):
        return decode_source(content)
    # A commit does this for every file of its plugins, and requests wait for it.
    return content.decode()


def _modules(table: ModuleTable) -> Iterable[SourceFile]:
    return table.source.modules().values()
