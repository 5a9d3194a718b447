"""What is told of a trial's end."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.source import PluginSource, SourceFile
from devserver.reload.trial_end import End, Ended
from devserver.reload.trial_task import Conditions
from devserver.reload.trial_verdict import diagnostics_of

BASE = Path("/project")
CONDITIONS = Conditions(
    timeout=30, memory_mb=64, path=(), environ={}, folder="/", argv=(), environment=()
)


def source_of(name: str, text: str, relative: str = "plugin.py") -> PluginSource:
    root = BASE / "plugins" / name
    file = SourceFile.of(root / relative, relative, text.encode())
    return PluginSource.of(name=name, root=root, base=BASE, files=[file], single_file=False)


ENTRIES = [source_of("first", "import first\n"), source_of("bad", "one\ntwo\n    three\n")]
CONTEXT = [source_of("other", "alpha\nbeta\n", "api.py")]

STACK = """Fatal Python error: Segmentation fault

Current thread 0x00007f (most recent call first):
  File "/usr/lib/python3.11/ctypes/__init__.py", line 519 in string_at
  File "/project/plugins/other/api.py", line 2 in crash
  File "/project/plugins/bad/plugin.py", line 3 in <module>
  File "{ours}/trial_child.py", line 99 in load
  File "<string>", line 1 in <module>

Extension modules: markupsafe._speedups (total: 1)
"""


def told(ended: Ended) -> Diagnostic:
    (found,) = diagnostics_of(ended, ENTRIES, CONTEXT, CONDITIONS)
    return found


def test_nothing_is_told_of_a_trial_that_passed() -> None:
    assert diagnostics_of(Ended(end=End.PASSED), ENTRIES, CONTEXT, CONDITIONS) == ()


def test_a_crash_is_told_at_the_innermost_line_of_plugin_code() -> None:
    found = told(Ended(end=End.SIGNALLED, status=signal.SIGSEGV, entry=1, stack=STACK))
    assert (found.code, found.plugin, found.location) == (
        "RUN012",
        "bad",
        "plugins/other/api.py:2",
    )
    assert found.source_lines == ("beta",)
    assert found.traceback == (
        "Traceback (plugin code only):\n"
        '  File "/project/plugins/bad/plugin.py", line 3, in <module>\n'
        "    three\n"
        '  File "/project/plugins/other/api.py", line 2, in crash\n'
        "    beta\n"
        "and from there in /usr/lib/python3.11/ctypes/__init__.py, line 519, in string_at"
    )


def test_of_several_stacks_the_last_counts() -> None:
    earlier = '\n@os.kill\nStack (most recent call first):\n  File "/project/plugins/bad/plugin.py"'
    earlier += ", line 1 in <module>\n"
    found = told(Ended(end=End.SIGNALLED, status=11, entry=1, stack=earlier + STACK))
    assert found.line == 2


def test_a_stack_in_c_code_has_no_frames_of_ours() -> None:
    stack = STACK + "\nCurrent thread's C stack trace (most recent call first):\n"
    stack += '  Binary file "/usr/lib/libc.so", at abort+0x1 [0x7f]\n'
    assert told(Ended(end=End.SIGNALLED, status=11, entry=1, stack=stack)).line == 2


def test_without_a_stack_there_is_no_place_but_the_plugin() -> None:
    found = told(Ended(end=End.TIMED_OUT, entry=1))
    assert (found.code, found.plugin, found.file, found.traceback) == ("RUN013", "bad", None, None)
    assert found.message == "'import' of 'bad' did not finish within 30 s"


@pytest.mark.parametrize(
    ("ended", "code", "words"),
    [
        (Ended(end=End.EXITED, status=0), "RUN011", "ended its process with exit code 0"),
        (Ended(end=End.EXITED, status=3, stack="\n@os._exit\n"), "RUN011", "called os._exit(3)"),
        (Ended(end=End.EXITED, status=97), "RUN011", "closed file descriptors that are not its"),
        (Ended(end=End.EXITED, status=97, stack="\n@os._exit\n"), "RUN011", "os._exit(97)"),
        (Ended(end=End.EXITED, status=0, stack="\n@os.exec\n"), "RUN011", "another program"),
        (Ended(end=End.SIGNALLED, status=signal.SIGKILL), "RUN012", "was killed (SIGKILL)"),
        (Ended(end=End.SIGNALLED, status=signal.SIGXCPU), "RUN013", "more processor time"),
        (Ended(end=End.SIGNALLED, status=signal.SIGBUS), "RUN012", "crashed the interpreter: SIGB"),
        (Ended(end=End.SIGNALLED, status=250), "RUN012", "signal 250"),
        (
            Ended(end=End.SIGNALLED, status=signal.SIGTERM, stack="\n@os.killpg\n"),
            "RUN012",
            "ended its process with os.killpg (SIGTERM)",
        ),
    ],
)
def test_each_way_to_end_has_its_own_words(ended: Ended, code: str, words: str) -> None:
    found = told(ended)
    assert found.code == code
    assert words in found.message
    assert found.severity is Severity.ERROR
    assert found.hint


@pytest.mark.parametrize("end", [End.FAULT, End.STOPPED])
def test_a_fault_of_ours_refuses_nothing(end: End) -> None:
    found = told(Ended(end=end, fault="it rained"))
    assert (found.code, found.severity, found.is_error) == ("RUN019", Severity.WARNING, False)


def test_what_was_printed_stands_behind_the_plugins_own_traceback() -> None:
    failure = Diagnostic(
        code="RUN001", severity=Severity.ERROR, message="boom", traceback="Traceback ..."
    )
    ended = Ended(end=End.FAILED, failure=failure.to_json(), output="hello\n")
    assert told(ended).traceback == "Traceback ...\n\nIt printed last:\nhello"
    assert told(Ended(end=End.FAILED, failure=failure.to_json())) == failure
