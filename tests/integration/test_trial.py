"""The trial with real processes: what a plugin's import can do, and what stays of it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.source import PluginSource, SourceFile
from devserver.reload import trial_forkserver
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


@pytest.fixture(scope="module")
def warm_trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServerTrial]:
    trial = new_trial(tmp_path_factory.mktemp("warm"))
    trial.warm()
    yield trial
    trial.close()


@pytest.fixture(params=["fork server", "spawned worker"])
def trial(
    request: pytest.FixtureRequest, warm_trial: ForkServerTrial, monkeypatch: pytest.MonkeyPatch
) -> ForkServerTrial:
    """Each of the two ways to run a trial."""
    if request.param == "spawned worker":
        monkeypatch.setattr(trial_forkserver, "CAN_FORK", False)
    return warm_trial


@pytest.fixture
def own_trial(tmp_path: Path) -> Iterator[ForkServerTrial]:
    """A trial that the test may do anything to."""
    trial = new_trial(tmp_path)
    yield trial
    trial.close()


# -- what passes ----------------------------------------------------------------------------------


def test_a_good_plugin_gives_no_findings(trial: ForkServerTrial, tmp_path: Path) -> None:
    assert trial.examine([source_of(tmp_path, "good")], [], timeout=10) == ()


def test_nothing_to_examine_starts_no_process(own_trial: ForkServerTrial) -> None:
    assert own_trial.examine([], [], timeout=10) == ()
    assert own_trial.server_pid is None


def test_a_plugin_imports_entries_before_it_and_the_context(
    trial: ForkServerTrial, tmp_path: Path
) -> None:
    first = source_of(tmp_path, "first", GOOD + "VALUE = 1\n")
    live = source_of(tmp_path, "live-one", "VALUE = 2\n", api="from .plugin import VALUE\n")
    last = source_of(
        tmp_path,
        "last",
        GOOD
        + """
import importlib
from plugins.first.plugin import VALUE as one
from plugins.live_one.api import VALUE as two
assert (one, two) == (1, 2)
assert importlib.import_module("plugins.first.plugin").VALUE == 1
""",
    )
    assert trial.examine([first, last], [live], timeout=10) == ()


def test_relative_imports_and_routes_are_executed(trial: ForkServerTrial, tmp_path: Path) -> None:
    plugin = GOOD + "from .models import LIMIT\nfrom . import models\nassert models.LIMIT == 3\n"
    good = source_of(tmp_path, "shop", plugin, models="LIMIT = 3\n", routes="from .models import *")
    assert trial.examine([good], [], timeout=10) == ()
    bad = source_of(tmp_path, "shop", plugin, models="LIMIT = 3\n", routes="from .models import no")
    found = only(trial.examine([bad], [], timeout=10))
    assert (found.code, found.file, found.line) == ("RUN001", "plugins/shop/routes.py", 1)


def test_the_given_source_counts_not_what_is_on_disk(
    trial: ForkServerTrial, tmp_path: Path
) -> None:
    path = tmp_path / "plugins" / "good" / "plugin.py"
    path.parent.mkdir(parents=True)
    path.write_text("raise ValueError('the file on disk was executed')")
    assert trial.examine([source_of(tmp_path, "good")], [], timeout=10) == ()


def test_context_is_executed_only_when_it_is_imported(
    trial: ForkServerTrial, tmp_path: Path
) -> None:
    broken = source_of(tmp_path, "broken", "raise ValueError('executed')")
    assert trial.examine([source_of(tmp_path, "good")], [broken], timeout=10) == ()
    user = source_of(tmp_path, "user", "import plugins.broken.plugin\n" + GOOD)
    found = only(trial.examine([user], [broken], timeout=10))
    assert (found.plugin, found.file) == ("user", "plugins/broken/plugin.py")


def test_plugins_are_not_constructed(trial: ForkServerTrial, tmp_path: Path) -> None:
    body = GOOD + "    def __init__(self): raise ValueError('constructed')\n"
    body += "def get_plugin(): raise ValueError('called')\n"
    assert trial.examine([source_of(tmp_path, "shy", body)], [], timeout=10) == ()


def test_a_thread_that_never_ends_does_not_matter(trial: ForkServerTrial, tmp_path: Path) -> None:
    body = "import threading\nthreading.Thread(target=threading.Event().wait).start()\n" + GOOD
    assert trial.examine([source_of(tmp_path, "threads", body)], [], timeout=10) == ()


def test_a_breakpoint_in_a_module_stops_nobody(trial: ForkServerTrial, tmp_path: Path) -> None:
    assert trial.examine([source_of(tmp_path, "bp", "breakpoint()\n" + GOOD)], [], timeout=10) == ()


def test_each_plugin_has_the_time_for_itself(trial: ForkServerTrial, tmp_path: Path) -> None:
    slow = "import time\ntime.sleep(0.4)\n" + GOOD
    entries = [source_of(tmp_path, name, slow) for name in ("one", "two", "three")]
    assert trial.examine(entries, [], timeout=0.9) == ()


def test_plugin_code_sees_the_live_process_environment(
    trial: ForkServerTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "lib"
    library.mkdir()
    (library / "trial_library.py").write_text("X = 1")
    monkeypatch.setenv("TRIAL_SECRET", "ä value")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.chdir(library)
    monkeypatch.syspath_prepend(str(library))
    body = f"""
import os, sys, trial_library
assert os.environ["TRIAL_SECRET"] == "ä value"
assert "HOME" not in os.environ and "OPENBLAS_NUM_THREADS" not in os.environ
assert os.getcwd() == {str(library)!r}
assert sys.argv == {sys.argv!r}
"""
    assert trial.examine([source_of(tmp_path, "env", body + GOOD)], [], timeout=10) == ()


# -- what is refused ------------------------------------------------------------------------------


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


# -- what stays -----------------------------------------------------------------------------------

SLEEPER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]{options})
open({path!r}, "w").write(str(child.pid))
"""


def test_processes_that_plugin_code_started_are_ended(
    trial: ForkServerTrial, tmp_path: Path
) -> None:
    path = tmp_path / "pid"
    body = SLEEPER.format(options="", path=str(path)) + GOOD
    assert trial.examine([source_of(tmp_path, "starter", body)], [], timeout=10) == ()
    pid = int(path.read_text())
    wait_for(lambda: is_gone(pid), "the end of what the plugin started")


def test_also_those_that_left_its_process_group(
    warm_trial: ForkServerTrial, tmp_path: Path
) -> None:
    path = tmp_path / "pid"
    body = SLEEPER.format(options=", start_new_session=True", path=str(path)) + GOOD
    assert warm_trial.examine([source_of(tmp_path, "starter", body)], [], timeout=10) == ()
    assert is_gone(int(path.read_text()))


def test_fifty_trials_leave_neither_processes_nor_descriptors(
    warm_trial: ForkServerTrial, tmp_path: Path
) -> None:
    def try_out(number: int) -> None:
        body = GOOD if number % 5 else "import os\nos._exit(1)"
        found = warm_trial.examine(
            [source_of(tmp_path, "many", f"{body}\nN = {number}")], [], timeout=10
        )
        assert len(found) == (number % 5 == 0)

    def state() -> tuple[int, int, int]:
        wait_for(lambda: len(children_of(server)) == 1, "the one child that waits")
        mine, its = (len(os.listdir(f"/proc/{pid}/fd")) for pid in (os.getpid(), server))
        return mine, its, len(children_of(os.getpid()))

    try_out(1)
    server = warm_trial.server_pid
    assert server is not None
    before = state()
    for number in range(50):
        try_out(number)
    assert state() == before
    assert warm_trial.server_pid == server


def test_the_server_has_one_thread_and_no_plugin(
    warm_trial: ForkServerTrial, tmp_path: Path
) -> None:
    body = f"""
import os, sys
parent = os.getppid()
assert len(os.listdir(f"/proc/{{parent}}/task")) == 1
assert parent != {os.getpid()}
assert [n for n in sys.modules if n.startswith("plugins.")] == ["plugins.look", __name__]
assert "flask" in sys.modules and "pydantic" in sys.modules
"""
    for _ in range(2):
        source = source_of(tmp_path, "look", body + GOOD)
        assert warm_trial.examine([source], [], timeout=10) == ()


# -- the server's own life ------------------------------------------------------------------------


def test_a_killed_server_is_replaced(own_trial: ForkServerTrial, tmp_path: Path) -> None:
    good = source_of(tmp_path, "good")
    assert own_trial.examine([good], [], timeout=10) == ()
    first = own_trial.server_pid
    assert first is not None
    waiting = wait_for(lambda: children_of(first), "the child that waits")
    os.kill(first, signal.SIGKILL)
    assert own_trial.examine([good], [], timeout=10) == ()
    assert own_trial.server_pid not in (None, first)
    wait_for(lambda: all(is_gone(pid) for pid in (first, *waiting)), "the end of the first")


def test_a_server_killed_during_a_trial_is_replaced_and_the_trial_run_again(
    own_trial: ForkServerTrial, tmp_path: Path
) -> None:
    path = tmp_path / "runs"
    body = f"""
import os, signal
with open({str(path)!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")
if len(open({str(path)!r}).readlines()) == 1:
    signal.pause()
"""
    found: list[Any] = []
    source = source_of(tmp_path, "twice", body + GOOD)
    runner = threading.Thread(
        target=lambda: found.append(own_trial.examine([source], [], timeout=20))
    )
    runner.start()
    wait_for(lambda: numbers_in(path), "the first run")
    assert own_trial.server_pid is not None
    os.kill(own_trial.server_pid, signal.SIGKILL)
    runner.join(20)
    assert found == [()]
    first, second = numbers_in(path)
    wait_for(lambda: is_gone(first) and is_gone(second), "the end of both children")


def test_a_waiting_child_that_is_killed_is_not_the_plugins_fault(
    own_trial: ForkServerTrial, tmp_path: Path
) -> None:
    good = source_of(tmp_path, "good")
    assert own_trial.examine([good], [], timeout=10) == ()
    server = own_trial.server_pid
    assert server is not None
    for _ in range(20):
        (waiting,) = wait_for(lambda: children_of(server), "the child that waits")
        os.kill(waiting, signal.SIGKILL)
        assert own_trial.examine([good], [], timeout=10) == ()
    assert own_trial.server_pid == server


def test_a_server_that_does_not_answer_is_replaced(
    own_trial: ForkServerTrial, tmp_path: Path
) -> None:
    good = source_of(tmp_path, "good")
    assert own_trial.examine([good], [], timeout=10) == ()
    first = own_trial.server_pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    assert own_trial.examine([good], [], timeout=0.5) == ()
    assert is_gone(first)


def test_when_the_server_is_stuck_with_plugin_code_that_is_a_hang(
    own_trial: ForkServerTrial, tmp_path: Path
) -> None:
    path = tmp_path / "pid"
    body = f"import os, signal\nopen({str(path)!r}, 'w').write(str(os.getpid()))\nsignal.pause()"
    found: list[tuple[Diagnostic, ...]] = []
    source = source_of(tmp_path, "stuck", body)
    runner = threading.Thread(
        target=lambda: found.append(own_trial.examine([source], [], timeout=1))
    )
    runner.start()
    (pid,) = wait_for(lambda: numbers_in(path), "the run")
    assert own_trial.server_pid is not None
    os.kill(own_trial.server_pid, signal.SIGSTOP)
    runner.join(10)
    assert only(found[0]).code == "RUN013"
    wait_for(lambda: is_gone(pid), "the end of the trial's process")
    assert own_trial.examine([source_of(tmp_path, "good")], [], timeout=10) == ()


def test_a_server_without_descriptors_left_is_helped_by_a_spawned_worker(
    own_trial: ForkServerTrial, tmp_path: Path
) -> None:
    good = source_of(tmp_path, "good")
    assert own_trial.examine([good], [], timeout=10) == ()
    server = own_trial.server_pid
    assert server is not None
    (waiting,) = wait_for(lambda: children_of(server), "the child that waits")
    resource.prlimit(server, resource.RLIMIT_NOFILE, (4, 4))
    os.kill(waiting, signal.SIGKILL)
    wait_for(lambda: is_gone(waiting), "its end")
    path = tmp_path / "parent"
    body = f"import os\nopen({str(path)!r}, 'w').write(str(os.getppid()))\n"
    assert own_trial.examine([source_of(tmp_path, "one", body + GOOD)], [], timeout=10) == ()
    assert numbers_in(path) == [os.getpid()]
    assert own_trial.server_pid == server


def test_when_no_process_can_be_started_a_warning_lets_the_change_go_on(
    own_trial: ForkServerTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    found = only(own_trial.examine([source_of(tmp_path, "good")], [], timeout=10))
    assert (found.code, found.severity) == ("RUN019", Severity.WARNING)
    assert found.message.startswith("the trial could not be run: ")


def test_a_server_that_never_starts_gives_way_to_spawned_workers(
    own_trial: ForkServerTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devserver.reload.trial_handle._SERVER", "devserver.no_such_module")
    assert own_trial.examine([source_of(tmp_path, "good")], [], timeout=10) == ()
    found = only(own_trial.examine([source_of(tmp_path, "bad", "1/0")], [], timeout=10))
    assert found.code == "RUN001"


def test_close_leaves_no_process(tmp_path: Path) -> None:
    trial = new_trial(tmp_path)
    assert trial.examine([source_of(tmp_path, "good")], [], timeout=10) == ()
    server = trial.server_pid
    assert server is not None
    waiting = wait_for(lambda: children_of(server), "the child that waits")
    trial.close()
    assert is_gone(server)
    assert all(is_gone(pid) for pid in waiting)
    assert trial.server_pid is None


@pytest.mark.usefixtures("trial")
def test_close_ends_a_trial_that_runs(tmp_path: Path) -> None:
    closing = new_trial(tmp_path)
    path = tmp_path / "pid"
    body = f"import os, signal\nopen({str(path)!r}, 'w').write(str(os.getpid()))\nsignal.pause()"
    found: list[Any] = []
    source = source_of(tmp_path, "stuck", body)
    runner = threading.Thread(
        target=lambda: found.append(closing.examine([source], [], timeout=60))
    )
    runner.start()
    (pid,) = wait_for(lambda: numbers_in(path), "the run")
    closing.close()
    runner.join(10)
    assert found == [()]
    wait_for(lambda: is_gone(pid), "the end of the trial's process")


def test_the_server_outlives_the_thread_that_started_it(
    own_trial: ForkServerTrial, tmp_path: Path
) -> None:
    starter = threading.Thread(target=own_trial.warm)
    starter.start()
    starter.join()
    server = own_trial.server_pid
    assert server is not None
    for _ in range(2):
        assert own_trial.examine([source_of(tmp_path, "good")], [], timeout=10) == ()
    assert own_trial.server_pid == server


LIVE = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {path!r}
from devserver.reload.trial_forkserver import ForkServerTrial
from tests.integration.test_trial import children_of, source_of, wait_for

trial = ForkServerTrial(cache=None, memory_mb=lambda: "auto")
assert trial.examine([source_of(Path("/nowhere"), "good")], [], timeout=10) == ()
(waiting,) = wait_for(lambda: children_of(trial.server_pid), "the child that waits")
holder = os.fork()
if not holder:
    os.close(1)
    signal.pause()
print(trial.server_pid, waiting, holder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_live_process_takes_its_server_along(tmp_path: Path) -> None:
    """Also when a process that it forked has the server's socket still open."""
    script = tmp_path / "live.py"
    script.write_text(LIVE.format(path=[str(Path(__file__).parents[2])]))
    live = subprocess.run(
        [sys.executable, str(script)], stdout=subprocess.PIPE, timeout=60, check=False
    )
    assert live.returncode == -signal.SIGKILL
    server, waiting, holder = (int(n) for n in live.stdout.split())
    try:
        wait_for(lambda: is_gone(server) and is_gone(waiting), "the end of the server")
        assert not is_gone(holder)
    finally:
        os.kill(holder, signal.SIGKILL)


# -- modules of the environment -------------------------------------------------------------------


class Environment:
    """A folder of installed modules; each one notes the processes that import it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.noted = folder / "noted"
        folder.mkdir()

    def install(self, name: str, body: str = "") -> None:
        note = f"import os\nwith open({str(self.noted)!r}, 'a') as file:\n"
        note += "    file.write(f'{os.getpid()}\\n')\n"
        (self.folder / f"{name}.py").write_text(note + textwrap.dedent(body))

    @property
    def importers(self) -> list[int]:
        return numbers_in(self.noted)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    environment = Environment(tmp_path / "site")
    monkeypatch.syspath_prepend(str(environment.folder))
    return environment


@pytest.fixture
def trial_there(tmp_path: Path, environment: Environment) -> Iterator[ForkServerTrial]:
    trial = new_trial(tmp_path, environment=[str(environment.folder)])
    yield trial
    trial.close()


def test_a_module_that_passed_is_imported_once_more_and_then_there(
    trial_there: ForkServerTrial, environment: Environment, tmp_path: Path
) -> None:
    environment.install("trial_lib")
    user = source_of(tmp_path, "user", "import trial_lib\n" + GOOD)
    assert trial_there.examine([user], [], timeout=10) == ()
    wait_for(lambda: len(environment.importers) == 2, "the import by the server")
    assert environment.importers[1] == trial_there.server_pid
    assert trial_there.examine([user], [], timeout=10) == ()
    assert len(environment.importers) == 2


def test_what_a_refused_plugin_imported_is_not_kept(
    trial_there: ForkServerTrial, environment: Environment, tmp_path: Path
) -> None:
    environment.install("trial_lib")
    user = source_of(tmp_path, "user", "import trial_lib\nfrom trial_lib import VALUE\n" + GOOD)
    assert only(trial_there.examine([user], [], timeout=10)).line == 2
    assert trial_there.examine([source_of(tmp_path, "good")], [], timeout=10) == ()
    environment.install("trial_lib", "VALUE = 'a name that the first version lacked'")
    assert trial_there.examine([user], [], timeout=10) == ()


def test_modules_outside_of_the_environment_are_never_kept(
    own_trial: ForkServerTrial, environment: Environment, tmp_path: Path
) -> None:
    environment.install("trial_lib")
    user = source_of(tmp_path, "user", "import trial_lib\n" + GOOD)
    for _ in range(3):
        assert own_trial.examine([user], [], timeout=10) == ()
    assert len(environment.importers) == 3
    assert own_trial.server_pid not in environment.importers


def test_a_module_that_starts_threads_is_left_to_the_children(
    trial_there: ForkServerTrial, environment: Environment, tmp_path: Path
) -> None:
    environment.install("trial_plain")
    environment.install(
        "trial_threads",
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
    )
    user = source_of(tmp_path, "user", "import trial_plain, trial_threads\n" + GOOD)
    assert trial_there.examine([user], [], timeout=10) == ()
    server = trial_there.server_pid
    # The child both; the server both, then it began anew and imported the plain one again.
    wait_for(lambda: environment.importers[2:] == [server] * 3, "the server's second life")
    for number in (1, 2):
        assert trial_there.examine([user], [], timeout=10) == ()
        assert len(environment.importers) == 5 + number
    assert trial_there.server_pid == server
    assert len(os.listdir(f"/proc/{server}/task")) == 1


def test_a_module_that_ends_the_server_is_not_imported_by_its_successor(
    trial_there: ForkServerTrial, environment: Environment, tmp_path: Path
) -> None:
    environment.install(
        "trial_fatal", "import sys\nif 'plugins' not in sys.modules:\n    os._exit(1)"
    )
    user = source_of(tmp_path, "user", "import trial_fatal\n" + GOOD)
    assert trial_there.examine([user], [], timeout=10) == ()
    first = trial_there.server_pid
    assert first is not None
    wait_for(lambda: is_gone(first), "the end of the first server")
    for _ in range(2):
        assert trial_there.examine([user], [], timeout=10) == ()
    second = trial_there.server_pid
    assert second not in (None, first)
    assert second not in environment.importers
