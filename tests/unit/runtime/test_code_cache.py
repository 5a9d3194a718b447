"""The code cache: never stale, never trusting what it finds."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from devserver.runtime.code_cache import CodeCache


def value_of(code: object) -> object:
    names: dict[str, object] = {}
    exec(code, names)  # type: ignore[arg-type]
    return names["X"]


def compiled(folder: Path | None, text: bytes = b"X = 1") -> object:
    """The value of X after a round through the cache, with all that is kept on disk."""
    cache = CodeCache(folder)
    value = value_of(cache.code(text, "a.py"))
    cache.flush()
    return value


def entries(folder: Path) -> list[Path]:
    return sorted((folder / "code").iterdir())


def test_same_size_edits_never_give_old_code(tmp_path: Path) -> None:
    cache = CodeCache(tmp_path)
    assert [value_of(cache.code(f"X = {n}".encode(), "a.py")) for n in (1, 2, 1, 3)] == [1, 2, 1, 3]


def test_a_second_cache_uses_what_the_first_wrote(tmp_path: Path, monkeypatch) -> None:
    compiled(tmp_path)
    monkeypatch.setattr("devserver.runtime.code_cache._compile", lambda *_: pytest.fail("compiled"))
    assert compiled(tmp_path) == 1


def test_the_path_is_part_of_the_key(tmp_path: Path) -> None:
    cache = CodeCache(tmp_path)
    assert cache.code(b"X = 1", "a.py").co_filename == "a.py"
    assert cache.code(b"X = 1", "b.py").co_filename == "b.py"


@pytest.mark.parametrize("damage", [b"", b"\x00" * 20, b"x" * 400])
def test_a_damaged_entry_is_rewritten(tmp_path: Path, damage: bytes) -> None:
    compiled(tmp_path)
    (entry,) = entries(tmp_path)
    whole = entry.read_bytes()
    entry.write_bytes(damage)
    assert compiled(tmp_path) == 1
    assert entry.read_bytes() == whole


def test_a_flipped_bit_in_the_payload_is_noticed(tmp_path: Path) -> None:
    compiled(tmp_path)
    (entry,) = entries(tmp_path)
    content = bytearray(entry.read_bytes())
    content[-3] ^= 1
    entry.write_bytes(content)
    assert compiled(tmp_path) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_another_user_owns_is_not_read(tmp_path: Path, monkeypatch) -> None:
    compiled(tmp_path)
    (entry,) = entries(tmp_path)
    os.chown(entry, 12345, 12345)
    monkeypatch.setattr("marshal.loads", lambda _: pytest.fail("read"))
    assert compiled(tmp_path) == 1


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    compiled(tmp_path)
    assert stat.S_IMODE((tmp_path / "code").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert compiled(tmp_path / "file") == 1


def test_without_a_folder_it_compiles() -> None:
    assert compiled(None) == 1
