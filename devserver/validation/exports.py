"""Where a module says what `import *` takes from it."""

from __future__ import annotations

import re

from devserver.validation.analysis import ModuleAnalysis, Span
from devserver.validation.candidate import Candidate
from devserver.validation.outline import decode


def exported_name(candidate: Candidate, analysis: ModuleAnalysis, name: str) -> Span | None:
    """The place of a name in `__all__`, looked for in the text; None where it is not found."""
    text = decode(candidate.source.modules()[analysis.name].content)
    start = re.search(r"^__all__\b", text, re.MULTILINE)
    found = None
    if start is not None:
        found = re.compile(rf"([\"']){re.escape(name)}\1").search(text, start.end())
    if found is None:
        return None
    line = text.count("\n", 0, found.start()) + 1
    column = found.start() - text.rfind("\n", 0, found.start())
    return Span(line, column, line, column + found.end() - found.start())
