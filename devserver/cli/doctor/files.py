"""A project's files: settings, plugins, and what the server writes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from devserver.assembly import OfflineProject
from devserver.cli.findings import Finding, counted, error, ok, told, warning
from devserver.cli.text import count, few
from devserver.core.diagnostics import Diagnostic
from devserver.core.settings import Settings
from devserver.reload.coverage import missed_files
from devserver.runtime.discovery import discover
from devserver.runtime.host_settings import read_host_settings
from devserver.runtime.project import Project

_SHARED = ("config/", "validators/")


def settings(project: Project, found: Settings) -> Iterator[Finding]:
    """What config/main.yaml says, and what the settings switch off. Raises DevServerError."""
    read_host_settings(project.root)
    off = {
        "watch": found.watches, "reload.automatic": found.reload.automatic,
        "validation": found.validates, "safety.trial_process": found.safety.trial_process,
    }  # fmt: skip
    names = [name for name, is_on in off.items() if not is_on]
    if names:
        yield warning(
            "settings",
            f"switched off: {few(names)}",
            "switch them on in config/hot-loading.yaml, where a save is to be checked and live "
            "by itself",
        )


def plugins(project: Project) -> Iterator[Finding]:
    """What validation says of the plugins and of the files that configure them."""
    if not project.plugins.is_dir():
        yield error("plugins", "there is no folder plugins/", "mkdir plugins")
        return
    report = OfflineProject(project).validate()
    shared, by_plugin = _sorted_out(report.diagnostics)
    yield from told("settings", shared)
    if not shared:
        yield ok("settings", "the files in config/ and validators/ are right")
    known = discover(project)
    for name, found in sorted(by_plugin.items()):
        hint = f"sysctl dev plugin validate {name or '--all'}"
        yield counted("plugins", found, subject=name or "the project", hint=hint)
    good = len(known) - sum(any(d.is_error for d in of) for of in by_plugin.values())
    if not known:
        yield warning("plugins", "there are none", "sysctl dev plugin create my_plugin")
    elif good:
        yield ok("plugins", f"{count(good, 'plugin')} can be loaded")


def _sorted_out(
    found: tuple[Diagnostic, ...],
) -> tuple[list[Diagnostic], dict[str, list[Diagnostic]]]:
    """Those of shared files, and the others by the plugin that they are about."""
    shared: list[Diagnostic] = []
    by_plugin: dict[str, list[Diagnostic]] = {}
    for one in found:
        if (one.file or "").startswith(_SHARED):
            shared.append(one)
        else:
            by_plugin.setdefault(one.plugin or "", []).append(one)
    return shared, by_plugin


def patterns(project: Project, found: Settings) -> Iterator[Finding]:
    """Whether saves of all files that plugins are made of are noticed."""
    missed = [f for f in missed_files(project, found.watch.path_filter()) if f.endswith(".py")]
    if missed:
        yield warning(
            "patterns",
            f"no pattern watches {few(missed)}",
            "correct watch.patterns and watch.ignore in config/hot-loading.yaml; "
            "`sysctl plugins debug-watcher` shows more",
        )
    else:
        yield ok("patterns", "every Python file of a plugin is watched")


def cache(project: Project) -> Iterator[Finding]:
    """Whether compiled code can be kept, and by whom."""
    folder = project.cache
    code = folder / "code"
    if not folder.exists():
        yield _creatable("cache", folder, ".plugin_cache is made at the first start")
        return
    problem = _not_writable(folder) or (_not_writable(code) if code.exists() else None)
    if problem is not None:
        yield warning("cache", f"{problem}: every start compiles anew", f"rm -r {folder}")
    elif code.exists() and stat.S_IMODE(code.stat().st_mode) & 0o022:
        yield warning("cache", f"others may write to {code}", f"chmod 700 {code}")
    else:
        yield ok("cache", f"{project.relative(folder)} can be used")


def instance(project: Project) -> Iterator[Finding]:
    """Whether the server can write what it keeps, and nobody else."""
    folder = project.instance
    if not folder.exists():
        yield _creatable("instance", folder, "instance/ is made at the first start")
        return
    problem = _not_writable(folder)
    if problem is not None:
        hint = "it must be a folder that the user who runs the server may write to"
        yield error("instance", problem, f"{hint}: `ls -ld {folder}`")
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o002:
        yield error("instance", f"everybody may write to {folder}", f"chmod o-w {folder}")
    else:
        yield ok("instance", f"{project.relative(folder)} can be written")


def _creatable(check: str, folder: Path, message: str) -> Finding:
    if os.access(folder.parent, os.W_OK):
        return ok(check, message)
    hint = f"let the user who runs the server write to it: `ls -ld {folder.parent}`"
    return error(check, f"{folder} cannot be made: {folder.parent} cannot be written", hint)


def _not_writable(folder: Path) -> str | None:
    if not folder.is_dir():
        return f"{folder} is no folder"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"{folder} cannot be written"
