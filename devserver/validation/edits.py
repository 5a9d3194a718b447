"""What to write so that a finding goes away."""

from __future__ import annotations

import re
from dataclasses import dataclass

from devserver.core.diagnostics import Diagnostic
from devserver.core.yaml_text import Place
from devserver.validation.analysis import Attribute
from devserver.validation.candidate import MANIFEST, Candidate
from devserver.validation.entry import plugin_classes
from devserver.validation.hooks import ARGUMENTS, is_slip
from devserver.validation.lookup import Lookup
from devserver.validation.manifest_places import places_in
from devserver.validation.rewriting import (
    renamed_function,
    with_attribute,
    with_dependency,
    without_import,
)

FIRST_VERSION = "1.0.0"
_COMMENT = re.compile(rb"[ \t]*#\s*devserver:\s*ignore(?:-file)?\[([^\]]*)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A file of the plugin with its new content, and what was done, for people."""

    relative: str
    content: bytes
    note: str


def edit_for(diagnostic: Diagnostic, candidate: Candidate) -> Edit | None:
    """The edit that takes a finding on a plugin away, None where there is none."""
    make = _EDITS.get(diagnostic.code)
    return None if make is None else make(diagnostic, candidate)


def _without_import(diagnostic: Diagnostic, candidate: Candidate) -> Edit | None:
    at = _in_python(diagnostic, candidate)
    if at is None:
        return None
    relative, content, place = at
    changed = without_import(content, place)
    return _edit(relative, changed, "removed the import")


def _renamed_hook(diagnostic: Diagnostic, candidate: Candidate) -> Edit | None:
    at = _in_python(diagnostic, candidate)
    if at is None:
        return None
    relative, content, place = at
    for analysis in candidate.modules.values():
        for found in analysis.classes:
            for method in found.methods:
                here = (method.span.line, method.span.column) == place
                if analysis.file == diagnostic.file and here:
                    hooks = [h for h in ARGUMENTS if is_slip(method.name, h)]
                    hooks = [h for h in hooks if found.method(h) is None]
                    if len(hooks) == 1:
                        changed = renamed_function(content, place, hooks[0])
                        return _edit(relative, changed, f"renamed it to {hooks[0]!r}")
    return None


def _with_version(diagnostic: Diagnostic, candidate: Candidate) -> Edit | None:
    at = _in_python(diagnostic, candidate)
    if at is None:
        return None
    relative, content, place = at
    changed = with_attribute(content, place, "version", f'"{FIRST_VERSION}"')
    return _edit(relative, changed, f'wrote `version = "{FIRST_VERSION}"`')


def _without_ignore(diagnostic: Diagnostic, candidate: Candidate) -> Edit | None:
    relative = _relative(diagnostic, candidate)
    if relative is None or diagnostic.line is None or not diagnostic.message.startswith("nothing"):
        return None
    code = diagnostic.message.split()[2].encode()
    lines = candidate.source.files[relative].content.split(b"\n")
    if diagnostic.line > len(lines):
        return None
    line = lines[diagnostic.line - 1]
    for match in _COMMENT.finditer(line):
        codes = [c for c in re.split(rb"[\s,]+", match[1]) if c]
        if code not in codes:
            continue
        codes.remove(code)
        if codes:
            line = line[: match.start(1)] + b", ".join(codes) + line[match.end(1) :]
        else:
            line = _without_comment(line, match.start(), match.end())
        kept = [line] if line.strip() or codes else []
        changed = [*lines[: diagnostic.line - 1], *kept, *lines[diagnostic.line :]]
        return _edit(relative, b"\n".join(changed), f"removed ignore[{code.decode()}]")
    return None


def _without_comment(line: bytes, start: int, end: int) -> bytes:
    """The line without its comment; words that follow it stay one."""
    more = line[end:].strip()
    ending = b"\r" if line.endswith(b"\r") else b""
    if more and not more.startswith(b"#"):
        more = b"# " + more
    return line[:start] + (b"  " if more and line[:start].strip() else b"") + more + ending


def _with_dependency(diagnostic: Diagnostic, candidate: Candidate) -> Edit | None:
    names = re.findall(r"'([\w-]+)'", diagnostic.message)
    if len(names) != 1:
        return None
    if candidate.manifest_file is not None:
        content = candidate.source.files[MANIFEST].content
        changed = manifest_with_dependency(content, names[0])
        return _edit(MANIFEST, changed, f'added "{names[0]}" to the dependencies')
    attribute = _dependencies_attribute(candidate)
    if attribute is None:
        return None
    file, found = attribute
    for relative, source in candidate.source.files.items():
        if candidate.source.project_path(relative) == file:
            place = (found.span.line, found.span.column)
            changed = with_dependency(source.content, place, names[0])
            return _edit(relative, changed, f'added "{names[0]}" to the dependencies')
    return None


def _dependencies_attribute(candidate: Candidate) -> tuple[str, Attribute] | None:
    for analysis, found in plugin_classes(candidate, Lookup({candidate.key: candidate})):
        attribute = found.attribute("dependencies")
        if attribute is not None and attribute.literal:
            return analysis.file, attribute
    return None


_EDITS = {
    "IMP020": _without_import,
    "IMP021": _without_import,
    "STR004": _with_version,
    "STR011": _renamed_hook,
    "STR901": _without_ignore,
    "DEP004": _with_dependency,
}


def _edit(relative: str, content: bytes | None, note: str) -> Edit | None:
    return None if content is None else Edit(relative=relative, content=content, note=note)


def _relative(diagnostic: Diagnostic, candidate: Candidate) -> str | None:
    files = candidate.source.files
    return next((r for r in files if candidate.source.project_path(r) == diagnostic.file), None)


def _in_python(
    diagnostic: Diagnostic, candidate: Candidate
) -> tuple[str, bytes, tuple[int, int]] | None:
    relative = _relative(diagnostic, candidate)
    if relative is None or diagnostic.line is None or diagnostic.column is None:
        return None
    place = (diagnostic.line, diagnostic.column)
    return relative, candidate.source.files[relative].content, place


# -- the manifest -----------------------------------------------------------------------------


def manifest_with_dependency(content: bytes, name: str) -> bytes | None:
    """manifest.json with one more dependency, written as the others are; None where the text is
    no object."""
    bom = content[:3] if content.startswith(b"\xef\xbb\xbf") else b""
    try:
        written = content[len(bom) :].decode()
    except UnicodeDecodeError:
        return None
    newline = "\r\n" if "\r\n" in written else "\n"
    text = written.replace("\r\n", "\n")
    document = places_in(text)
    if not isinstance(document.value, dict):
        return None
    known = document.value.get("dependencies")
    if isinstance(known, (list, dict)):
        is_list = isinstance(known, list)
        entry = f'"{name}"' if is_list else f'"{name}": "*"'
        place, path = document.values[("dependencies",)], ("dependencies",)
        last = len(known) - 1 if isinstance(known, list) else (list(known)[-1:] or [""])[0]
        inner = document.values.get((*path, last)) if known else None
        changed = _inserted(text, place, inner, entry)
    elif known is None and "dependencies" not in document.value:
        keys = list(document.value)
        inner = document.values.get((keys[-1],)) if keys else None
        changed = _inserted(text, _whole(text), inner, f'"dependencies": ["{name}"]')
    else:
        return None
    return bom + changed.replace("\n", newline).encode()


def _inserted(text: str, around: Place, last: Place | None, entry: str) -> str:
    """The text with an entry behind the last one of what stands at `around`."""
    start = _offset(text, around.line, around.column)
    if last is None:
        return f"{text[: start + 1]}{entry}{text[_offset_of_end(text, around) - 1 :]}"
    end = _offset_of_end(text, last)
    first = len(text[start + 1 :]) - len(text[start + 1 :].lstrip())
    gap = text[start + 1 : start + 1 + first]
    return f"{text[:end]},{gap if chr(10) in gap else ' '}{entry}{text[end:]}"


def _whole(text: str) -> Place:
    before, inside = text[: text.index("{")], text[: text.rindex("}") + 1]
    return Place(
        line=before.count("\n") + 1,
        column=len(before.rpartition("\n")[2]) + 1,
        end_line=inside.count("\n") + 1,
        end_column=len(inside.rpartition("\n")[2]) + 1,
    )


def _offset_of_end(text: str, place: Place) -> int:
    return _offset(text, place.end_line, place.end_column)


def _offset(text: str, line: int, column: int) -> int:
    return sum(len(x) for x in text.split("\n")[: line - 1]) + line + column - 2
