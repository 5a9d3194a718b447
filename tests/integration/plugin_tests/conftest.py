"""A project whose plugins are tested with what the SDK has for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.lab import plugin

ROUTES = """
from flask import request
@router.post("/echo")
def echo(data: dict):
    return {"data": data, "header": request.headers.get("X-Sent"), "q": request.args.get("q")}

@router.route("/method", methods=["PUT", "PATCH", "DELETE"])
def method():
    return {"method": request.method}
"""
BODY = """
async def initialize(self):
    self.limit = await self.get_config("limit", 10)
    self.register_command("add", self.add)

def add(self, a: int, b: int):
    return a + b
"""


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the plugins users, orders (which needs it), broken and notes (which wants a
    database)."""
    root = tmp_path_factory.mktemp("shop")
    for name, text in {
        "users": plugin("users", routes=ROUTES, body=BODY),
        "orders": plugin("orders", top="from plugins.users import VERSION as USERS"),
        "broken": "def x(:\n",
        "notes": plugin("notes", body="def seed(self, db):\n    self.seeded = True"),
    }.items():
        (root / "plugins").mkdir(exist_ok=True)
        (root / "plugins" / f"{name}.py").write_text(text)
    return root
