"""Mounted in a FastAPI application."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from devserver import EmbeddedApp
from tests.integration.embedding.servers import free_port, serving
from tests.integration.lab import plugin, wait_for

pytest.importorskip("fastapi")
a2wsgi = pytest.importorskip("a2wsgi")

MODULE = """
from contextlib import asynccontextmanager

from a2wsgi import WSGIMiddleware
from fastapi import FastAPI

from devserver import create_app

plugins = create_app("shop")


@asynccontextmanager
async def lifespan(app):
    with plugins:
        yield


api = FastAPI(lifespan=lifespan)


@api.get("/own")
async def own():
    return {"active": plugins.hot_reload_manager.get_active_plugins()}


api.mount("/dev", WSGIMiddleware(plugins))
"""


def test_plugins_answer_below_the_mount(project: Path) -> None:
    (project.parent / "outer.py").write_text(MODULE)
    port = free_port()
    command = ("uvicorn", "--port", str(port), "outer:api")
    with serving(*command, folder=project.parent, port=port) as client:
        assert client.get("/own").json() == {"active": ["orders", "users"]}
        assert client.get("/dev/users/version").json() == {"version": 1, "greeting": "hello"}
        assert client.get("/users/version").status_code == 404
        (project / "plugins" / "users" / "plugin.py").write_text(plugin("users", 2))
        wait_for(lambda: client.get("/dev/users/version").json()["version"] == 2, "the save")
        # What stands between does not tell whose connection it is, so the token is needed.
        assert client.get("/dev/api/plugins").status_code == 401
        assert client.get("/dev/users/version", headers={"Host": "evil.test"}).status_code == 403


def test_control_calls_with_the_token_go_through(app: EmbeddedApp) -> None:
    from fastapi import FastAPI

    api = FastAPI()
    mounted = a2wsgi.WSGIMiddleware(app)
    api.mount("/dev", mounted)

    async def ask() -> None:
        transport = httpx.ASGITransport(api)
        bearer = {"Authorization": f"Bearer {app.token}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers=bearer
        ) as client:
            answer = await client.post("/dev/api/plugins/users/reload")
            assert answer.json()["result"] == "reloaded"
            assert 'data-root="/dev"' in (await client.get("/dev/")).text

    asyncio.run(ask())
    mounted.executor.shutdown()
