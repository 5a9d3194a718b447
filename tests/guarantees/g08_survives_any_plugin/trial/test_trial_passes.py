"""What a trial lets pass, and what plugin code sees in it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from devserver.reload.trial_forkserver import ForkServerTrial
from tests.guarantees.g08_survives_any_plugin.trial.lab import (
    GOOD,
    only,
    source_of,
)


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
assert importlib.import_module("..live_one.api", __package__).VALUE == 2
assert importlib.import_module("json").__name__ == "json"
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
