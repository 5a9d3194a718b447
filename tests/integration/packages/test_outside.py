"""Plugins that stand outside of plugins/, for one run."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from devserver.core.errors import DevServerError
from devserver.packages.entry_points import find_source
from devserver.packages.trees import files_of
from devserver.web import shapes
from tests.integration.lab import Lab, plugin, wait_for
from tests.integration.packages.zips import package

TRAP = "raise SystemExit('imported')\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed distributions."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    return folder


def distribution(site: Path, *points: str) -> None:
    info = site / "acme_plugins-1.0.dist-info"
    write(info / "METADATA", "Metadata-Version: 2.1\nName: acme-plugins\nVersion: 1.0\n")
    lines = "".join(f"{point}\n" for point in points)
    write(info / "entry_points.txt", f"[devserver.plugins]\n{lines}")


@pytest.mark.parametrize("single", [False, True])
def test_a_plugin_elsewhere_is_served_and_watched(lab: Lab, tmp_path: Path, single: bool) -> None:
    place = tmp_path / "elsewhere" / ("my_users.py" if single else "my-users-src")
    source = place if single else place / "plugin.py"
    write(source, plugin("users"))
    lab.write("orders", plugin("orders", top="from pathlib import Path"))
    lab.start(hot_reload=True)
    outcome = lab.running.outside.load("users", place)
    assert (outcome.success, outcome.plugin) == (True, "users")
    assert lab.json("/users/version")["version"] == 1
    lab.generation("users").plugin.hits = 3
    for number in range(2, 5):
        write(source, plugin("users", number))
        wait_for(lambda n=number: lab.json("/users/version")["version"] == n, "it", timeout=15)
    assert lab.json("/users/hit")["hits"] == 4
    write(source, "def broken(:\n")
    wait_for(lambda: lab.running.registry.view.plugins["users"].pending, "the refusal")
    found = lab.running.registry.view.plugins["users"].diagnostics
    assert (found[0].code, found[0].file) == ("SYN002", source.as_posix())
    assert lab.json("/users/version")["version"] == 4
    lab.save(("orders", plugin("orders", 2, top="import plugins.users")))
    assert lab.json("/orders/version")["version"] == 2


def test_it_ends_with_the_run(lab: Lab, tmp_path: Path) -> None:
    write(tmp_path / "users" / "plugin.py", plugin("users"))
    lab.start()
    assert lab.running.outside.load("users", tmp_path / "users").success
    lab.stop()
    lab.start()
    assert lab.get("/users/version").status_code == 404


def test_it_stands_instead_of_the_one_in_plugins(lab: Lab, tmp_path: Path) -> None:
    lab.write("users", plugin("users", "inside"))
    write(tmp_path / "users" / "plugin.py", plugin("users", "outside"))
    write(
        tmp_path / "bad" / "plugin.py", plugin("users", body="def initialize(self): return False")
    )
    lab.start(hot_reload=True)
    lab.generation("users").plugin.hits = 3
    failed = lab.running.outside.load("users", tmp_path / "bad")
    assert str(failed.result) == "rolled_back"
    assert lab.json("/users/version")["version"] == "inside"
    lab.write("users", plugin("users", "edited"))
    wait_for(lambda: lab.json("/users/version")["version"] == "edited", "the edit")
    assert lab.running.outside.load("users", tmp_path / "users").success
    assert lab.json("/users/version")["version"] == "outside"
    assert lab.json("/users/hit")["hits"] == 4
    control = lab.running.control
    control.unload("users")
    assert control.enable("users").success
    assert lab.json("/users/version")["version"] == "outside"
    assert control.reload("users").success
    assert lab.json("/users/version")["version"] == "outside"


def test_a_disabled_plugin_comes_back_with_it(lab: Lab, tmp_path: Path) -> None:
    lab.write("users", plugin("users"))
    write(tmp_path / "users" / "plugin.py", plugin("users", "outside"))
    lab.start()
    lab.running.control.disable("users")
    assert lab.running.outside.load("users", tmp_path / "users").success
    assert lab.json("/users/version")["version"] == "outside"


def test_what_is_no_plugin_is_told(lab: Lab, tmp_path: Path) -> None:
    lab.start()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DevServerError, match="there is no plugin in"):
        lab.running.outside.load("users", tmp_path / "empty")
    with pytest.raises(DevServerError, match="cannot be loaded"):
        lab.running.outside.load("admin", tmp_path / "empty")
    assert lab.running.registry.view.plugins == {}


def test_an_installed_distribution_offers_a_plugin(lab: Lab, installed: Path) -> None:
    write(installed / "acme" / "__init__.py", TRAP)
    write(installed / "acme" / "users" / "plugin.py", plugin("acme_users"))
    write(installed / "acme" / "single.py", plugin("single"))
    write(installed / "acme_top" / "__init__.py", plugin("top"))
    distribution(
        installed,
        "acme-users = acme.users.plugin:AcmeUsers",
        "single = acme.single",
        "top = acme_top:Top",
        "gone = acme.nothing:Gone",
        "native = math",
    )
    before = set(sys.modules)
    assert find_source("acme_users") == installed / "acme" / "users"
    assert find_source("single") == installed / "acme" / "single.py"
    assert find_source("top") == installed / "acme_top"
    for name, told in (
        ("gone", "has no source here"),
        ("native", "has no source here"),
        ("other", "no installed distribution offers"),
    ):
        with pytest.raises(DevServerError, match=told):
            find_source(name)
    assert not {m for m in set(sys.modules) - before if m.startswith("acme")}
    lab.start()
    assert lab.running.outside.load("acme-users", find_source("acme-users")).success
    assert lab.json("/acme-users/version")["version"] == 1


@pytest.fixture
def elsewhere(lab: Lab, tmp_path: Path) -> Path:
    """Where `users` is served from, though version 1.0.0 is installed in plugins/."""
    place = tmp_path / "elsewhere"
    write(place / "plugin.py", plugin("users", "outside"))
    lab.start(hot_reload=True)
    lab.running.packages.install(package())
    assert lab.running.outside.load("users", place).success
    return place


def test_packages_are_not_changed_behind_a_plugin_elsewhere(lab: Lab, elsewhere: Path) -> None:
    packages = lab.running.packages
    before = files_of(lab.root / "plugins")
    for change in (
        lambda: packages.install(package(version="2.0.0")),
        lambda: packages.install(package()),
        lambda: packages.load("users", "1.0.0"),
        lambda: packages.uninstall("users"),
    ):
        with pytest.raises(DevServerError, match=f"is served from {elsewhere}"):
            change()
    assert files_of(lab.root / "plugins") == before
    assert packages.versions("users")["versions"] == ["1.0.0"]


def test_a_plugin_elsewhere_is_served_from_plugins_again(lab: Lab, elsewhere: Path) -> None:
    row = shapes.plugin_info(lab.running.control, lab.running.registry.view.plugins["users"])
    assert row["location"] == elsewhere.as_posix()
    assert lab.running.control.load("users").success
    assert lab.json("/users/version") == {"version": "1.0.0"}
    row = shapes.plugin_info(lab.running.control, lab.running.registry.view.plugins["users"])
    assert row["location"] == "plugins/users"
    write(elsewhere / "plugin.py", plugin("users", "edited"))
    assert lab.running.packages.install(package(version="2.0.0")).success
    assert lab.json("/users/version") == {"version": "2.0.0"}


def test_a_plugin_that_stands_only_elsewhere_has_nothing_to_go_back_to(
    lab: Lab, tmp_path: Path
) -> None:
    write(tmp_path / "elsewhere" / "plugin.py", plugin("users"))
    lab.start()
    lab.running.outside.load("users", tmp_path / "elsewhere")
    with pytest.raises(DevServerError, match="no plugins/users to go back to"):
        lab.running.control.load("users")
    assert lab.json("/users/version")["version"] == 1


def test_what_vanishes_elsewhere_is_served_from_plugins(lab: Lab, elsewhere: Path) -> None:
    shutil.rmtree(elsewhere)
    wait_for(lambda: lab.json("/users/version") == {"version": "1.0.0"}, "plugins/users")
