"""Modules of the environment: imported once more, then there for every trial."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from devserver.reload.trial_forkserver import ForkServerTrial
from tests.guarantees.g08_survives_any_plugin.trial.lab import (
    GOOD,
    is_gone,
    new_trial,
    numbers_in,
    only,
    source_of,
    wait_for,
)


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
