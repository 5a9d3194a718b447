"""Development mode is written into the user's own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from devserver.core.errors import DevServerError, SettingsError
from devserver.core.settings import SETTINGS_FILE
from devserver.runtime.settings_change import write_development_mode
from devserver.runtime.settings_file import read_settings

OWN = Path(__file__).parents[3] / SETTINGS_FILE


def _write(project: Path, content: bytes) -> Path:
    file = project / SETTINGS_FILE
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    return file


def test_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    write_development_mode(tmp_path, False)
    assert (tmp_path / SETTINGS_FILE).read_text() == "hot_loading:\n  development_mode: false\n"


def test_there_and_back_gives_the_file_that_it_was(tmp_path: Path) -> None:
    before = OWN.read_bytes()
    file = _write(tmp_path, before)
    write_development_mode(tmp_path, False)
    assert read_settings(tmp_path)[0] != read_settings(OWN.parents[1])[0]
    changed = zip(before.splitlines(), file.read_bytes().splitlines(), strict=True)
    assert [old.split()[0] for old, new in changed if old != new] == [b"development_mode:"]
    write_development_mode(tmp_path, True)
    assert file.read_bytes() == before


def test_byte_order_mark_line_ends_mode_and_link_stay(tmp_path: Path) -> None:
    real = _write(tmp_path, "\ufeffhot_loading:\r\n  enabled: true\r\n".encode()).rename(
        tmp_path / "kept.yaml"
    )
    real.chmod(0o600)
    (tmp_path / SETTINGS_FILE).symlink_to(real)
    write_development_mode(tmp_path, False)
    assert (tmp_path / SETTINGS_FILE).is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    text = "\ufeffhot_loading:\r\n  development_mode: false\r\n  enabled: true\r\n"
    assert real.read_bytes() == text.encode()


def test_an_invalid_file_is_told_and_stays(tmp_path: Path) -> None:
    file = _write(tmp_path, b"hot_loading:\n  enabled: maybe\n")
    with pytest.raises(SettingsError) as raised:
        write_development_mode(tmp_path, False)
    assert raised.value.diagnostics[0].line == 2
    assert file.read_bytes() == b"hot_loading:\n  enabled: maybe\n"


def test_what_is_written_in_a_way_of_its_own_is_left_to_its_author(tmp_path: Path) -> None:
    file = _write(tmp_path, b"# nothing yet\n---\n...\n")
    with pytest.raises(DevServerError) as raised:
        write_development_mode(tmp_path, False)
    assert raised.value.hint == "write `development_mode: false` below `hot_loading:`"
    assert file.read_bytes() == b"# nothing yet\n---\n...\n"
