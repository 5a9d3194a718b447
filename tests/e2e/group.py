"""Servers of one group, each with its own copy of the project."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.e2e.running import COMMAND, Running, environment, fetch, sysctl
from tests.integration.lab import wait_for

# Each copy of the project can be told to fail, or to stay inside of a hook.
USERS = """
import threading
from pathlib import Path

from devserver.sdk import BasePlugin

HERE = Path(__file__).parents[2]

class Users(BasePlugin):
    name = "users"
    version = "1.0.0"

    def initialize(self):
        if (HERE / "hold").exists():
            (HERE / "entered").touch()
            while (HERE / "hold").exists():
                threading.Event().wait(0.02)
        return not (HERE / "refuse").exists()

    def register_routes(self, app, router):
        @router.get("/hello")
        def hello():
            return {"says": "hello"}
"""
ORDERS = """
from devserver.sdk import BasePlugin

class Orders(BasePlugin):
    name = "orders"
    version = "1.0.0"
"""


class Server:
    """One instance: its folder, its process and where it answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running = Running(folder)
        self.url = ""

    @property
    def pid(self) -> int:
        return self.running.process.pid

    def wait(self) -> Server:
        self.url = self.running.wait_for("ready")["url"]
        wait_for(lambda: self.shown()["live"], "a live instance")
        return self

    def shown(self) -> dict[str, Any]:
        """What the group knows of this instance."""
        known = fetch(self.url, "/api/instances")
        found = [row for row in known["instances"] if row["is_self"]]
        return found[0] if found else {"live": False}

    def status(self, plugin: str) -> str:
        return str(fetch(self.url, f"/api/plugins/{plugin}/status")["status"])

    def generation(self, plugin: str) -> int:
        return int(self.shown()["plugins"][plugin]["generation"])


def ask(server: Server, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and report of `sysctl plugins ... --all-instances` at this server."""
    done = sysctl(server.folder, "plugins", *words, "--all-instances", "--json")
    report = json.loads(done.stdout)
    assert "converged" in report, done.stdout + done.stderr
    return done.returncode, report


def pids(found: list[dict[str, Any]]) -> list[int]:
    return sorted(row.get("instance", row)["pid"] for row in found)


class Background:
    """A command that runs while the test goes on."""

    def __init__(self, server: Server, *words: str) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, "plugins", *words, "--all-instances", "--json"],
            cwd=server.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def result(self) -> tuple[int, dict[str, Any]]:
        out, _ = self._process.communicate(timeout=60)
        return self._process.returncode, json.loads(out)

    def code(self) -> int:
        self._process.communicate(timeout=60)
        return self._process.returncode
