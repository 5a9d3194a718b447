"""What an attempt makes way for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from devserver.core.changes import ChangeBatch
from devserver.core.source import PluginSource, SourceFile
from devserver.reload.overtaking import Overtaking, Stance
from devserver.reload.queue import FilesChanged, ReloadQueue, Rescan


@pytest.fixture
def file(tmp_path: Path) -> SourceFile:
    path = tmp_path / "a" / "plugin.py"
    path.parent.mkdir()
    path.write_bytes(b"old")
    return SourceFile.of(path, "plugin.py", b"old")


@pytest.fixture
def queue() -> ReloadQueue:
    return ReloadQueue()


@pytest.fixture
def overtaking(queue: ReloadQueue, file: SourceFile, monkeypatch: pytest.MonkeyPatch) -> Overtaking:
    monkeypatch.setattr("devserver.reload.overtaking._PATIENCE", 0.0)
    monkeypatch.setattr("devserver.reload.overtaking._PATIENCE_WITH_HOOKS", 0.0)
    found = Overtaking(queue)
    found.begin([source_of(file)])
    return found


def source_of(file: SourceFile) -> PluginSource:
    root = file.path.parent
    return PluginSource.of(name="a", root=root, base=root, files=[file], single_file=False)


def save(queue: ReloadQueue, *paths: Path, complete: bool = False) -> None:
    queue.put(
        FilesChanged(
            batch=ChangeBatch(
                paths=frozenset(paths), first_seen=time.monotonic(), complete=complete
            )
        )
    )


@pytest.mark.parametrize("complete", [False, True])
def test_newer_content_ends_everything_but_a_return_to_what_was(
    overtaking: Overtaking, queue: ReloadQueue, file: SourceFile, complete: bool
) -> None:
    assert not overtaking.ends_trial()
    file.path.write_bytes(b"new")
    save(queue, *([] if complete else [file.path]), complete=complete)
    overtaking.stance = Stance.DECIDED
    assert not overtaking.ends_trial()
    assert not overtaking.ends_hook()
    for stance in set(Stance) - {Stance.DECIDED}:
        overtaking.stance = stance
        assert overtaking.ends_trial()
        assert overtaking.ends_hook()
        assert overtaking.by_newer


def test_a_file_more_is_newer_content_and_a_file_of_another_kind_is_not(
    overtaking: Overtaking, queue: ReloadQueue, file: SourceFile
) -> None:
    data = file.path.with_name("data.bin")
    data.touch()
    save(queue, data)
    assert overtaking.ends_trial()
    assert not overtaking.by_newer
    more = file.path.with_name("more.py")
    more.touch()
    save(queue, more)
    assert overtaking.ends_hook()
    assert overtaking.by_newer


def test_the_same_content_ends_nothing(
    overtaking: Overtaking, queue: ReloadQueue, file: SourceFile
) -> None:
    overtaking.stance = Stance.RETRYING
    save(queue, file.path)
    assert not overtaking.ends_trial()
    assert not overtaking.ends_hook()


def test_other_things_end_what_yields_to_them(overtaking: Overtaking, queue: ReloadQueue) -> None:
    queue.put(Rescan())
    found = {}
    for stance in Stance:
        overtaking.stance = stance
        found[stance] = (overtaking.ends_trial(), overtaking.ends_hook())
    assert found == {
        Stance.YIELDING: (True, True),
        Stance.ASKED: (True, False),
        Stance.STANDING: (False, False),
        Stance.DECIDED: (False, False),
        Stance.RETRYING: (True, True),
    }


def test_a_trial_gets_its_time_whatever_is_saved(
    queue: ReloadQueue, file: SourceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devserver.reload.overtaking._PATIENCE", 3600)
    overtaking = Overtaking(queue)
    overtaking.begin([source_of(file)])
    file.path.write_bytes(b"new")
    save(queue, file.path)
    assert not overtaking.ends_trial()
