"""Run by itself, with Flask's development server."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.integration.embedding.servers import free_port, serving
from tests.integration.lab import plugin

BROKEN = """
@router.get("/broken")
def broken():
    raise RuntimeError("oh")
"""


def test_there_is_no_debugger_and_ctrl_c_ends_it_in_order(project: Path) -> None:
    port = free_port()
    (project / "plugins" / "users" / "plugin.py").write_text(plugin("users", routes=BROKEN))
    (project.parent / "run_it.py").write_text(
        f"from devserver import create_app\ncreate_app('shop').run(port={port}, debug=True)\n"
    )
    with serving("run_it", folder=project.parent, port=port, end=signal.SIGINT) as client:
        assert client.get("/users/version").json()["version"] == 1
        broken = client.get("/users/broken", headers={"Accept": "text/html"})
        assert broken.status_code == 500
        assert "__debugger__" not in broken.text
        asked = client.get("/users/version?__debugger__=yes&cmd=resource&f=debugger.js")
        assert asked.json()["version"] == 1
        assert client.post("/admin/plugins/users/reload").status_code == 200
        assert (project / "instance" / "server.json").exists()
    assert not (project / "instance" / "server.json").exists()
