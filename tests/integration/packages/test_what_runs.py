"""What is said of an installation is what runs."""

from __future__ import annotations

import pytest

from devserver.packages.offline import offline_packages
from devserver.runtime.project import Project
from tests.integration.lab import Lab, plugin
from tests.integration.packages.zips import package

FAILS_WITHOUT = """
    def initialize(self):
        import pathlib
        return pathlib.Path({gate!r}).exists()
"""


def test_the_same_package_again_is_nothing_while_it_runs(lab: Lab) -> None:
    lab.start()
    packages = lab.running.packages
    packages.install(package())
    again = packages.install(package())
    assert "is installed already" in again.outcome.message
    assert lab.generation("users").number == 1


def test_the_same_package_again_is_what_runs_after_a_rollback(lab: Lab) -> None:
    lab.start()
    packages, rollbacks = lab.running.packages, lab.running.control.rollbacks
    packages.install(package())
    packages.install(package(version="2.0.0"))
    assert rollbacks is not None
    rollbacks.roll_back("users", to=1)
    assert lab.json("/users/version") == {"version": "1.0.0"}
    assert packages.install(package(version="2.0.0")).outcome.result == "reloaded"
    assert lab.json("/users/version") == {"version": "2.0.0"}


def test_the_same_package_again_is_tried_again_when_it_failed_at_the_start(lab: Lab) -> None:
    gate = lab.root / "gate"
    content = package(tail=FAILS_WITHOUT.format(gate=str(gate)))
    with offline_packages(Project(lab.root)) as offline:
        assert offline.install(content).success
        assert offline.install(content).success
    lab.start()
    packages = lab.running.packages
    assert not packages.install(content).success
    assert packages.versions("users") == {
        "name": "users", "current": "1.0.0", "versions": ["1.0.0"],
    }  # fmt: skip
    gate.touch()
    assert packages.install(content).outcome.result == "reloaded"
    assert lab.json("/users/version") == {"version": "1.0.0"}


@pytest.mark.parametrize("deed", ["disable", "unload"])
def test_the_same_package_again_says_that_it_is_out_of_service(lab: Lab, deed: str) -> None:
    lab.start()
    packages = lab.running.packages
    packages.install(package())
    getattr(lab.running.control, deed)("users")
    again = packages.install(package())
    assert again.outcome.result == "unchanged"
    assert "puts it into service" in again.outcome.message
    assert lab.get("/users/version").status_code == 503


def test_the_word_to_disable_outlives_the_files(lab: Lab) -> None:
    lab.start()
    packages, control = lab.running.packages, lab.running.control
    packages.install(package())
    control.disable("users")
    assert "is gone" in packages.uninstall("users").outcome.message
    done = packages.install(package(version="2.0.0"))
    assert "`sysctl plugins enable users`" in done.outcome.message
    assert (done.success, lab.get("/users/version").status_code) == (True, 503)
    lab.stop()
    lab.start()
    assert lab.get("/users/version").status_code == 503
    assert lab.running.control.enable("users").success
    assert lab.json("/users/version") == {"version": "2.0.0"}


def test_what_is_new_and_nobody_disabled_is_loaded(lab: Lab) -> None:
    lab.write("orders", plugin("orders"))
    lab.start()
    assert lab.running.packages.install(package()).outcome.result == "reloaded"
