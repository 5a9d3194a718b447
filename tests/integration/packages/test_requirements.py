"""What a package requires is installed as wheels into a virtual environment, or not at all."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from devserver.packages.refusal import PackageRefused
from devserver.packages.requirements import Installer, Needed, needed_by
from tests.integration.lab import Lab
from tests.integration.packages.zips import Entry, package


def wheel(folder: Path, name: str, version: str, requires: Sequence[str] = ()) -> None:
    """Writes a wheel of a module that has nothing in it."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    lines = [f"{path},{_digest(text)},{len(text)}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        for path, text in files.items():
            file.writestr(path, text)


def _digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return f"sha256={base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip finds anything."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PATH", os.defpath)  # no uv
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """The interpreter of an empty virtual environment."""
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


def distributions(python: Path) -> dict[str, str]:
    found = Installer(python)._distributions()
    return {name: version for name, version in found.items() if name not in ("pip", "setuptools")}


def missing(*requirements: str) -> list[Needed]:
    return [Needed(requirement=Requirement(one), problem="not there") for one in requirements]


def test_wheels_come_with_what_they_need(wheels: Path, environment: Path) -> None:
    wheel(wheels, "alpha_thing", "1.2", ["beta_thing>=1"])
    wheel(wheels, "beta_thing", "1.0")
    with Installer(environment).installed(missing("alpha_thing>=1")) as came:
        assert came == ["alpha_thing", "beta_thing"]
    assert distributions(environment) == {"alpha_thing": "1.2", "beta_thing": "1.0"}


def test_what_came_goes_when_the_rest_fails(wheels: Path, environment: Path) -> None:
    wheel(wheels, "alpha_thing", "1.2", ["beta_thing"])
    wheel(wheels, "beta_thing", "1.0")
    with (
        pytest.raises(RuntimeError, match="the rest"),
        Installer(environment).installed(missing("alpha_thing")),
    ):
        raise RuntimeError("the rest")
    assert distributions(environment) == {}


def test_what_is_installed_is_never_changed(wheels: Path, environment: Path) -> None:
    wheel(wheels, "alpha_thing", "1.0")
    with Installer(environment).installed(missing("alpha_thing")):
        pass
    wheel(wheels, "alpha_thing", "2.0")
    wheel(wheels, "beta_thing", "1.0")
    with (
        pytest.raises(PackageRefused) as refused,
        Installer(environment).installed(missing("beta_thing", "alpha_thing>=2")),
    ):
        raise AssertionError
    assert [d.code for d in refused.value.diagnostics] == ["PKG018"]
    assert distributions(environment) == {"alpha_thing": "1.0"}


def test_source_distributions_are_not_built(wheels: Path, environment: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("alpha_thing-1.0/setup.py", "raise SystemExit('executed')")
    (wheels / "alpha_thing-1.0.zip").write_bytes(made.getvalue())
    with (
        pytest.raises(PackageRefused, match="cannot be installed as wheels") as refused,
        Installer(environment).installed(missing("alpha_thing")),
    ):
        raise AssertionError
    assert "executed" not in refused.value.message


def test_nothing_is_installed_outside_of_a_virtual_environment(
    wheels: Path, tmp_path: Path
) -> None:
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    with (
        pytest.raises(PackageRefused, match="no virtual environment"),
        Installer(base).installed(missing("alpha_thing")),
    ):
        raise AssertionError


def test_uv_is_used_where_it_is(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, folder = tmp_path / "calls", tmp_path / "bin"
    folder.mkdir()
    (folder / "uv").write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    (folder / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.defpath}")
    with Installer(environment).installed(missing("alpha_thing>=1")):
        pass
    told = calls.read_text()
    assert told.startswith(f"pip install --python {environment} --only-binary :all: --constraint ")
    assert told.endswith(" alpha_thing>=1\n")


def test_requirements_that_are_there_need_nothing(tmp_path: Path) -> None:
    found = needed_by("flask>=1  # web\n\n# nothing\nnot-for-us>=1; python_version<'3'\n")
    assert [(str(n.requirement), n.problem) for n in found] == [("flask>=1", None)]
    with Installer(tmp_path / "no-python").installed(found) as came:
        assert came == []


class Recorded(Installer):
    """Takes note instead of installing."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[str]] = []

    def _distributions(self) -> dict[str, str]:
        return {}

    def _run(self, deed: str, *words: str) -> subprocess.CompletedProcess[str]:
        self.calls.append([deed, *words])
        return subprocess.CompletedProcess([], 1, "", "ERROR: no such thing anywhere")


@pytest.mark.parametrize("how", ["asked for", "by the settings", "not at all"])
def test_requirements_are_installed_when_that_is_allowed(lab: Lab, how: str) -> None:
    if how == "by the settings":
        lab.settings("development: {auto_install_deps: true}")
    lab.start()
    packages = lab.running.packages
    recorded = packages._installer = Recorded()
    content = package(Entry("users/requirements.txt", b"no-such-thing>=1\nflask\n"))
    with pytest.raises(PackageRefused) as refused:
        packages.install(content, install_requirements=how == "asked for")
    assert [d.code for d in refused.value.diagnostics] == ["PKG018"]
    asked = [call[0] for call in recorded.calls]
    assert asked == ([] if how == "not at all" else ["install"])
    if recorded.calls:
        assert "no such thing anywhere" in refused.value.message
        assert recorded.calls[0][-1] == "no-such-thing>=1"
    assert not (lab.root / "plugins" / "users").exists()


def test_json_of_a_preview_can_be_written(lab: Lab) -> None:
    lab.start()
    content = package(Entry("users/requirements.txt", b"flask\n"))
    json.dumps(lab.running.packages.preview(content).to_json())
