"""A plugin in the folder misses a module that its requirements.txt names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from devserver.assembly import dependencies
from devserver.packages.requirements import Installer
from tests.integration.lab import Lab, plugin, wait_for
from tests.integration.packages.test_requirements import (
    distributions,
    environment,
    wheel,
    wheels,
)

__all__ = ["environment", "wheels"]
USES = "from alpha_thing import VERSION"


@pytest.fixture
def server(lab: Lab, environment: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """One that runs in the environment, as far as what is installed goes."""
    site = f"lib/python3.{sys.version_info.minor}/site-packages"
    monkeypatch.syspath_prepend(environment.parents[1] / site)
    monkeypatch.setattr(dependencies, "Installer", lambda: Installer(environment))
    lab.settings("development: {auto_install_deps: true}")
    return lab


def told(lab: Lab) -> list[str]:
    return [str(e.payload.get("message")) for e in lab.running.journal.events_after(0, 0)]


@pytest.mark.parametrize("when", ["at the start", "at a save", "with its requirements"])
def test_it_is_installed_and_the_plugin_goes_live_by_itself(
    server: Lab, wheels: Path, environment: Path, when: str
) -> None:
    wheel(wheels, "alpha_thing", "1.0")
    edits = ("users/requirements.txt", "alpha_thing>=1\n"), ("users", plugin("users", top=USES))
    if when == "at the start":
        for place, text in edits:
            server.write(place, text)
        server.start()
    elif when == "at a save":
        server.start(hot_reload=True)
        for place, text in edits[::-1]:
            server.write(place, text)
    else:
        server.start()
        server.save(*edits)
    wait_for(lambda: server.get("/users/version").status_code == 200, "it is live")
    assert distributions(environment) == {"alpha_thing": "1.0"}


def test_what_cannot_be_installed_is_tried_once_and_told(server: Lab) -> None:
    server.start(hot_reload=True)
    server.write("users", plugin("users", top=USES))
    server.write("users/requirements.txt", "alpha_thing>=1\n")
    wait_for(lambda: any("alpha_thing" in m for m in told(server)), "it is told")
    assert server.get("/users/version").status_code == 503
