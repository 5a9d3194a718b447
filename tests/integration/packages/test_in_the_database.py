"""What is installed is in the database with its archive: others fetch it from there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import update

from devserver.core.errors import DevServerError
from devserver.packages.records import PackageRecords, StoredPackage
from devserver.packages.refusal import PackageRefused
from devserver.store.database import Database
from devserver.store.tables import packages as table
from devserver.store.upgrade import upgrade
from tests.integration.lab import Lab
from tests.integration.packages.zips import package


@pytest.fixture
def connected(lab: Lab, database_url: str) -> Lab:
    """A project that uses the database."""
    lab.write("/config/main.yaml", f"database:\n  url: {database_url}\n")
    return lab


@pytest.fixture
def records(database: Database) -> PackageRecords:
    """The table alone."""
    upgrade(database)
    return PackageRecords(database)


def stored(lab: Lab) -> list[tuple[str, str]]:
    found = PackageRecords(lab.running.store.database).all()
    return [(p.name, p.version) for p in found]


def test_a_package_is_kept_with_its_content(records: PackageRecords) -> None:
    one = StoredPackage(name="my-users", version="1.0", sha256=_sha(b"x"), content=b"x")
    records.put(one)
    records.put(one)
    assert records.find("my_users", "1.0.0") == one
    assert records.find("my_users", "2.0") is None
    assert [p.version for p in records.all()] == ["1.0"]
    records.forget("my_users")
    assert records.all() == []


def test_content_that_is_not_what_was_installed_is_refused(
    records: PackageRecords, database: Database
) -> None:
    records.put(StoredPackage(name="users", version="1.0", sha256=_sha(b"x"), content=b"x"))
    with database.write() as connection:
        connection.execute(update(table).values(content=b"y"))
    with pytest.raises(PackageRefused) as refused:
        records.find("users", "1.0")
    assert [d.code for d in refused.value.diagnostics] == ["PKG019"]


def test_installed_versions_are_noted_and_forgotten(connected: Lab) -> None:
    connected.start()
    packages = connected.running.packages
    packages.install(package())
    packages.install(package(version="2.0.0"))
    packages.install(package(version="3.0.0", tail="\n    def initialize(self): return False\n"))
    assert stored(connected) == [("users", "1.0.0"), ("users", "2.0.0")]
    packages.uninstall("users")
    assert stored(connected) == []


def test_another_instance_fetches_a_version(connected: Lab, tmp_path: Path) -> None:
    connected.start()
    connected.running.packages.install(package())
    other = Lab(tmp_path / "other")
    other.write("/config/main.yaml", connected.path("/config/main.yaml").read_text())
    other.start()
    try:
        done = other.running.packages.load("users", "1.0")
        assert (done.success, done.version) == (True, "1.0.0")
        assert other.json("/users/version") == {"version": "1.0.0"}
        with pytest.raises(DevServerError, match="has no version"):
            other.running.packages.load("users", "2.0")
    finally:
        other.stop()


def test_what_could_not_be_noted_is_caught_up_with(lab: Lab, database_url: str) -> None:
    lab.write("/config/main.yaml", "database:\n  url: postgresql://nobody@127.0.0.1:1/no\n")
    lab.start()
    done = lab.running.packages.install(package())
    assert done.success
    assert any("not noted in the database" in note for note in done.notes)
    assert lab.json("/users/version") == {"version": "1.0.0"}
    lab.stop()
    lab.write("/config/main.yaml", f"database:\n  url: {database_url}\n")
    lab.start()
    assert stored(lab) == [("users", "1.0.0")]
    found = PackageRecords(lab.running.store.database).find("users", "1.0.0")
    assert found is not None
    assert found.content == package()


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
