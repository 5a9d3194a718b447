"""The process that executes a candidate's modules, once, and tells what came of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.errors import DevServerError, PluginHookFailed
from devserver.core.names import normalise
from devserver.core.source import PluginSource, SourceFile
from devserver.reload.trial_endings import note_endings
from devserver.reload.trial_limits import (
    MemoryLimit,
    children,
    limit_time_and_files,
    open_files,
    thread_count,
)
from devserver.reload.trial_task import Conditions, Task
from devserver.runtime.code_cache import CodeCache
from devserver.runtime.entry import find_entry
from devserver.runtime.finder import PluginFinder
from devserver.runtime.importing import ImportModule
from devserver.runtime.modules import ROOT, ModuleTable
from devserver.runtime.tracebacks import diagnostic_for

CUT_OFF = 97
"""The exit code when the way to report is gone."""
_LONGEST_TEXT = 16_000
_LONGEST_MESSAGE = 1_000

_exit = os._exit


class Child:
    """Gets everything ready that does not depend on the task.

    `report` and `stacks` are descriptors that it writes to: JSON lines, each behind `mark`, and
    stacks in faulthandler's form. `live` is the process id of the live server.
    """

    def __init__(self, *, code: CodeCache, report: int, mark: str, stacks: int, live: int) -> None:
        self._code = code
        self._pid = os.getpid()
        self._reporter = _Reporter(report, mark)
        self._memory = MemoryLimit()
        self._environ = dict(os.environ)
        # Nobody is there to talk to a debugger.
        sys.breakpointhook = lambda *_arguments, **_options: None
        with contextlib.suppress(AttributeError, ValueError):
            # What was printed before a hang is to be seen.
            sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        ImportModule().install()
        _rehearse()
        note_endings(stacks, {os.getppid(), live})

    def run(self, task: Task) -> NoReturn:
        """Executes the task, tells what came of it, and ends the process."""
        try:
            self._settle_in(task.conditions)
            limit_time_and_files(task.conditions.timeout * len(task.entries))
            self._execute(task)
        except BaseException as error:  # noqa: BLE001 - ours, and there is nobody above to tell
            self._reporter.tell(fault=f"{type(error).__name__}: {error}")
        # Threads that plugin code left are not waited for.
        _exit(0)

    def _settle_in(self, conditions: Conditions) -> None:
        """Makes the process like the live one in what plugin code sees of it."""
        sys.path[:] = conditions.path
        sys.argv[:] = conditions.argv
        if self._environ != conditions.environ:
            for name in self._environ.keys() - conditions.environ.keys():
                del os.environ[name]
            os.environ.update(conditions.environ.items() - self._environ.items())
        with contextlib.suppress(OSError):
            os.chdir(conditions.folder)

    def _execute(self, task: Task) -> None:
        tables = _Tables(task, self._code)
        self._memory.hold(task.conditions.memory_mb)
        before = open_files()
        for number, source in enumerate(task.entries):
            self._reporter.tell(entry=number)
            try:
                tables.load(source)
            except BaseException as error:  # noqa: BLE001 - plugin code may raise anything
                self._memory.lift()
                self._fail(_diagnostic_of(error, source, task.conditions))
            if os.getpid() != self._pid:
                self._fail(_came_back(source.name))
        self._memory.lift()
        # The live process, which executes the same next, need not compile it again.
        self._code.flush()
        alone = before is not None and before == open_files() and _has_started_nothing()
        self._reporter.tell(passed=_newly_imported(task.conditions.environment), alone=alone)
        while alone:
            # To end is work too, and whoever waits for the report has better things to do.
            signal.pause()

    def _fail(self, diagnostic: Diagnostic) -> NoReturn:
        _flush()
        self._reporter.tell(failure=diagnostic.to_json())
        _exit(0)


class _Reporter:
    """Writes JSON lines to a descriptor, as long as that is still the one it was."""

    def __init__(self, descriptor: int, mark: str) -> None:
        self._mark = mark
        self._descriptor = descriptor
        self._identity = self._identify()

    def tell(self, **message: Any) -> None:
        if self._identity is None or self._identify() != self._identity:
            _exit(CUT_OFF)
        # What plugin code may have written there ends before it.
        content = f"\n{self._mark}{json.dumps(message)}\n".encode()
        while content:
            content = content[os.write(self._descriptor, content) :]

    def _identify(self) -> tuple[int, int] | None:
        try:
            status = os.fstat(self._descriptor)
        except OSError:
            return None
        return status.st_dev, status.st_ino


class _Tables:
    """The module tables of a task, made when something asks for them."""

    def __init__(self, task: Task, code: CodeCache) -> None:
        self._sources = {normalise(s.name): s for s in (*task.context, *task.entries)}
        self._tables: dict[str, ModuleTable] = {}
        self._code = code
        root = ModuleType(ROOT)
        root.__path__ = [str(task.entries[0].base / ROOT)]
        sys.modules[ROOT] = root
        sys.meta_path.insert(0, PluginFinder(self._find))

    def load(self, source: PluginSource) -> None:
        """Executes what the live process executes when it loads the plugin."""
        table = self._find(normalise(source.name))
        if table is None:
            raise AssertionError("every entry has a source")
        table.load(table.entry_name())
        routes = f"{table.package}.routes"
        if table.has(routes):
            table.load(routes)
        find_entry(table)

    def _find(self, key: str) -> ModuleTable | None:
        source = self._sources.get(key)
        if source is not None and key not in self._tables:
            table = ModuleTable(source, cache=self._code, resolve=self._find)
            table.expose()
            self._tables[key] = table
        return self._tables.get(key)


def _rehearse() -> None:
    """Loads a plugin of no consequence, so that memory which loading writes to is copied from
    the server's before anybody waits for it."""
    root = Path("/")
    content = b"class Plugin:\n    def hook(self): ...\nget_plugin = Plugin\n"
    file = SourceFile.of(root / "plugin.py", "plugin.py", content)
    source = PluginSource.of(
        name="rehearsal", root=root, base=root, files=[file], single_file=False
    )
    find_entry(ModuleTable(source, cache=CodeCache(None), resolve=lambda _key: None))


# -- what is told ---------------------------------------------------------------------------------


def _diagnostic_of(
    error: BaseException, source: PluginSource, conditions: Conditions
) -> Diagnostic:
    name = source.name
    code, what, hint = _told_as(error, conditions)
    message = f"'import' of {name!r} {what}"
    failed = PluginHookFailed(message, plugin=name, hook="import", code=code, hint=hint)
    failed.__cause__ = error
    found = diagnostic_for(
        failed, code=code, plugin=name, message=message, source=source, hint=hint
    )
    if found.traceback is None or len(found.traceback) <= _LONGEST_TEXT:
        return found
    half = _LONGEST_TEXT // 2
    shorter = f"{found.traceback[:half]}\n  ...\n{found.traceback[-half:]}"
    return Diagnostic.from_json({**found.to_json(), "traceback": shorter})


def _came_back(name: str) -> Diagnostic:
    return Diagnostic(
        code="RUN011",
        severity=Severity.ERROR,
        message=f"'import' of {name!r} forked, and the child process came back from it",
        plugin=name,
        hint="it would go on as a second server; use subprocess, or end it with os._exit()",
    )


def _told_as(error: BaseException, conditions: Conditions) -> tuple[str, str, str | None]:
    """Code, what the import did, hint."""
    if isinstance(error, SystemExit):
        shown = "" if error.code is None else repr(error.code)[:_LONGEST_TEXT]
        hint = "a plugin cannot end the server; raise an exception that says what is wrong"
        return "RUN010", f"called sys.exit({shown})", hint
    if isinstance(error, MemoryError):
        hint = (
            "load less while the module is imported, "
            "or raise safety.trial_memory_mb in config/hot-loading.yaml"
        )
        return "RUN014", f"needed more than {conditions.memory_mb} MB of memory", hint
    what = f"raised {type(error).__name__}: {_text_of(error)}"
    if isinstance(error, RecursionError):
        hint = "a function calls itself without an end; the traceback shows which"
        return "RUN015", what, hint
    return "RUN001", what, error.hint if isinstance(error, DevServerError) else None


def _text_of(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the plugin's own __str__
        return "(its text cannot be made)"
    if len(text) <= _LONGEST_MESSAGE:
        return text
    return f"{text[:_LONGEST_MESSAGE]}... ({len(text):,} characters)"


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # plugin code may have put anything there
            stream.flush()


def _has_started_nothing() -> bool:
    return thread_count() == 1 and children() == []


def _newly_imported(folders: tuple[str, ...]) -> list[str]:
    """The names of modules of the environment that the trial imported, in order."""
    found: list[str] = []
    with contextlib.suppress(RuntimeError):  # a thread of the plugin's still imports
        for name, module in reversed(sys.modules.items()):
            if name == ROOT:
                # The ones before were there before: looking at them would only copy memory.
                break
            spec = vars(module).get("__spec__") if isinstance(module, ModuleType) else None
            origin = getattr(spec, "origin", None)
            if isinstance(origin, str) and getattr(spec, "name", None) == name:
                place = str(Path(origin).parent) + os.sep
                if place.startswith(folders):
                    found.append(name)
    return found[::-1]
