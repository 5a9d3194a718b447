"""What a trial server imports before it forks."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from devserver.reload import trial_preload
from devserver.reload.trial_preload import Preloader, environment_folders


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder on the import path; each module that it gives is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(trial_preload, "thread_count", lambda: 1)
    for name in ("pre_one", "pre_two"):
        (tmp_path / f"{name}.py").write_text("")
    (tmp_path / "pre_bad.py").write_text("raise SystemExit")
    yield
    for name in ("pre_one", "pre_two"):
        sys.modules.pop(name, None)


def idle() -> bool:
    return False


@pytest.mark.usefixtures("library")
def test_what_is_wanted_is_imported_once() -> None:
    preloader = Preloader(refused=[])
    preloader.want(["pre_one", "pre_two", "pre_one"])
    assert preloader.packages == ["pre_one", "pre_two"]
    assert preloader.work(is_busy=idle)
    assert preloader.wanted == ["pre_one", "pre_two"]
    preloader.want(["pre_one"])
    assert preloader.packages == []


@pytest.mark.usefixtures("library")
def test_work_that_is_interrupted_is_taken_up_again() -> None:
    preloader = Preloader(refused=[])
    preloader.want(["pre_one", "pre_two"])
    requests = iter([False, True])
    assert preloader.work(is_busy=lambda: next(requests))
    assert preloader.wanted == ["pre_one"]
    assert preloader.work(is_busy=idle)
    assert preloader.wanted == ["pre_one", "pre_two"]


@pytest.mark.usefixtures("library")
def test_a_module_that_fails_is_refused_and_the_others_are_not() -> None:
    preloader = Preloader(refused=[])
    preloader.want(["pre_bad", "pre_missing", "pre_one"])
    assert preloader.work(is_busy=idle)
    assert preloader.wanted == ["pre_one"]
    assert preloader.refused == {"pre_bad", "pre_missing"}


@pytest.mark.usefixtures("library")
def test_a_refused_package_is_not_imported_nor_anything_below_it() -> None:
    preloader = Preloader(refused=["pre_one"])
    preloader.want(["pre_one", "pre_one.below"])
    assert preloader.packages == []


@pytest.mark.usefixtures("library")
def test_threads_end_the_work_and_their_package_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial_preload, "thread_count", lambda: 1 + ("pre_one" in sys.modules))
    preloader = Preloader(refused=[])
    preloader.want(["pre_one", "pre_two"])
    assert not preloader.work(is_busy=idle)
    assert preloader.refused == {"pre_one"}
    assert "pre_two" not in sys.modules


def test_the_environment_is_the_library_and_installed_packages_and_not_the_project() -> None:
    folders = environment_folders()
    assert sysconfig.get_path("stdlib") + "/" in folders
    assert sysconfig.get_path("purelib") + "/" in folders
    assert not str(Path(__file__)).startswith(folders)
