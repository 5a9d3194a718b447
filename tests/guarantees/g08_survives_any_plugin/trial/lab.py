"""Plugins to examine, and what can be seen of processes."""

from __future__ import annotations

import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devserver.core.diagnostics import Diagnostic
from devserver.core.source import PluginSource, SourceFile
from devserver.reload.trial_forkserver import ForkServerTrial

GOOD = """
from devserver.sdk import BasePlugin

class Plugin(BasePlugin):
    name = "good"
"""
FACTORY = "\ndef get_plugin(): ...\n"


def source_of(base: Path, name: str, plugin: str = GOOD, **modules: str) -> PluginSource:
    """A plugin that is not on disk; `modules` are further ones by name."""
    root = base / "plugins" / name
    texts = {"plugin.py": plugin, **{f"{module}.py": text for module, text in modules.items()}}
    files = [
        SourceFile.of(root / relative, relative, textwrap.dedent(text).encode())
        for relative, text in texts.items()
    ]
    return PluginSource.of(name=name, root=root, base=base, files=files, single_file=False)


def wait_for(fact: Callable[[], Any], what: str, timeout: float = 20.0) -> Any:
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not (value := fact()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come about within {timeout:g} s")
        pause.wait(0.005)
    return value


def is_gone(pid: int) -> bool:
    """True for a process that has ended, be it still unreaped."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def children_of(pid: int) -> list[int]:
    try:
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def numbers_in(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def only(found: tuple[Diagnostic, ...]) -> Diagnostic:
    assert len(found) == 1, found
    return found[0]


def new_trial(tmp_path: Path, **options: Any) -> ForkServerTrial:
    settings = {"cache": tmp_path / ".plugin_cache", "memory_mb": lambda: "auto", **options}
    return ForkServerTrial(**settings)
