"""What is saved while an installation runs is a save like any other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devserver.packages.done import Done
from devserver.packages.trees import files_of
from tests.integration.lab import Lab, wait_for
from tests.integration.packages.zips import Entry, package, plugin_source

WAITS = """
    def initialize(self):
        import pathlib, time
        pathlib.Path({mark!r}).touch()
        while not pathlib.Path({gate!r}).exists():
            time.sleep(0.01)
        raise RuntimeError("boom")
"""


def failing(lab: Lab) -> bytes:
    """A package whose initialize() waits for the gate, and fails."""
    tail = WAITS.format(mark=str(lab.root / "mark"), gate=str(lab.root / "gate"))
    return package(version="5.0.0", tail=tail)


def install_and(lab: Lab, content: bytes, save: dict[str, str], **options: bool) -> Done:
    """Saves while the package's initialize() runs, then lets it fail; what came of it."""
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(lab.running.packages.install, content, **options)
        wait_for((lab.root / "mark").exists, "initialize()")
        for place, text in save.items():
            lab.write(place, text)
        (lab.root / "gate").touch()
        return pending.result()


@pytest.fixture
def running(lab: Lab) -> Lab:
    lab.settings("safety: {trial_process: false, max_reload_attempts: 1}")
    lab.start(hot_reload=True)
    return lab


def told(lab: Lab) -> list[str]:
    events = lab.running.journal.events_after(0, 0)
    return [str(event.payload.get("message")) for event in events]


def test_a_save_during_an_installation_that_fails_goes_live(running: Lab) -> None:
    lab = running
    lab.running.packages.install(package(Entry("users/other.yaml", b"x")))
    mine = plugin_source(version="1.0.1").decode()
    done = install_and(lab, failing(lab), {"users": mine, "users/new.py": "NEW = 1\n"})
    assert not done.success
    wait_for(lambda: lab.json("/users/version") == {"version": "1.0.1"}, "the save")
    assert lab.path("users/other.yaml").read_bytes() == b"x"
    assert lab.path("users/new.py").exists()
    assert "new.py, plugin.py" in done.notes[0]
    assert f"users: {done.notes[0]}" in told(lab)
    assert kept(lab) == []


def test_a_save_that_replaces_what_no_package_has_keeps_that_aside(running: Lab) -> None:
    lab = running
    own = plugin_source(version="0.1").decode()
    lab.save(("users", own))
    mine = plugin_source(version="1.0.1").decode()
    done = install_and(lab, failing(lab), {"users": mine}, force=True)
    wait_for(lambda: lab.json("/users/version") == {"version": "1.0.1"}, "the save")
    (aside,) = kept(lab)
    assert (aside / "plugin.py").read_text() == own
    assert str(aside) in done.notes[1]


def test_what_the_plugin_itself_writes_does_not_stay(running: Lab) -> None:
    lab = running
    lab.running.packages.install(package())
    before = files_of(lab.root / "plugins")
    install_and(lab, failing(lab), {"users/data.bin": "written"})
    assert files_of(lab.root / "plugins") == before
    (aside,) = kept(lab)
    assert (aside / "data.bin").read_text() == "written"


def kept(lab: Lab) -> list[Path]:
    return sorted((lab.root / "instance" / "packages").glob(".kept/*"))
