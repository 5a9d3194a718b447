"""Packages travel through the database with their hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select, update

from devserver.cluster.packages import PackageDamaged, keep_package
from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.errors import DevServerError
from devserver.core.outcome import Outcome, Result
from devserver.packages.refusal import PackageRefused
from devserver.store.tables import packages
from tests.integration.cluster.conftest import Start
from tests.integration.cluster.fakes import ids


@dataclass(frozen=True)
class Done:
    outcome: Outcome


class Shelf:
    """Stands for the installer; `refuses` is raised instead."""

    def __init__(self) -> None:
        self.installed: list[bytes] = []
        self.known: list[str] = []
        self.allowed = (False, False)
        self.refuses: DevServerError | None = None

    def versions(self, name: str) -> dict[str, Any]:
        return {"name": name, "current": None, "versions": self.known}

    def install(
        self, content: bytes, *, force: bool, install_requirements: bool, trigger: str
    ) -> Done:
        assert trigger == "group"
        self.allowed = (force, install_requirements)
        if self.refuses is not None:
            raise self.refuses
        self.installed.append(content)
        return Done(
            Outcome(plugin="mail", plugins=("mail",), result=Result.RELOADED, message="there")
        )


def test_a_package_is_installed_everywhere(start: Start) -> None:
    shelves = [Shelf(), Shelf()]
    group = [start(1, installer=shelf)[0] for shelf in shelves]
    report = group[0].group.install("mail", "1.2.0", b"a zip")
    assert report["success"]
    assert ids(report["converged"]) == [i.id for i in group]
    assert [shelf.installed for shelf in shelves] == [[b"a zip"]] * 2
    with group[0].database.read() as connection:
        (kept,) = connection.execute(select(packages)).all()
    assert kept.sha256 == hashlib.sha256(b"a zip").hexdigest()
    assert (kept.name, kept.version, kept.content) == ("mail", "1.2.0", b"a zip")


def test_a_new_instance_gets_the_newest_package(start: Start) -> None:
    (first,) = start(1, installer=Shelf())
    for version in ("1.2.0", "1.3.0"):
        assert first.group.install("mail", version, version.encode())["success"]
    late = Shelf()
    start(1, installer=late)
    assert late.installed == [b"1.3.0"]


def test_what_was_installed_here_before_is_left_as_it_is(start: Start) -> None:
    (first,) = start(1, installer=Shelf())
    first.group.install("mail", "1.2.0", b"a zip")
    again = Shelf()
    again.known = ["1.2.0", "1.3.0"]
    (instance,) = start(1, installer=again)
    assert again.installed == []
    assert instance.row()["revision"] == 1


def test_a_package_that_is_not_the_announced_one_is_refused(start: Start) -> None:
    shelves = [Shelf(), Shelf()]
    group = [start(1, installer=shelf)[0] for shelf in shelves]
    group[0].group.install("mail", "1.2.0", b"a zip")
    with group[0].database.write() as connection:
        connection.execute(update(packages).values(content=b"another"))
    options = {"version": "1.2.0", "sha256": hashlib.sha256(b"a zip").hexdigest()}
    report = group[0].group.ask("mail", "install", options=options, policy="continue")
    assert ids(report["failed"]) == [i.id for i in group]
    assert "not the one that was announced" in report["failed"][0]["message"]
    assert [shelf.installed for shelf in shelves] == [[b"a zip"]] * 2


def test_a_version_is_never_replaced_by_other_content(start: Start) -> None:
    shelf = Shelf()
    (first,) = start(1, installer=shelf)
    first.group.install("mail", "1.2.0", b"a zip")
    with pytest.raises(PackageDamaged, match=r"mail 1\.2\.0 is in the database with other"):
        first.group.install("mail", "1.2.0", b"another")
    assert first.group.shown()["revision"] == 1
    assert shelf.installed == [b"a zip"]
    assert first.group.install("mail", "1.2.0", b"another", allowed={"force": True})["success"]
    assert shelf.installed == [b"a zip", b"another"]


def test_what_is_allowed_is_allowed_on_every_instance(start: Start) -> None:
    shelves = [Shelf(), Shelf()]
    group = [start(1, installer=shelf)[0] for shelf in shelves]
    group[0].group.install("mail", "1.0.0", b"a zip")
    assert [shelf.allowed for shelf in shelves] == [(False, False)] * 2
    allowed = {"force": True, "install_requirements": True}
    group[0].group.install("mail", "1.2.0", b"a zip", allowed=allowed)
    assert [shelf.allowed for shelf in shelves] == [(True, True)] * 2


@pytest.mark.parametrize("is_forgotten", [True, False])
def test_a_package_that_nobody_could_install_makes_way_for_the_corrected_one(
    start: Start, is_forgotten: bool
) -> None:
    shelf = Shelf()
    shelf.refuses = DevServerError("boom")
    (first,) = start(1, installer=shelf)
    assert first.group.install("mail", "1.2.0", b"broken")["failed"]
    with first.database.read() as connection:
        assert connection.execute(select(packages.c.name)).all() == []
    if not is_forgotten:  # whoever asked was killed meanwhile
        kept = keep_package(first.database, "mail", "1.2.0", b"broken")
        assert kept.is_new
    shelf.refuses = None
    assert first.group.install("mail", "1.2.0", b"corrected")["success"]
    assert shelf.installed == [b"corrected"]


def test_what_another_instance_has_installed_stays_when_it_fails_here(start: Start) -> None:
    good, bad = Shelf(), Shelf()
    bad.refuses = DevServerError("boom")
    (first,) = start(1, installer=good)
    start(1, installer=bad)
    report = first.group.install("mail", "1.2.0", b"a zip")
    assert (len(report["converged"]), len(report["failed"])) == (1, 1)
    with pytest.raises(PackageDamaged):
        first.group.install("mail", "1.2.0", b"another")
    with first.database.read() as connection:
        assert connection.scalar(select(packages.c.content)) == b"a zip"


def test_a_package_that_is_not_there_is_named(start: Start) -> None:
    (first,) = start(1, installer=Shelf())
    options = {"version": "1.2.0", "sha256": "0" * 64}
    report = first.group.ask("mail", "install", options=options)
    assert "holds no package mail 1.2.0" in report["failed"][0]["message"]


def test_a_package_that_validation_refuses_is_rejected(start: Start) -> None:
    shelf = Shelf()
    reason = Diagnostic(code="PKG001", severity=Severity.ERROR, message="a link in it")
    shelf.refuses = PackageRefused([reason])
    (first,) = start(1, installer=shelf)
    report = first.group.install("mail", "1.2.0", b"a zip")
    assert report["failed"][0]["result"] == "rejected"
    assert "a link in it" in report["failed"][0]["message"]


def test_an_instance_that_cannot_install_says_so(start: Start) -> None:
    (first,) = start(1)
    report = first.group.install("mail", "1.2.0", b"a zip")
    assert report["failed"][0]["message"] == "this instance cannot install packages"
