"""When what waits for a module is tried again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest

from devserver.core.settings import DevelopmentSettings, Settings
from devserver.reload import missing_modules
from devserver.reload.missing_modules import MissingModules
from devserver.reload.pending import Pending


class Waiting:
    """Stands for what was refused: `users` waits."""

    def __init__(self) -> None:
        self.keys = ["users"]
        self.tried: list[str] = []

    def find(self, key: str) -> None:
        return None

    def missing_modules(self) -> list[str]:
        return self.keys

    def try_anew(self, key: str) -> None:
        self.tried.append(key)


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    monkeypatch.setattr(missing_modules, "_LOOK", 0.0)
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    return Waiting()


def installed(folder: Path, second: int) -> None:
    """Something was written into the folder at that time."""
    os.utime(folder, (second, second))


def missing(waiting: Waiting, *, on: bool = True) -> MissingModules:
    settings = Settings(development=DevelopmentSettings(reload_on_import_error=on))
    return MissingModules(cast(Pending, waiting), lambda: settings, lambda _: None)


def test_what_waits_is_due_once_nothing_is_being_installed_any_more(
    waiting: Waiting, tmp_path: Path
) -> None:
    looking = missing(waiting)
    looking.remember()
    assert looking.next_time() is not None
    for _ in range(3):
        looking.look()
    assert waiting.tried == []
    for second in (1, 2):
        installed(tmp_path, second)
        looking.look()
    assert waiting.tried == []
    for _ in range(3):
        looking.look()
    assert waiting.tried == ["users"]


def test_nobody_looks_where_nothing_waits_or_the_setting_is_off(
    waiting: Waiting, tmp_path: Path
) -> None:
    off = missing(waiting, on=False)
    assert off.next_time() is None
    waiting.keys = []
    assert missing(waiting).next_time() is None
    waiting.keys = ["users"]
    for number in range(4):
        installed(tmp_path, number)
        off.look()
    assert waiting.tried == []
