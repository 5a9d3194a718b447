"""What tells of a plugin's insides, over HTTP."""

from __future__ import annotations

import logging
from typing import Any

from devserver import EmbeddedApp


def ask(app: EmbeddedApp, path: str, *, method: str = "GET", token: bool = True) -> Any:
    headers = {"Authorization": f"Bearer {app.token}"} if token else {}
    return app.test_client().open(path, method=method, headers=headers)


def test_insides_of_a_plugin_are_told_to_whoever_may_know(app: EmbeddedApp) -> None:
    app.test_client().get("/users/hit")
    logging.getLogger("plugins.users").warning("look here")
    debug = ask(app, "/api/plugins/users/debug?look=true").json
    assert (debug["status"], debug["generation"], debug["live_generations"]) == ("active", 1, [1])
    assert {row["name"]: row["fate"] for row in debug["state"]}["hits"] == "kept"
    profile = ask(app, "/api/plugins/users/profile").json
    assert "plugins.users.plugin" in {part["name"] for part in profile["parts"]}
    assert [r["message"] for r in ask(app, "/api/logs?plugin=users").json] == ["look here"]
    watch = ask(app, "/api/watch").json
    assert (watch["watching"], watch["off"], watch["mode"]) == (False, True, "off")
    assert ask(app, "/api/watch/test", method="POST").json["seen"] is False
    assert ask(app, "/api/plugins/nobody/debug").status_code == 404
    assert ask(app, "/api/plugins/nobody/profile").status_code == 404


def test_they_are_told_to_nobody_else(app: EmbeddedApp) -> None:
    app.start()
    for path in ("/api/plugins/users/debug", "/api/plugins/users/profile", "/api/logs",
                 "/api/watch"):  # fmt: skip
        assert ask(app, path, token=False).status_code in (401, 403), path
    assert ask(app, "/api/watch/test", method="POST", token=False).status_code in (401, 403)
