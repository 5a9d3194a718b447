"""Reading the settings of a project."""

from __future__ import annotations

from pathlib import Path

from devserver.core.diagnostics import Diagnostic
from devserver.core.settings import SETTINGS_FILE, Settings
from devserver.runtime.settings_file import read_settings


def _write(project: Path, content: bytes) -> None:
    file = project / SETTINGS_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _problem(project: Path) -> Diagnostic:
    settings, diagnostics = read_settings(project)
    assert settings is None
    (problem,) = diagnostics
    assert problem.is_error
    assert problem.hint
    assert problem.file == SETTINGS_FILE
    return problem


def test_project_without_the_file_has_the_defaults(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == (Settings(), ())


def test_file_is_read(tmp_path: Path) -> None:
    _write(tmp_path, "\ufeffhot_loading: {enabled: false}  # é\r\n".encode())
    settings, diagnostics = read_settings(tmp_path)
    assert diagnostics == ()
    assert settings == Settings(enabled=False)


def test_invalid_file_gives_no_settings_and_names_the_place(tmp_path: Path) -> None:
    _write(tmp_path, b"hot_loading:\n  enabled: maybe\n")
    problem = _problem(tmp_path)
    assert problem.location == "config/hot-loading.yaml:2:12"


def test_file_that_is_not_utf8_is_told_with_the_place_of_the_byte(tmp_path: Path) -> None:
    _write(tmp_path, b"hot_loading:\n  enabled: caf\xe9\n")
    problem = _problem(tmp_path)
    assert (problem.code, problem.line, problem.column) == ("CFG007", 2, 15)
    assert "0xe9" in problem.message
    assert "UTF-8" in (problem.hint or "")


def test_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / SETTINGS_FILE).mkdir(parents=True)
    problem = _problem(tmp_path)
    assert problem.code == "CFG007"
    assert "cannot be read" in problem.message
