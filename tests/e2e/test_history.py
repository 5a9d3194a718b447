"""The history over restarts and kills, and earlier versions in service, with a real server."""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import Running, fetch, sysctl
from tests.integration.lab import plugin, wait_for
from tests.integration.store.conftest import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]  # fixtures
GONE = (OSError, HTTPException, ValueError)
"""What a client sees of a server that is killed."""
Start = Callable[[], tuple[Running, str]]


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Each test runs on both databases."""
    (tmp_path / "plugins" / "users").mkdir(parents=True)
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "main.yaml").write_text(f"database: {{url: '{url}'}}\n")
    save(tmp_path, 1)
    return tmp_path


@pytest.fixture
def start(project: Path) -> Iterator[Start]:
    """Starts a server of the project; gives it and its URL."""
    running: list[Running] = []

    def begin() -> tuple[Running, str]:
        running.append(Running(project))
        return running[-1], str(running[-1].wait_for("ready")["url"])

    yield begin
    for server in running:
        server.close()


def save(project: Path, version: int) -> None:
    """In one step, as careful editors do."""
    file = project / "plugins" / "users" / "plugin.py"
    beside = file.with_name(".plugin.py.new")
    beside.write_text(plugin("users", version))
    beside.replace(file)


def save_and_see(project: Path, url: str, version: int) -> None:
    """Until it serves and its outcome is told, which is a moment later."""
    before = last_outcome(url)
    save(project, version)
    wait_for(lambda: serves(url) == version, f"version {version}")
    wait_for(lambda: last_outcome(url) > before, f"the outcome of version {version}")


def last_outcome(url: str) -> int:
    last = fetch(url, "/api/hot-reload/status")["last_reload"]
    return 0 if last is None else int(last["id"])


def serves(url: str) -> Any:
    return fetch(url, "/users/version")["version"]


def ask(project: Path, *words: str, code: int = 0) -> Any:
    """What a command of `sysctl plugins` gives as JSON."""
    done = sysctl(project, "plugins", *words, "--json")
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def content_of(project: Path) -> dict[str, str]:
    """All that is in the project, but for what the server and Python leave there."""
    return {
        str(p.relative_to(project)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(project.rglob("*"))
        if p.is_file() and not {"instance", ".plugin_cache", "__pycache__"} & set(p.parts)
    }


def test_back_to_an_earlier_version_and_forth_again(project: Path, start: Start) -> None:
    server, url = start()
    for version in range(2, 6):
        save_and_see(project, url, version)
    for _ in range(3):
        fetch(url, "/users/hit")
    outcome = ask(project, "rollback", "users", "--to", "2")
    assert (outcome["success"], outcome["version"], outcome["on_disk"]) == (True, 2, None)
    assert outcome["reloaded"] == ["users"]
    assert serves(url) == 2
    assert fetch(url, "/users/hit") == {"hits": 4}
    assert fetch(url, "/api/hot-reload/status")["pending"] == ["users"]
    versions = ask(project, "rollback", "users", "--list")
    assert [(v["number"], v["restores"], v["serves"]) for v in versions][-2:] == [
        (5, None, False), (6, 2, True),
    ]  # fmt: skip
    save_and_see(project, url, 7)
    assert fetch(url, "/api/hot-reload/status")["pending"] == []
    assert fetch(url, "/users/hit") == {"hits": 5}
    ask(project, "rollback", "users", "--to", "3")
    assert server.end(signal.SIGTERM)[0] == 0
    _, url = start()
    assert serves(url) == 7
    found = ask(project, "history", "users")
    assert [o["id"] for o in found] == [7, 6, 5, 4, 3, 2, 1]
    assert [o["trigger"] for o in found[:3]] == ["rollback", "file", "rollback"]
    assert found == fetch(url, "/api/history?plugin=users")
    table = sysctl(project, "plugins", "history", "users").stdout.splitlines()
    assert table[0].split()[:4] == ["ID", "TIME", "PLUGIN", "RESULT"]
    assert len(table) == 8
    assert "plugins/users/plugin.py" in table[2]
    text = sysctl(project, "plugins", "history", "--show", "7").stdout
    assert "outcome 7" in text
    assert "version 3 of its source" in text
    assert "version 2 again" in sysctl(project, "plugins", "rollback", "users", "--list").stdout
    assert ask(project, "history", "--show", "2")["changes"] == ["plugins/users/plugin.py"]
    save_and_see(project, url, 8)
    assert ask(project, "history", "--limit", "1")[0]["id"] == 8


def test_what_cannot_be_done_is_told_with_its_exit_code(project: Path, start: Start) -> None:
    ask(project, "history", "nobody", code=3)
    assert ask(project, "history") == []
    ask(project, "rollback", "users", code=4)
    server, url = start()
    save_and_see(project, url, 2)
    assert ask(project, "rollback", "users", "--to", "9", code=2)["hint"] == "kept are: 1, 2"
    ask(project, "rollback", "nobody", code=3)
    ask(project, "history", "nobody", code=3)
    ask(project, "history", "--show", "99", code=1)
    for body in ({"to": 0}, {"to": "1"}, {"to": True}, {"write": 1}, {"other": 1}):
        done = _post(url, "/api/plugins/users/rollback", body)
        assert done == 400, body
    assert serves(url) == 2
    server.end(signal.SIGTERM)
    told = ask(project, "rollback", "users", code=4)
    assert "--write" in told["hint"]
    assert ask(project, "rollback", "users", "--to", "9", "--write", code=2)["error"]
    done = ask(project, "rollback", "users", "--write")
    assert (done["version"], done["on_disk"]["written"]) == (1, ["plugin.py"])
    _, url = start()
    assert serves(url) == 1
    versions = ask(project, "rollback", "users", "--list")
    assert [(v["number"], v["restores"]) for v in versions] == [(1, None), (2, None), (3, 1)]


def _post(url: str, path: str, body: object) -> int:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    data = json.dumps(body).encode()
    request = Request(url.rstrip("/") + path, data, {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code


def test_a_kill_in_the_middle_of_many_saves_leaves_a_readable_history(
    project: Path, start: Start
) -> None:
    server, url = start()

    def save_all() -> None:
        for version in range(2, 51):
            save(project, version)
            if server.process.poll() is None:
                with contextlib.suppress(*GONE):
                    wait_for(lambda v=version: serves(url) == v)

    with ThreadPoolExecutor(1) as pool:
        saving = pool.submit(save_all)
        wait_for(lambda: len(fetch(url, "/api/history")) >= 25)
        server.process.kill()
        server.process.wait()
        saving.result(60)
    found = ask(project, "history", "--limit", "100")
    ids = [o["id"] for o in found]
    assert len(ids) >= 20
    assert ids == list(range(len(ids), 0, -1))
    assert all(o["plugins"] == ["users"] and o["steps"] for o in found)
    versions = [v["number"] for v in ask(project, "rollback", "users", "--list")]
    assert versions == list(range(versions[0], versions[0] + len(versions)))
    assert len(versions) == 20
    _, url = start()
    assert serves(url) == 50
    save_and_see(project, url, 51)
    again = [o["id"] for o in fetch(url, "/api/history?limit=1000")]
    assert again == list(range(len(again), 0, -1))
    assert len(again) > len(ids)
    last = ask(project, "rollback", "users", "--to", str(versions[-1]))
    assert last["success"]


def test_the_save_that_broke_a_check_is_found(project: Path, start: Start) -> None:
    _, url = start()
    for version in range(2, 9):
        save_and_see(project, url, version)
    (project / "check.sh").write_text(
        "number=$(sed -n 's/^VERSION = //p' plugins/users/plugin.py)\n"
        "echo saw $number in $PWD\n"
        "touch plugins/users/left-by-the-check\n"
        "test -e instance/server.json && exit 127\n"
        "test $number -eq 4 && exit 125\n"
        "test $number -lt 6\n"
    )
    before = content_of(project)
    found = ask(project, "bisect", "users", "--check", "sh check.sh")
    assert (found["last_good"], found["first_bad"], found["suspects"]) == (5, 6, [6])
    verdicts = {s["version"]: s["verdict"] for s in found["steps"]}
    assert verdicts[8] == "bad"
    assert verdicts[1] == "good"
    assert "-VERSION = 5" in found["diff"]
    assert "+VERSION = 6" in found["diff"]
    assert all(str(project) not in s["output"] for s in found["steps"])
    assert content_of(project) == before
    assert serves(url) == 8
    skipping = ask(project, "bisect", "users", "--check", "sh check.sh; test $? -eq 0 || exit 125",
                   code=1)  # fmt: skip
    assert "skips version 8" in skipping["error"]
    assert "nothing to find" in ask(project, "bisect", "users", "--check", "true", code=1)["error"]
    assert "came before" in ask(project, "bisect", "users", "--check", "false", code=1)["error"]
    told = ask(project, "bisect", "users", "--check", "no-such-program", code=1)
    assert "no-such-program" in told["error"]
    ask(project, "bisect", "users", "--check", "true", "--good", "77", code=2)
    ask(project, "bisect", "users", "--check", "true", "--good", "8", code=2)
    ask(project, "bisect", "nobody", "--check", "true", code=3)
    text = sysctl(project, "plugins", "bisect", "users", "--check", "sh check.sh", "--good", "5")
    assert text.returncode == 0
    assert "version 6 is the first bad one, after version 5" in text.stdout
    assert "+VERSION = 6" in text.stdout
