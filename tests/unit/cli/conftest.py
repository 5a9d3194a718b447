from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_fakes import FakeApi, api_server, write_server_file

from devserver.cli.main import main


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, and the current folder in it."""
    (tmp_path / "plugins").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["sysctl"])
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.fixture
def api(project: Path) -> Iterator[FakeApi]:
    """A server of the project that answers what a test says."""
    with api_server(FakeApi()) as running:
        write_server_file(project, port=running.port, url=f"http://127.0.0.1:{running.port}/")
        yield running


@pytest.fixture
def sysctl(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line; gives exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run
