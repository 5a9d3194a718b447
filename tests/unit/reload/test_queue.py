"""The reload queue loses nothing and merges what waits."""

from __future__ import annotations

from pathlib import Path

from devserver.core.changes import ChangeBatch
from devserver.reload.queue import FilesChanged, ReloadPlugins, ReloadQueue


def files(*names: str, first_seen: float = 0.0) -> FilesChanged:
    paths = frozenset(map(Path, names))
    return FilesChanged(batch=ChangeBatch(paths=paths, first_seen=first_seen))


def test_waiting_batches_become_one_with_every_path() -> None:
    queue = ReloadQueue()
    answers = {queue.put(files("a", first_seen=5.0)), queue.put(files("b", first_seen=3.0))}
    taken = queue.take(0)
    assert taken is not None
    assert isinstance(taken.command, FilesChanged)
    assert taken.command.batch.paths == {Path("a"), Path("b")}
    assert taken.command.batch.first_seen == 3.0
    assert answers == {taken.answer}
    assert queue.take(0) is None


def test_a_command_between_batches_keeps_its_place() -> None:
    queue = ReloadQueue()
    queue.put(files("a"))
    queue.put(ReloadPlugins(keys=("users",)))
    queue.put(files("b"))
    kinds = [type(queued.command) for queued in iter(lambda: queue.take(0), None)]
    assert kinds == [FilesChanged, ReloadPlugins, FilesChanged]


def test_closing_cancels_what_waits_and_what_comes() -> None:
    queue = ReloadQueue()
    waiting = queue.put(files("a"))
    queue.close()
    assert waiting.cancelled()
    assert queue.put(files("b")).cancelled()
    assert queue.take(None) is None
