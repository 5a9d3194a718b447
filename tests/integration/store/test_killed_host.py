"""A server that is killed at any moment: what it acknowledged holds at the next start."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.integration.lab import plugin
from tests.integration.store.conftest import open_database

MOTHER = """
import os, signal, sys
from tests.integration.store.test_killed_host import child

# Importing takes long, so that happens once; each run is a process of its own.
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        child(line.strip())
        os._exit(0)
    print('{"pid": %d}' % pid, flush=True)
    os.waitpid(pid, 0)
    print('{"ended": true}', flush=True)
"""
ROUTES = """
@router.post("/set")
def set_all(number: int):
    self.ctx.config.set("number", number)
    self.ctx.data.set("number", number)
    return {}

@router.get("/set")
def get_all():
    return {"config": self.config.get("number", 0), "data": self.ctx.data.get("number", 0)}
"""


def child(folder: str) -> None:
    """Tells what it finds, then changes one thing after the other and tells each."""
    from tests.integration.lab import Lab

    def tell(**fact: Any) -> None:
        os.write(1, json.dumps(fact).encode() + b"\n")

    lab = Lab(Path(folder))
    lab.start()
    control = lab.running.control
    tell(
        found={
            **lab.json("/users/set"),
            "status": str(lab.running.registry.view.plugins["clock"].status),
            "version": lab.json("/users/version")["version"],
        }
    )
    number = lab.json("/users/set")["data"]
    while True:
        for status, switch in (("disabled", control.disable), ("active", control.enable)):
            switch("clock")
            tell(number=number, status=status, next="number")
            for following in ("number", "status"):
                number += 1
                assert lab.ask("POST", f"/users/set?number={number}").status_code == 200
                tell(number=number, status=status, next=following)


class Mother:
    """Starts a server in the project, and kills it after so many words."""

    def __init__(self, project: Path, url: str) -> None:
        self._project = project
        self._process = subprocess.Popen(
            [sys.executable, "-c", MOTHER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "SYSCTL_DATABASE_URL": url},
            cwd=Path(__file__).parents[3],
        )

    def run(self, words: int, spin: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the server found at its start, and what it had acknowledged at its end."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{self._project}\n")
        self._process.stdin.flush()
        pid = self._read()["pid"]
        found = self._read()["found"]
        said: dict[str, Any] = {}
        for _ in range(words):
            said.update(self._read())
        for _ in range(spin):
            pass  # the kill comes at any moment of what is done next
        os.kill(pid, signal.SIGKILL)
        while not (fact := self._read()).get("ended"):
            said.update(fact)
        return found, said

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server ended by itself"
        fact: dict[str, Any] = json.loads(line)
        return fact

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name, source in (
        ("users", plugin("users", 1, routes=ROUTES)),
        ("clock", plugin("clock", 1)),
    ):
        (root / "plugins" / name).mkdir(parents=True)
        (root / "plugins" / name / "plugin.py").write_text(source)
    return root


@pytest.fixture
def mother(project: Path, database_url: str) -> Iterator[Mother]:
    found = Mother(project, database_url)
    yield found
    found.close()


def kill_and_look(mother: Mother, times: int) -> None:
    chance = random.Random(7)
    said = {"number": 0, "status": "active", "next": ""}
    for _ in range(times):
        found, more = mother.run(chance.randrange(0, 13), chance.randrange(0, 100_000))
        # What was acknowledged, and of what was under way all or nothing.
        numbers = {said["number"], said["number"] + (said["next"] == "number")}
        assert found["data"] in numbers
        assert found["config"] in numbers
        assert found["config"] >= found["data"]
        assert found["status"] == said["status"] or said["next"] == "status"
        assert found["version"] == 1
        # A server that was killed before its first word was disabling at most.
        start = {"number": found["data"], "status": found["status"], "next": "status"}
        said = {**start, **more}


def test_no_acknowledged_word_is_lost(mother: Mother, database_url: str) -> None:
    kill_and_look(mother, 6)
    is_sound(database_url)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_no_acknowledged_word_is_lost_a_hundred_times(mother: Mother, database_url: str) -> None:
    kill_and_look(mother, 100)
    is_sound(database_url)


def is_sound(url: str) -> None:
    database = open_database(url)
    with database.read() as connection:
        if database.dialect == "sqlite":
            assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
        assert connection.scalar(text("SELECT count(*) FROM plugins")) == 2
    database.close()
