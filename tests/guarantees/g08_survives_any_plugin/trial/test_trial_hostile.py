"""Imports that work against the process that runs them."""

from __future__ import annotations

import os
import resource
import signal
import threading
from pathlib import Path

import pytest

from devserver.core.diagnostics import Diagnostic
from devserver.reload.trial_forkserver import ForkServerTrial
from tests.guarantees.g08_survives_any_plugin.trial.lab import (
    GOOD,
    is_gone,
    numbers_in,
    only,
    source_of,
    wait_for,
)

WRITE_EVERYWHERE = """
import os
for descriptor in range(3, 12):
    try:
        {body}
    except OSError:
        pass
"""


def hostile(trial: ForkServerTrial, base: Path, body: str, timeout: float = 10) -> Diagnostic:
    """What a trial says of `body`; the next one is as good as any."""
    found = only(trial.examine([source_of(base, "bad", f"{body}\n{GOOD}")], [], timeout=timeout))
    assert trial.examine([source_of(base, "good")], [], timeout=10) == ()
    return found


@pytest.mark.parametrize(
    ("body", "message", "line"),
    [
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", "stopped its process", 2),
        ("import ctypes\nctypes.CDLL(None)['raise'](19)", "stopped its process", 2),
        (
            "import signal\nfor n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):\n"
            "    signal.signal(n, signal.SIG_IGN)\nwhile True: pass",
            "did not finish within",
            4,
        ),
        (
            "import signal\nsignal.signal(signal.SIGRTMAX, lambda *a: None)\nwhile True: pass",
            "did not finish within",
            3,
        ),
        (
            "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile 1: pass",
            "did not finish within",
            None,  # nothing reaches it but its end
        ),
        ("import ctypes\nctypes.PyDLL(None).sleep(60)", "did not finish within", 2),
        (
            "class E(Exception):\n    def __getattribute__(self, name):\n        while True: pass\n"
            "raise E",
            "did not finish within",
            3,
        ),
    ],
    ids=["stops itself", "in C", "ignores TERM", "our signal", "blocks all", "keeps the GIL", "E"],
)
def test_what_cannot_be_asked_to_end_is_ended(
    warm_trial: ForkServerTrial, tmp_path: Path, body: str, message: str, line: int | None
) -> None:
    found = hostile(warm_trial, tmp_path, body, timeout=0.3)
    assert (found.code, found.line) == ("RUN013", line)
    assert message in found.message


@pytest.mark.parametrize(
    ("body", "code", "message", "line"),
    [
        ("x = input()", "RUN001", "EOFError", 1),
        ("import sys\nassert sys.stdin.read() == ''\n1/0", "RUN001", "ZeroDivisionError", 3),
        (
            "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.02)\nwhile True: pass",
            "RUN012",
            "was ended by SIGALRM",
            3,
        ),
        ("raise KeyboardInterrupt", "RUN001", "raised KeyboardInterrupt", 1),
        ("raise GeneratorExit", "RUN001", "raised GeneratorExit", 1),
        ("import sys\nsys.excepthook = sys.stdout = sys.stderr = None\n1/0", "RUN001", "Zero", 3),
        ("import atexit, time\natexit.register(time.sleep, 60)\n1/0", "RUN001", "Zero", 3),
        (
            "import threading, os, time\n"
            "threading.Thread(target=lambda: os._exit(4)).start()\ntime.sleep(20)",
            "RUN011",
            "called os._exit(4)",
            2,
        ),
        (
            "import sys\nsys.setrecursionlimit(10**8)\nx = None\n"
            "for _ in range(10**6): x = [x]\nrepr(x)",
            "RUN012",
            "SIGSEGV",
            5,
        ),
        ("import os\nx = [os.open('/dev/null', 0) for _ in range(9999)]", "RUN001", "Too many", 2),
        ("import os\nif not os.fork():\n    raise ValueError\nos.wait()", "RUN001", "Value", 3),
        (
            "import os\nif os.fork(): os.wait()",
            "RUN011",
            "forked, and the child process came back",
            None,
        ),
    ],
)
def test_what_an_import_does_to_its_process_is_told(
    warm_trial: ForkServerTrial,
    tmp_path: Path,
    body: str,
    code: str,
    message: str,
    line: int | None,
) -> None:
    found = hostile(warm_trial, tmp_path, body)
    assert (found.code, found.line) == (code, line)
    assert message in found.message


@pytest.mark.parametrize(
    "body",
    [
        'os.write(descriptor, b\'garbage\\n{"passed": [], "alone": true}\\n\' * 9)',
        'os.write(descriptor, b\'{"failure": {"code": 7}}\\n{"entry": 99999}\\n\')',
        "for _ in range(99): os.write(descriptor, b'x' * 60_000)",
    ],
    ids=["says that it passed", "says nonsense", "never ends a line"],
)
def test_what_is_written_to_our_descriptors_is_no_report(
    trial: ForkServerTrial, tmp_path: Path, body: str
) -> None:
    everywhere = WRITE_EVERYWHERE.format(body=body)
    found = hostile(trial, tmp_path, everywhere + "1/0")
    assert (found.code, found.line) == ("RUN001", everywhere.count("\n") + 1)
    assert trial.examine([source_of(tmp_path, "odd", everywhere + GOOD)], [], timeout=10) == ()


@pytest.mark.parametrize(
    "body",
    [
        "raise ValueError('x' * 50_000_000)",
        "class E(Exception):\n    def __str__(self): return 'x' * 50_000_000\nraise E",
    ],
)
def test_a_huge_message_is_cut(trial: ForkServerTrial, tmp_path: Path, body: str) -> None:
    found = hostile(trial, tmp_path, body)
    assert found.message.endswith("x... (50,000,000 characters)")
    assert len(found.message) < 1_200
    assert len(found.traceback or "") < 20_000


def test_a_fork_bomb_runs_out(warm_trial: ForkServerTrial, tmp_path: Path) -> None:
    """All of its processes are gone afterwards; those that had no part in it are not."""
    pids = tmp_path / "pids"
    body = f"""
import os
while True:
    os.fork()
    with open({str(pids)!r}, "a") as file:
        file.write(f"{{os.getpid()}}\\n")
"""
    found = hostile(warm_trial, tmp_path, body)
    assert (found.code, found.line) == ("RUN001", 4)
    assert "the trial lets 256 processes be forked at most" in found.message
    started = set(numbers_in(pids))
    assert 1 < len(started) <= 257
    wait_for(lambda: all(is_gone(pid) for pid in started), "the end of all")


def test_the_live_process_is_untouched(
    warm_trial: ForkServerTrial, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def state() -> dict[str, object]:
        mask = os.umask(0o22)
        os.umask(mask)
        return {
            "folder": os.getcwd(),
            "umask": mask,
            "environ": dict(os.environ),
            "limits": [resource.getrlimit(n) for n in range(8)],
            "signals": [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGALRM)],
            "blocked": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
            "priority": os.getpriority(os.PRIO_PROCESS, 0),
            "threads": threading.active_count(),
            "descriptors": sorted(os.listdir("/proc/self/fd")),
        }

    warm_trial.examine([source_of(tmp_path, "good")], [], timeout=10)
    before = state()
    body = """
import os, resource, signal, sys, threading
os.chdir("/")
os.umask(0)
os.environ.clear()
os.putenv("TRIAL", "x")
os.nice(5)
resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
threading.Thread(target=threading.Event().wait, daemon=True).start()
sys.path.clear()
print("printed by the import")
os.closerange(0, 3)
"""
    assert warm_trial.examine([source_of(tmp_path, "rude", body + GOOD)], [], timeout=10) == ()
    found = hostile(warm_trial, tmp_path, body + "1/0")
    assert found.line == 15
    assert state() == before
    assert capfd.readouterr() == ("", "")
