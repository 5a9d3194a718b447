"""create_app(): a Flask app that runs the plugins of a project."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from devserver import EmbeddedApp, PluginStatus, create_app
from devserver.core.errors import DevServerError, PluginNotFound, ProjectNotFound
from tests.integration.lab import plugin, wait_for


def bearer(app: EmbeddedApp) -> dict[str, str]:
    return {"Authorization": f"Bearer {app.token}"}


def test_nothing_runs_until_the_first_request(app: EmbeddedApp, project: Path) -> None:
    before = threading.active_count()
    client = app.test_client()
    assert (threading.active_count(), (project / "instance").exists()) == (before, False)
    assert client.get("/users/version").json == {"version": 1, "greeting": "hello"}


def test_one_that_is_closed_gives_everything_back(app: EmbeddedApp, project: Path) -> None:
    before = threading.active_count()
    app.start()
    assert app.test_client().get("/users/hit").json == {"hits": 1}
    app.close()
    app.close()
    assert threading.active_count() == before
    answer = app.test_client().get("/users/hit")
    assert (answer.status_code, answer.json["error"]) == (503, "the application was closed")
    with pytest.raises(DevServerError, match="was closed"):
        app.start()
    with create_app(project, hot_reload=False) as again:
        assert again.test_client().get("/users/hit").json == {"hits": 1}


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProjectNotFound, match="does not exist"):
        create_app(tmp_path / "nowhere")


def test_a_second_application_in_one_process_is_refused(app: EmbeddedApp, tmp_path: Path) -> None:
    app.start()
    (tmp_path / "other" / "plugins").mkdir(parents=True)
    other = create_app(tmp_path / "other")
    with pytest.raises(DevServerError, match="another application's plugins run in this process"):
        other.start()
    app.close()
    other.start()
    other.close()


def test_saves_are_live_without_being_asked_for(project: Path) -> None:
    with create_app(project) as app:
        client = app.test_client()
        assert client.get("/users/version").json["version"] == 1
        (project / "plugins" / "users" / "plugin.py").write_text(plugin("users", 2))
        wait_for(lambda: client.get("/users/version").json["version"] == 2, "the save")


def test_the_application_has_routes_of_its_own(app: EmbeddedApp) -> None:
    @app.get("/mine")
    def mine() -> dict[str, str]:
        return {"asked": request.args["what"]}

    assert app.test_client().get("/mine?what=it").json == {"asked": "it"}


def test_control_calls_need_the_token(app: EmbeddedApp) -> None:
    client = app.test_client()
    assert client.get("/api/plugins").status_code == 401
    assert client.post("/admin/plugins/users/reload").status_code == 401
    assert client.get("/", headers=bearer(app)).status_code == 200
    rows = client.get("/api/plugins", headers=bearer(app)).json
    assert [row["name"] for row in rows] == ["orders", "users"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.test"}, 403),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "a b"}, 400),
        ({"X-Forwarded-For": "127.0.0.1"}, 200),
    ],
)
def test_the_gate_stands_in_front_of_plugins_and_own_routes(
    app: EmbeddedApp, headers: dict[str, str], status: int
) -> None:
    @app.get("/mine")
    def mine() -> str:
        return "mine"

    for path in ("/users/version", "/mine"):
        assert app.test_client().get(path, headers=headers).status_code == status


def test_the_title_stands_on_the_page(app: EmbeddedApp) -> None:
    assert "<h1>My Shop</h1>" in app.test_client().get("/", headers=bearer(app)).text


def test_a_server_with_one_thread_is_not_held_by_a_stream(app: EmbeddedApp) -> None:
    app.start()
    client = app.test_client()
    listening = socket.create_server(("127.0.0.1", 0))
    theirs = socket.create_connection(listening.getsockname())
    ours, _ = listening.accept()
    told = {"werkzeug.socket": ours, "wsgi.multithread": False}

    def events(**headers: str) -> str:
        asked = {**bearer(app), **headers}
        return client.get("/api/events", headers=asked, environ_overrides=told).text

    with listening, ours, theirs:
        begun = events()
        (last,) = re.findall(r"^id: (\d+)\nevent: hello$", begun, re.M)
        app.plugin_manager.reload_plugin("users")
        assert "event: outcome" in events(**{"Last-Event-ID": last})


# -- log ------------------------------------------------------------------------------------------


def test_what_becomes_of_saves_is_logged(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="devserver.reload")
    (project / "config").mkdir()
    (project / "config" / "hot-loading.yaml").write_text("hot_loading: {nope: 1}\n")
    (project / "plugins" / "late.py").write_text("def x(:\n")
    with create_app(project, hot_reload=False) as app:
        (settings, broken) = caplog.records
        assert (settings.levelname, broken.levelname) == ("ERROR", "ERROR")
        assert "config/hot-loading.yaml:1:15: CFG002 unknown key" in settings.message
        assert "Plugin late was not reloaded: invalid syntax (serving: nothing" in broken.message
        assert "plugins/late.py:1:7: SYN002" in broken.message
        caplog.clear()

        (project / "plugins" / "orders.py").write_text(plugin("orders", init="1 / 0"))
        app.plugin_host.changed(project / "plugins" / "orders.py")
        (failed,) = caplog.records
        assert failed.levelname == "ERROR"
        assert "serving: orders g1" in failed.message
        assert "ZeroDivisionError" in failed.message
        caplog.clear()

        (project / "plugins" / "orders.py").write_text(plugin("orders", 2))
        app.plugin_host.changed(project / "plugins" / "orders.py")
        (good,) = caplog.records
        assert good.levelname == "INFO"
        assert "Plugin orders reloaded successfully (serving: orders g2" in good.message


# -- managers -------------------------------------------------------------------------------------


def test_a_switch_is_done_when_it_returns(app: EmbeddedApp) -> None:
    manager, live = app.plugin_manager, app.hot_reload_manager
    assert live.get_active_plugins() == ["orders", "users"]
    assert manager.disable_plugin("orders")
    assert not live.is_plugin_active("orders")
    assert live.get_plugin_route_count("orders") == 0
    assert manager.enable_plugin("orders")
    assert live.is_plugin_active("orders")
    assert live.get_plugin_route_count("orders") == 2


def test_a_switch_can_be_awaited_and_given_a_time_limit(app: EmbeddedApp) -> None:
    async def switch() -> list[bool]:
        manager = app.plugin_manager
        return [
            await manager.disable_plugin("orders"),
            await asyncio.wait_for(manager.enable_plugin("orders"), timeout=30.0),
            await manager.reload_plugin("users"),
        ]

    assert asyncio.run(switch()) == [True, True, True]


def test_what_is_refused_is_false_and_says_why(app: EmbeddedApp, project: Path) -> None:
    refused = app.plugin_manager.disable_plugin("users")
    assert not refused
    assert "orders needs it" in refused.message
    assert refused.outcome is None
    (project / "plugins" / "orders.py").write_text("def x(:\n")
    broken = app.plugin_manager.reload_plugin("orders")
    assert not broken
    assert broken.outcome is not None
    assert broken.outcome.diagnostics[0].code.startswith("SYN")
    with pytest.raises(PluginNotFound):
        app.plugin_manager.enable_plugin("nobody")


def test_the_status_is_false_unless_the_plugin_serves(app: EmbeddedApp) -> None:
    manager = app.plugin_manager
    status = manager.get_plugin_status("users")
    assert status
    assert status == PluginStatus.ENABLED
    manager.disable_plugin("orders")
    off = manager.get_plugin_status("orders")
    assert not off
    assert off is PluginStatus.DISABLED
    assert manager.get_plugin_status("nobody") is None


def test_what_is_known_of_a_plugin_has_attributes(app: EmbeddedApp, project: Path) -> None:
    folder = project / "plugins" / "billing"
    folder.mkdir()
    (folder / "plugin.py").write_text(plugin("billing"))
    (folder / "manifest.json").write_text(
        '{"title": "Billing", "dependencies": ["users>=1.0", "orders"], "tags": ["money"]}'
    )
    found = app.plugin_manager.get_plugin_info("billing")
    assert found is not None
    assert dict(found.dependencies) == {"users": ">=1.0", "orders": ""}
    assert (found.title, found.tags, found.enabled) == ("Billing", ("money",), True)
    orders = app.plugin_manager.get_plugin_info("orders")
    assert orders is not None
    assert (dict(orders.dependencies), orders.dependents) == ({"users": ""}, ("billing",))
    assert app.plugin_manager.get_plugin_info("nobody") is None
    assert list(app.plugin_manager.plugins) == ["billing", "orders", "users"]


def test_a_plugin_switches_others_from_plain_code_and_from_coroutines(
    app: EmbeddedApp, project: Path
) -> None:
    (project / "plugins" / "boss.py").write_text(
        plugin(
            "boss",
            routes="""
            @router.post("/plain/<name>")
            def plain(name):
                return {"done": bool(self.plugin_manager.disable_plugin(name))}

            @router.post("/coroutine/<name>")
            async def coroutine(name):
                return {"done": await self.plugin_manager.enable_plugin(name)}

            @router.post("/forgets/<name>")
            async def forgets(name):
                switched = self.plugin_manager.enable_plugin(name)
                try:
                    bool(switched)
                except Exception as error:
                    return {"error": str(error), "then": await switched}
        """,
        )
    )
    client = app.test_client()
    assert client.post("/boss/plain/orders").json == {"done": True}
    assert client.get("/orders/version").status_code == 503
    assert client.post("/boss/coroutine/orders").json == {"done": True}
    assert client.get("/orders/version").status_code == 200
    told: Any = client.post("/boss/forgets/orders").json
    assert (told["error"], told["then"]) == ("it is not known yet what came of it", True)


# -- start ----------------------------------------------------------------------------------------


def test_functions_of_the_start_run_before_the_first_answer(app: EmbeddedApp) -> None:
    called: list[str] = []

    @app.on_startup
    async def setup() -> None:
        assert await app.plugin_manager.disable_plugin("orders")
        called.append(",".join(app.hot_reload_manager.get_active_plugins()))

    @app.on_startup
    def plain() -> None:
        called.append("plain")

    assert app.test_client().get("/orders/version").status_code == 503
    assert called == ["users", "plain"]
    with pytest.raises(DevServerError, match="on_startup comes too late"):
        app.on_startup(plain)


def test_a_start_within_a_running_loop_works(app: EmbeddedApp) -> None:
    @app.on_startup
    async def setup() -> None:
        await asyncio.sleep(0)

    async def main() -> int:
        return app.test_client().get("/users/version").status_code

    assert asyncio.run(main()) == 200


def test_a_start_that_fails_leaves_nothing_and_is_told(app: EmbeddedApp) -> None:
    before = threading.active_count()

    @app.on_startup
    async def setup() -> None:
        raise RuntimeError("no licence")

    with pytest.raises(RuntimeError, match="no licence"):
        app.start()
    assert threading.active_count() == before
    answer = app.test_client().get("/users/version")
    assert answer.status_code == 503
    assert "no licence" in answer.json["error"]


def test_many_first_requests_start_once(app: EmbeddedApp) -> None:
    calls: list[int] = []
    app.on_startup(lambda: calls.append(1))
    answers: list[int] = []

    def ask() -> None:
        answers.append(Client(app).get("/users/version").status_code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers, calls) == ([200] * 6, [1])


# -- mounted --------------------------------------------------------------------------------------


def test_it_is_mounted_in_a_flask_app(app: EmbeddedApp) -> None:
    outer = Flask("outer")
    outer.add_url_rule("/", view_func=lambda: "outer")
    mounted = DispatcherMiddleware(outer.wsgi_app, {"/dev": app})
    client = Client(mounted)
    assert client.get("/").text == "outer"
    assert client.get("/dev/users/version").json == {"version": 1, "greeting": "hello"}
    assert client.get("/users/version").status_code == 404
    assert client.get("/dev/api/plugins").status_code == 401
    page = client.get("/dev/", headers=bearer(app)).text
    assert 'data-root="/dev"' in page
    assert 'href="/dev/static/devserver/theme.css"' in page
    login = client.get(f"/dev/?token={app.token}")
    assert login.headers["Location"] == "/dev/"
    assert "Path=/dev/;" in login.headers["Set-Cookie"]
    assert client.get("/dev/api/plugins").status_code == 200
