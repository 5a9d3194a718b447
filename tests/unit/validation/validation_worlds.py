"""Sets of plugins made from texts, as validation sees them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from devserver.core.diagnostics import Diagnostic
from devserver.core.names import normalise
from devserver.core.source import PluginSource, SourceFile
from devserver.validation.analyser import Analyser
from devserver.validation.candidate import Candidate, World
from devserver.validation.checks import built_in_validators
from devserver.validation.pipeline import Pipeline

BASE = Path("/project")
PIPELINE = Pipeline(built_in_validators())

PLUGIN = """\
from devserver.sdk import BasePlugin


class Sample(BasePlugin):
    name = "{name}"
    version = "1.0.0"
"""


def sample(name: str, more: str = "") -> str:
    """The text of a plugin.py without faults; `more` goes into the class or behind it."""
    return PLUGIN.format(name=name) + more


def candidate(
    name: str, files: Mapping[str, str | bytes] | str | bytes, base: Path = BASE
) -> Candidate:
    """A plugin of these files; a text alone is its plugin.py."""
    texts = {"plugin.py": files} if isinstance(files, (str, bytes)) else files
    root = base / "plugins" / name
    sources = [
        SourceFile.of(root / relative, relative, t if isinstance(t, bytes) else t.encode())
        for relative, t in texts.items()
    ]
    source = PluginSource.of(name=name, root=root, base=base, files=sources, single_file=False)
    return Analyser(None).analyse(source)


Texts = Mapping[str, Mapping[str, str | bytes] | str | bytes]


def world(
    plugins: Texts,
    *,
    running: Texts | None = None,
    changed: Collection[str] | None = None,
    disabled: Collection[str] = (),
    base: Path = BASE,
) -> World:
    """All of `plugins` are judged unless `changed` names some; `base` is the project's root."""
    known = {normalise(n): candidate(n, files, base) for n, files in plugins.items()}
    live = {normalise(n): candidate(n, files, base) for n, files in (running or {}).items()}
    return World(
        plugins=known,
        running=live,
        changed=frozenset(known if changed is None else changed),
        disabled=frozenset(disabled),
    )


def findings(
    plugins: Texts,
    *,
    running: Texts | None = None,
    changed: Collection[str] | None = None,
    disabled: Collection[str] = (),
    base: Path = BASE,
) -> tuple[Diagnostic, ...]:
    """What the built-in checks find."""
    judged = world(plugins, running=running, changed=changed, disabled=disabled, base=base)
    return PIPELINE.run(judged).diagnostics


def codes(diagnostics: Collection[Diagnostic]) -> list[str]:
    """The codes, with a mark where the finding is no error: `IMP001`, `IMP001?`, `IMP001i`."""
    marks = {"error": "", "warning": "?", "info": "i"}
    return [d.code + marks[d.severity] for d in diagnostics]


def place(diagnostic: Diagnostic) -> str:
    """`users/plugin.py:3:5-9`, or `:3:5-4:2` for what ends in another line; as far as known."""
    text = diagnostic.location.removeprefix("plugins/")
    if diagnostic.end_column is None:
        return text
    same = diagnostic.end_line == diagnostic.line
    return f"{text}-{'' if same else f'{diagnostic.end_line}:'}{diagnostic.end_column}"


CORPUS = Path(__file__).parent / "corpus"


Files = dict[str, dict[str, str | bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of a corpus file: what its heading says, its plugins by name as they are, and
    those of them that an edit has changed as they were."""

    heading: str
    plugins: Files
    before: Files

    def __str__(self) -> str:
        return self.heading


def cases(name: str) -> list[Case]:
    """The cases of a file in corpus/.

    `### HEADING` begins a case, `## PLUGIN/FILE` a file of it, `## before PLUGIN/FILE` one as it
    was before an edit; a line `%plugin NAME` stands for a plugin without faults, whose class
    goes on with the lines behind it.
    """
    found: list[Case] = []
    for block in f"\n{(CORPUS / name).read_text(encoding='utf-8')}".split("\n### ")[1:]:
        heading, *files = f"{block}\n".split("\n## ")
        sets: dict[bool, Files] = {True: {}, False: {}}
        for file in files:
            where, _, text = file.partition("\n")
            owner, _, relative = where.removeprefix("before ").partition("/")
            text = re.sub(
                r"^%plugin (\w+)(?:\n|\Z)", lambda m: sample(m[1]), text, flags=re.MULTILINE
            )
            plugins = sets[where.startswith("before ")]
            plugins.setdefault(owner, {})[relative] = text.rstrip("\n") + "\n"
        found.append(Case(heading=heading.strip(), plugins=sets[False], before=sets[True]))
    return found
