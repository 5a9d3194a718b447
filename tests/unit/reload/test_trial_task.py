"""What travels to a trial process: all that it needs, and nothing that it has."""

from __future__ import annotations

import marshal
from pathlib import Path
from typing import Any

import pytest

from devserver.core.source import PluginSource, SourceFile
from devserver.reload.trial_task import Conditions, SourceSender, SourceShelf

BASE = Path("/project")
CONDITIONS = Conditions(
    timeout=1.5,
    memory_mb=64,
    path=("", "/lib"),
    environ={"A": "ä"},
    folder="/project",
    argv=("sysctl",),
    environment=("/lib/",),
)


def source_of(name: str, **files: str) -> PluginSource:
    root = BASE / "plugins" / name
    return PluginSource.of(
        name=name,
        root=root,
        base=BASE,
        files=[
            SourceFile.of(root / r, r, text.encode())
            for r, text in ((key.replace("__", "."), text) for key, text in files.items())
        ],
        single_file=False,
    )


def contents_of(message: dict[str, Any]) -> list[bytes]:
    packed = [*message["entries"], *message["context"]]
    files = [files for files in (p["files"] for p in packed) if files is not None]
    return [content for f in files for _, _, content, _ in f.values() if content is not None]


def test_a_task_comes_out_as_it_went_in() -> None:
    entry, context = source_of("one", plugin__py="A = 1"), source_of("two", api__py="B = 2")
    message = SourceSender().pack([entry], [context], CONDITIONS)
    task = SourceShelf().unpack(marshal.loads(marshal.dumps(message)))
    assert task.entries == (entry,)
    assert task.context == (context,)
    assert task.conditions == CONDITIONS


def test_only_changed_files_are_sent_again() -> None:
    sender, shelf = SourceSender(), SourceShelf()
    first = source_of("one", plugin__py="A = 1", models__py="M = 1", views__py="V = 1")
    shelf.unpack(sender.pack([first], [], CONDITIONS))
    second = source_of("one", plugin__py="A = 2", models__py="M = 1")
    message = sender.pack([second], [], CONDITIONS)
    assert contents_of(message) == [b"A = 2"]
    assert shelf.unpack(message).entries == (second,)
    message = sender.pack([], [second], CONDITIONS)
    assert contents_of(message) == []
    assert shelf.unpack(message).context == (second,)


def test_a_renamed_file_is_not_sent_again_in_vain() -> None:
    sender, shelf = SourceSender(), SourceShelf()
    shelf.unpack(sender.pack([source_of("one", plugin__py="A", old__py="X = 1")], [], CONDITIONS))
    renamed = source_of("one", plugin__py="A", new__py="X = 1")
    assert shelf.unpack(sender.pack([renamed], [], CONDITIONS)).entries == (renamed,)


def test_files_that_are_not_modules_stay_at_home() -> None:
    source = source_of("one", plugin__py="A", page__html="<html>")
    task = SourceShelf().unpack(SourceSender().pack([source], [], CONDITIONS))
    assert list(task.entries[0].files) == ["plugin.py"]


def test_an_entry_is_not_context_as_well() -> None:
    old, new = source_of("one", plugin__py="A = 1"), source_of("one", plugin__py="A = 2")
    task = SourceShelf().unpack(SourceSender().pack([new], [old], CONDITIONS))
    assert (task.entries, task.context) == ((new,), ())


@pytest.mark.parametrize("changed", ["A = 1", "A = 2"])
def test_a_receiver_that_has_lost_what_it_had_says_so(changed: str) -> None:
    sender = SourceSender()
    sender.pack([source_of("one", plugin__py="A = 1", models__py="M")], [], CONDITIONS)
    after = source_of("one", plugin__py=changed, models__py="M")
    with pytest.raises(KeyError):
        SourceShelf().unpack(sender.pack([after], [], CONDITIONS))
    sender.forget()
    assert SourceShelf().unpack(sender.pack([after], [], CONDITIONS)).entries == (after,)
