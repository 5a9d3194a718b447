"""Sets of plugins made from texts, as validation sees them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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


def candidate(name: str, files: Mapping[str, str | bytes] | str) -> Candidate:
    """A plugin of these files; a text alone is its plugin.py."""
    texts = {"plugin.py": files} if isinstance(files, str) else files
    root = BASE / "plugins" / name
    sources = [
        SourceFile.of(root / relative, relative, t if isinstance(t, bytes) else t.encode())
        for relative, t in texts.items()
    ]
    source = PluginSource.of(name=name, root=root, base=BASE, files=sources, single_file=False)
    return Analyser(None).analyse(source)


Texts = Mapping[str, Mapping[str, str | bytes] | str]


def world(
    plugins: Texts,
    *,
    running: Texts | None = None,
    changed: Collection[str] | None = None,
    disabled: Collection[str] = (),
) -> World:
    """All of `plugins` are judged unless `changed` names some."""
    known = {normalise(name): candidate(name, files) for name, files in plugins.items()}
    live = {normalise(name): candidate(name, files) for name, files in (running or {}).items()}
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
) -> tuple[Diagnostic, ...]:
    """What the built-in checks find."""
    judged = world(plugins, running=running, changed=changed, disabled=disabled)
    return PIPELINE.run(judged).diagnostics


def codes(diagnostics: Collection[Diagnostic]) -> list[str]:
    """The codes, with a mark where the finding is no error: `IMP001`, `IMP001?`, `IMP001i`."""
    marks = {"error": "", "warning": "?", "info": "i"}
    return [d.code + marks[d.severity] for d in diagnostics]
