"""Under a real gunicorn with threads."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from devserver.cli.client import ServerClient
from devserver.runtime.project import Project
from tests.integration.embedding.conftest import write_project
from tests.integration.embedding.servers import free_port, serving
from tests.integration.lab import plugin, wait_for

pytest.importorskip("gunicorn")
MODULE = """
from devserver import create_app
app = create_app("shop")
"""


@contextmanager
def gunicorn(project: Path, *options: str, module: str = MODULE) -> Iterator[httpx.Client]:
    (project.parent / "served.py").write_text(module)
    port = free_port()
    with serving(
        "gunicorn",
        *("--bind", f"127.0.0.1:{port}", "--threads", "4", "--graceful-timeout", "2"),
        *options,
        "served:app",
        folder=project.parent,
        port=port,
    ) as client:
        yield client


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker process with threads; what tests do to its plugins stays."""
    project = write_project(tmp_path_factory.mktemp("worker"))
    with gunicorn(project) as client:
        assert client.get("/users/version").json() == {"version": 1, "greeting": "hello"}
        yield Worker(project, client)


class Worker(NamedTuple):
    project: Path
    client: httpx.Client


def test_saves_and_calls_reload_its_plugins(worker: Worker) -> None:
    project, client = worker
    # A process of the same user needs no token: the worker tells whose connection it is.
    assert client.post("/api/plugins/users/reload").json()["result"] == "reloaded"
    (project / "plugins" / "users" / "plugin.py").write_text(plugin("users", 2))
    wait_for(lambda: client.get("/users/version").json()["version"] == 2, "the save")


def test_the_gate_stands_there_too(worker: Worker) -> None:
    project, client = worker
    told = json.loads((project / "instance" / "server.json").read_text())
    assert told["url"] == f"{client.base_url}/"
    assert client.get("/users/version", headers={"Host": "evil.test"}).status_code == 403
    forwarded = client.get("/api/plugins", headers={"X-Forwarded-For": "10.0.0.9"})
    assert forwarded.status_code == 401
    bearer = {"Authorization": f"Bearer {told['token']}", "X-Forwarded-For": "10.0.0.9"}
    assert client.get("/api/plugins", headers=bearer).status_code == 200


def test_commands_find_it(worker: Worker) -> None:
    found = ServerClient.find(Project(worker.project))
    assert found is not None
    assert found.reload("users")["result"] == "reloaded"


LEAVES = """
async def shutdown(self):
    await self.publish_event("leaver.gone")
    await asyncio.to_thread(GONE.write_text, "gone")
"""


def test_plugins_are_let_go_when_the_worker_ends(project: Path) -> None:
    gone = project / "gone.txt"
    (project / "plugins" / "leaver.py").write_text(
        plugin(
            "leaver",
            top=f"import asyncio, pathlib\nGONE = pathlib.Path({str(gone)!r})",
            body=LEAVES,
        )
    )
    with gunicorn(project) as client:
        assert client.get("/leaver/version").status_code == 200
        assert ServerClient.find(Project(project)) is not None
        assert not gone.exists()
    assert gone.read_text() == "gone"
    assert not (project / "instance" / "server.json").exists()


def test_events_arrive_while_others_are_served(worker: Worker) -> None:
    client = worker.client
    with client.stream("GET", "/api/events") as stream:
        lines = stream.iter_lines()
        assert next(line for line in lines if line.startswith("event:")) == "event: hello"
        client.post("/api/plugins/users/reload")
        assert any(line == "event: outcome" for line in lines)


def test_no_request_fails_while_plugins_reload(worker: Worker) -> None:
    statuses: set[int] = set()
    ended = threading.Event()

    def ask(own: httpx.Client) -> None:
        while not ended.is_set():
            statuses.add(own.get("/orders/version").status_code)

    with httpx.Client(base_url=worker.client.base_url, timeout=60, trust_env=False) as own:
        thread = threading.Thread(target=ask, args=(own,))
        thread.start()
        for _ in range(10):
            assert worker.client.post("/api/plugins/users/reload").status_code == 200
        ended.set()
        thread.join()
    assert statuses == {200}


def test_a_second_worker_process_says_why_it_cannot_serve(project: Path) -> None:
    with gunicorn(project, "--workers", "2") as client:
        seen: dict[int, str] = {}

        def ask(_: int) -> None:
            answer = httpx.get(f"{client.base_url}/users/version", timeout=60, trust_env=False)
            seen[answer.status_code] = answer.text

        def both() -> bool:
            with ThreadPoolExecutor(8) as clients:
                list(clients.map(ask, range(8)))
            return len(seen) == 2

        wait_for(both, "an answer of each worker")
    assert set(seen) == {200, 503}
    assert "another process serves this project already" in seen[503]
    assert "--workers 1 --threads 8" in seen[503]


def test_an_application_that_is_loaded_before_the_fork_starts_after_it(project: Path) -> None:
    with gunicorn(project, "--preload") as client:
        assert client.get("/users/version").status_code == 200
        assert client.post("/admin/plugins/users/reload").status_code == 200


def test_one_that_was_started_before_the_fork_says_what_to_do(project: Path) -> None:
    with gunicorn(project, "--preload", module=f"{MODULE}\napp.start()\n") as client:
        answer = client.get("/users/version")
        assert answer.status_code == 503
        assert "before this one was forked" in answer.json()["error"]
        assert "post_worker_init" in answer.json()["hint"]
