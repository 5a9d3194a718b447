"""A plugin that misses a module of the environment goes live when that is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from devserver.reload import missing_modules
from tests.integration.lab import Lab, plugin, wait_for

STATIC = "import brand_new_module"
DYNAMIC = "import importlib\nimportlib.import_module('brand_new_module')"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that modules are installed into."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(missing_modules, "_LOOK", 0.05)
    return folder


def refused(lab: Lab, top: str) -> None:
    outcome = lab.save(("users", plugin("users", 2, top=top)))
    assert outcome is not None
    assert not outcome.success
    assert "brand_new_module" in (outcome.error or "")


@pytest.mark.parametrize("top", [STATIC, DYNAMIC], ids=["static", "dynamic"])
def test_it_goes_live_by_itself(lab: Lab, site: Path, top: str) -> None:
    lab.write("users", plugin("users", 1))
    lab.start()
    refused(lab, top)
    assert lab.json("/users/version")["version"] == 1
    (site / "other.py").touch()
    (site / "brand_new_module.py").touch()
    wait_for(lambda: lab.json("/users/version")["version"] == 2, "the new version")
    # One entry of the history, which now tells that it went well.
    assert [o.success for o in lab.running.journal.outcomes()] == [True]
    assert lab.running.registry.view.plugins["users"].diagnostics == ()


def test_one_that_could_not_start_does_too(lab: Lab, site: Path) -> None:
    lab.write("users", plugin("users", 1, top=STATIC))
    lab.start()
    assert lab.get("/users/version").status_code == 503
    package = site / "brand_new_module"
    package.mkdir()
    (package / "__init__.py").touch()
    wait_for(lambda: lab.get("/users/version").status_code == 200, "the plugin")
