"""What a trial's end means to the user: diagnostics."""

from __future__ import annotations

import re
import signal
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.source import PluginSource, SourceFile
from devserver.reload.trial_child import CUT_OFF
from devserver.reload.trial_end import End, Ended
from devserver.reload.trial_endings import MARK
from devserver.reload.trial_task import Conditions
from devserver.reload.trial_watch import STOPPED

_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in (?P<name>.*)$', re.MULTILINE)
_STACK = re.compile(r"\(most recent call first\):?\n")
_CALL = re.compile(rf"^{MARK}(\S+)$", re.MULTILINE)
_CRASHES = frozenset({"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGSYS", "SIGTRAP"})
_MEMORY_KEY = "safety.trial_memory_mb in config/hot-loading.yaml"


def diagnostics_of(
    ended: Ended,
    entries: Sequence[PluginSource],
    context: Sequence[PluginSource],
    conditions: Conditions,
) -> tuple[Diagnostic, ...]:
    """Nothing when the trial passed, else the one error that refuses the change; a warning when
    the fault was ours."""
    if ended.end is End.PASSED:
        return ()
    source = entries[min(ended.entry, len(entries) - 1)]
    if ended.end in (End.FAULT, End.STOPPED):
        return (could_not_run(ended.fault or "it was stopped", source.name),)
    if ended.failure is not None:
        found = Diagnostic.from_json(ended.failure)
        return (_with(found, traceback=_joined(found.traceback, ended.output)),)
    code, message, hint = _death(ended, source.name, conditions)
    return (_located(ended, code, message, hint, source, [*entries, *context]),)


def could_not_run(why: str, plugin: str | None) -> Diagnostic:
    """The fault was ours: the change goes on without a trial."""
    return Diagnostic(
        code="RUN019",
        severity=Severity.WARNING,
        message=f"the trial could not be run: {why}",
        plugin=plugin,
        hint="the change goes on without it; `safety.trial_process: false` in "
        "config/hot-loading.yaml turns trials off",
    )


def was_stopped(plugin: str | None) -> Diagnostic:
    """The server ends: what has not passed its trial is not executed there either."""
    return Diagnostic(
        code="RUN019",
        severity=Severity.ERROR,
        message="the trial was ended, as the server is being stopped",
        plugin=plugin,
        hint="the next start tries it",
    )


def _death(ended: Ended, name: str, conditions: Conditions) -> tuple[str, str, str]:
    """Code, message and hint for a process that was ended, or ended itself."""
    calls = _CALL.findall(ended.stack)
    call = calls[-1] if calls else ""
    if ended.end is End.TIMED_OUT and STOPPED in calls:
        hint = "the whole server would stop; send signals only to what the plugin started"
        return "RUN013", f"'import' of {name!r} stopped its process (SIGSTOP)", hint
    if ended.end is End.TIMED_OUT:
        return (
            "RUN013",
            f"'import' of {name!r} did not finish within {conditions.timeout:g} s",
            "raise reload.timeout in config/hot-loading.yaml, or look for what it waits for",
        )
    if ended.end is End.EXITED:
        return _exit(ended.status, name, call)
    return _signal(ended.status, name, call)


def _exit(status: int, name: str, call: str) -> tuple[str, str, str]:
    hint = "this would end the whole server; raise an exception that says what is wrong"
    if status == CUT_OFF and call != "os._exit":
        message = f"'import' of {name!r} closed file descriptors that are not its own"
        return "RUN011", message, "close only what the plugin has opened: the server has others"
    if call == "os.exec":
        message = f"'import' of {name!r} replaced its process by another program (os.exec)"
        return "RUN011", message, "this would end the whole server; use subprocess.run"
    if call == "os._exit":
        return "RUN011", f"'import' of {name!r} called os._exit({status})", hint
    return "RUN011", f"'import' of {name!r} ended its process with exit code {status}", hint


def _signal(number: int, name: str, call: str) -> tuple[str, str, str]:
    shown, meaning = _name_of(number)
    if call in ("os.kill", "os.killpg"):
        hint = "this would end the whole server; send signals only to what the plugin started"
        return "RUN012", f"'import' of {name!r} ended its process with {call} ({shown})", hint
    if shown == "SIGXCPU":
        message = f"'import' of {name!r} used more processor time than it may take in all"
        return "RUN013", message, "raise reload.timeout in config/hot-loading.yaml, or do less"
    if shown == "SIGKILL":
        hint = f"the system does so when memory runs out; load less, or lower {_MEMORY_KEY}"
        return "RUN012", f"'import' of {name!r} was killed ({shown})", hint
    if shown not in _CRASHES:
        hint = "this would end the whole server; handle the signal, or do not ask for it"
        return "RUN012", f"'import' of {name!r} was ended by {shown} ({meaning})", hint
    return (
        "RUN012",
        f"'import' of {name!r} crashed the interpreter: {shown} ({meaning})",
        "a C extension or ctypes did this, called from the line that is shown",
    )


def _name_of(number: int) -> tuple[str, str]:
    try:
        return signal.Signals(number).name, signal.strsignal(number) or "no description"
    except ValueError:
        return f"signal {number}", "unknown"


def _located(
    ended: Ended,
    code: str,
    message: str,
    hint: str,
    source: PluginSource,
    sources: Iterable[PluginSource],
) -> Diagnostic:
    frames, beyond = _frames(ended.stack, sources)
    place = frames[-1] if frames else None
    text = None
    if frames:
        shown = [summary for _, summary in frames]
        lines = ["Traceback (plugin code only):\n", *traceback.format_list(shown)]
        text = "".join(lines).rstrip("\n") + beyond
    return Diagnostic(
        code=code,
        severity=Severity.ERROR,
        message=message,
        plugin=source.name,
        file=None if place is None else place[1].filename.removeprefix(f"{place[0].base}/"),
        line=None if place is None else place[1].lineno,
        source_lines=() if place is None or not place[1].line else (place[1].line,),
        hint=hint,
        traceback=_joined(text, ended.output),
    )


def _frames(
    stack: str, sources: Iterable[PluginSource]
) -> tuple[list[tuple[PluginSource, traceback.FrameSummary]], str]:
    """The plugin's frames of the last stack, outermost first; and where the innermost of them
    had gone to, when that was not plugin code."""
    files = {_as_dumped(f.path): (s, f) for s in sources for f in s.files.values()}
    stacks = [part for part in _STACK.split(stack) if _FRAME.search(part)]
    found: list[tuple[PluginSource, traceback.FrameSummary]] = []
    beyond = ""
    for match in _FRAME.finditer(stacks[-1] if stacks else ""):
        number, name = int(match["line"]), match["name"]
        owner = files.get(match["file"])
        if owner is not None:
            summary = _summary(owner[1], number, name)
            found.append((owner[0], summary))
        elif not found and not beyond and not _is_ours(match["file"]):
            beyond = f"\nand from there in {match['file']}, line {number}, in {name}"
    return found[::-1], beyond if found else ""


def _is_ours(file: str) -> bool:
    return file.startswith((_as_dumped(Path(__file__).parent), "<frozen"))


def _summary(file: SourceFile, number: int, name: str) -> traceback.FrameSummary:
    lines = file.content.decode("utf-8", "replace").splitlines()
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    return traceback.FrameSummary(str(file.path), number, name, lookup_line=False, line=line)


def _as_dumped(path: Path) -> str:
    """A path as faulthandler writes it."""
    return str(path).encode("ascii", "backslashreplace").decode()[:500]


def _joined(text: str | None, output: str) -> str | None:
    if not output.strip():
        return text
    printed = f"It printed last:\n{output.rstrip()}"
    return printed if text is None else f"{text}\n\n{printed}"


def _with(diagnostic: Diagnostic, *, traceback: str | None) -> Diagnostic:
    return Diagnostic.from_json({**diagnostic.to_json(), "traceback": traceback})
