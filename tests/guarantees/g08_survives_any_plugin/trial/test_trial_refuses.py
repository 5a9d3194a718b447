"""What a plugin's import can do, and how it is told."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from devserver.core.diagnostics import Severity
from devserver.reload.trial_forkserver import ForkServerTrial
from tests.guarantees.g08_survives_any_plugin.trial.lab import (
    FACTORY,
    GOOD,
    new_trial,
    only,
    source_of,
)


@pytest.mark.parametrize(
    ("body", "code", "message", "line"),
    [
        (
            "x = 1\nraise ValueError('boom')",
            "RUN001",
            "'import' of 'bad' raised ValueError: boom",
            2,
        ),
        ("x = 1", "RUN001", "'import' of 'bad' raised NoEntry: plugins.bad.plugin defines", None),
        ("def f(:", "RUN001", "'import' of 'bad' raised SyntaxError: invalid syntax", 1),
        ("import sys\nsys.exit('enough')", "RUN010", "'import' of 'bad' called sys.exit('en", 2),
        ("raise SystemExit", "RUN010", "'import' of 'bad' called sys.exit()", 1),
        ("import os\n\nos._exit(3)", "RUN011", "'import' of 'bad' called os._exit(3)", 3),
        ("from os import _exit\n_exit(0)", "RUN011", "'import' of 'bad' called os._exit(0)", 2),
        (
            "import ctypes\nctypes.CDLL(None)._exit(7)",
            "RUN011",
            "'import' of 'bad' ended its process with exit code 7",
            None,
        ),
        (
            "import os\nos.execv('/bin/true', ['true'])",
            "RUN011",
            "'import' of 'bad' replaced its process by another program",
            2,
        ),
        (
            "import os\nos.closerange(3, 200)" + FACTORY,
            "RUN011",
            "'import' of 'bad' closed file descriptors that are not its own",
            None,
        ),
        (
            "import ctypes\ndef crash():\n    ctypes.string_at(0)\ncrash()",
            "RUN012",
            "'import' of 'bad' crashed the interpreter: SIGSEGV (Segmentation fault)",
            3,
        ),
        ("import os\nos.abort()", "RUN012", "'import' of 'bad' crashed the interpreter: SIGAB", 2),
        (
            "import os\nos.kill(os.getpid(), 9)",
            "RUN012",
            "'import' of 'bad' ended its process with os.kill (SIGKILL)",
            2,
        ),
        (
            "import ctypes\nctypes.CDLL(None)['raise'](9)",
            "RUN012",
            "'import' of 'bad' was killed (SIGKILL)",
            None,
        ),
        (
            "def f(n):\n    return f(n + 1)\nf(0)",
            "RUN015",
            "'import' of 'bad' raised RecursionError: maximum recursion depth exceeded",
            2,
        ),
    ],
)
def test_an_import_that_fails_is_told_with_its_place(
    trial: ForkServerTrial, tmp_path: Path, body: str, code: str, message: str, line: int | None
) -> None:
    found = only(trial.examine([source_of(tmp_path, "bad", body)], [], timeout=10))
    assert found.severity is Severity.ERROR
    assert (found.code, found.plugin) == (code, "bad")
    assert found.message.startswith(message)
    assert found.line == line
    if line is not None:
        assert found.file == "plugins/bad/plugin.py"
        assert found.source_lines[0].strip() == body.splitlines()[line - 1].strip()
    assert trial.examine([source_of(tmp_path, "good")], [], timeout=10) == ()


@pytest.mark.parametrize(
    "body",
    [
        "def spin():\n    while True:\n        pass\nspin()",
        "import re\ndef spin():\n    re.match('(a+)+$', 'a' * 40 + 'b')\nspin()",
        "import threading\ndef spin():\n    threading.Event().wait()\nspin()",
        "import signal\ndef spin():\n    signal.pause()\nspin()",
    ],
    ids=["python loop", "loop in C", "lock", "pause"],
)
def test_a_hang_is_told_with_the_line_that_hangs(
    trial: ForkServerTrial, tmp_path: Path, body: str
) -> None:
    found = only(trial.examine([source_of(tmp_path, "stuck", body)], [], timeout=0.5))
    assert (found.code, found.file) == ("RUN013", "plugins/stuck/plugin.py")
    assert found.message == "'import' of 'stuck' did not finish within 0.5 s"
    assert found.line in (2, 3, 4)
    assert found.hint is not None
    assert "reload.timeout" in found.hint
    assert found.traceback is not None
    assert "in spin" in found.traceback
    assert "spin()" in found.traceback


def test_a_hang_is_told_within_a_second_of_its_time(
    warm_trial: ForkServerTrial, tmp_path: Path
) -> None:
    assert warm_trial.examine([source_of(tmp_path, "good")], [], timeout=10) == ()
    began = time.monotonic()
    found = only(
        warm_trial.examine([source_of(tmp_path, "stuck", "while True: pass")], [], timeout=0.5)
    )
    assert found.code == "RUN013"
    assert time.monotonic() - began < 1.5


def test_the_hang_of_a_later_plugin_is_told_of_that_plugin(
    trial: ForkServerTrial, tmp_path: Path
) -> None:
    entries = [source_of(tmp_path, "good"), source_of(tmp_path, "stuck", "while True: pass")]
    assert only(trial.examine(entries, [], timeout=0.5)).plugin == "stuck"


@pytest.mark.parametrize(
    "body",
    [
        "hoard = []\nwhile True:\n    hoard.append(bytearray(1 << 20))",
        "hoard = 'x'\nwhile True:\n    hoard += hoard",
        "import mmap\nhoard = mmap.mmap(-1, 1 << 26, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
        "x = bytearray(1 << 26)",
    ],
    ids=["list", "string", "mapping"],
)
def test_memory_beyond_the_limit_is_refused_with_the_key_to_raise_it(
    tmp_path: Path, body: str
) -> None:
    trial = new_trial(tmp_path, memory_mb=lambda: 64)
    try:
        found = only(trial.examine([source_of(tmp_path, "greedy", body)], [], timeout=10))
        assert trial.examine([source_of(tmp_path, "good")], [], timeout=10) == ()
    finally:
        trial.close()
    assert (found.code, found.file, found.line) == ("RUN014", "plugins/greedy/plugin.py", 3)
    assert found.message == "'import' of 'greedy' needed more than 64 MB of memory"
    assert found.hint is not None
    assert "safety.trial_memory_mb" in found.hint


def test_what_was_printed_last_is_told(trial: ForkServerTrial, tmp_path: Path) -> None:
    body = "print('connecting to the moon')\nraise ValueError('boom')"
    found = only(trial.examine([source_of(tmp_path, "chatty", body)], [], timeout=10))
    assert found.traceback is not None
    assert found.traceback.endswith("It printed last:\nconnecting to the moon")


def test_a_flood_of_output_neither_blocks_nor_is_kept(
    trial: ForkServerTrial, tmp_path: Path
) -> None:
    flood = "import sys\nfor n in range(50):\n    sys.stdout.write('x' * 999_999 + '\\n')\n"
    assert trial.examine([source_of(tmp_path, "loud", flood + GOOD)], [], timeout=30) == ()
    found = only(trial.examine([source_of(tmp_path, "loud", flood + "1/0")], [], timeout=30))
    assert (found.code, found.line) == ("RUN001", 4)
    assert found.traceback is not None
    assert len(found.traceback) < 5_000


def test_an_endless_flood_of_output_is_a_hang(trial: ForkServerTrial, tmp_path: Path) -> None:
    body = "while True:\n    print('x' * 1000)"
    found = only(trial.examine([source_of(tmp_path, "loud", body)], [], timeout=0.5))
    assert (found.code, found.line) == ("RUN013", 2)


def test_an_error_whose_text_cannot_be_made_is_still_told(
    trial: ForkServerTrial, tmp_path: Path
) -> None:
    body = "class E(Exception):\n    def __str__(self): raise ValueError\nraise E"
    found = only(trial.examine([source_of(tmp_path, "odd", body)], [], timeout=10))
    assert found.message == "'import' of 'odd' raised E: (its text cannot be made)"


def test_a_place_in_a_folder_with_a_foreign_name_is_found(
    trial: ForkServerTrial, tmp_path: Path
) -> None:
    base = tmp_path / "Projekt Ärger 日本 😀"
    found = only(trial.examine([source_of(base, "bad", "import os\nos.abort()")], [], timeout=10))
    assert found.location == "plugins/bad/plugin.py:2"


def test_plugin_code_cannot_signal_the_live_server(trial: ForkServerTrial, tmp_path: Path) -> None:
    pid = trial.server_pid
    for body in (
        f"import os, signal\nos.kill({os.getpid()}, signal.SIGTERM)",
        "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)",
        "import os, signal\nos.kill(-1, signal.SIGKILL)",
        f"import os, signal\nos.killpg({os.getpgid(0)}, signal.SIGTERM)",
    ):
        found = only(trial.examine([source_of(tmp_path, "rude", body)], [], timeout=10))
        assert "PermissionError" in found.message
        assert found.line == 2
    assert trial.server_pid == pid
