"""Installs packages, switches between their versions, and takes them away again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from devserver.core.diagnostics import Diagnostic, has_errors
from devserver.core.errors import DevServerError, PluginNotFound, SwitchRefused
from devserver.core.settings import Settings
from devserver.packages.book import Book
from devserver.packages.contents import Contents, read_contents
from devserver.packages.done import Done, Live, NotLive, disk_errors, nothing_done
from devserver.packages.judging import is_core, validate
from devserver.packages.places import Places
from devserver.packages.preview import Preview, preview_of
from devserver.packages.records import PackageRecords
from devserver.packages.refusal import PackageRefused, problem
from devserver.packages.requirements import Installer, Needed, needed_by, refuse_missing
from devserver.packages.shelf import Shelf
from devserver.packages.trees import digest_of, digest_of_folder
from devserver.runtime.discovery import read_source
from devserver.runtime.host_settings import PackageSettings
from devserver.runtime.project import Project
from devserver.validation.analyser import Analyser

SAME_VERSION = "PKG015"
EDITED = "PKG016"


class Packages:
    """The packages of a project. All calls may come from any thread or process; they change one
    thing at a time. `settings()` are those in force, `records()` the database's table, None
    while it cannot be used; `tell` gets what a change leaves that is in no package.
    `elsewhere` gives the place of a plugin that is served from outside of plugins/.

    Everything raises PackageRefused, and DevServerError when the disk does not let it.
    """

    def __init__(
        self,
        project: Project,
        *,
        live: Live,
        limits: PackageSettings,
        settings: Callable[[], Settings],
        records: Callable[[], PackageRecords | None],
        installer: Installer | None = None,
        tell: Callable[[str], None] = lambda _: None,
        elsewhere: Callable[[str], Path | None] = lambda _: None,
    ) -> None:
        self._project = project
        self._live = live
        self.limits = limits
        self._settings = settings
        self._book = Book(records)
        self._installer = Installer() if installer is None else installer
        self._shelf = Shelf(project)
        self._places = Places(
            project, self._shelf, live=live, settings=settings, tell=tell, elsewhere=elsewhere
        )

    def recover(self) -> list[str]:
        """Ends what killed processes left: changes that were not live yet are undone. Gives what
        is to be said of it. Cheap where there is nothing."""
        if not self._shelf.root.is_dir():
            return []
        with self._changing():
            return self._places.recover()

    def refuse(
        self, content: bytes, *, force: bool = False, install_requirements: bool = False
    ) -> None:
        """Raises what `install` would refuse without looking into the plugin's code."""
        contents = read_contents(content, self.limits, self._project)
        self._places.refuse_elsewhere(contents.name)
        self._refuse_edited(contents.name, force=force)
        self._requirements(contents, allowed=install_requirements)

    def preview(self, content: bytes) -> Preview:
        """What installing an archive would change."""
        return self._preview(read_contents(content, self.limits, self._project))

    def versions(self, name: str) -> dict[str, Any]:
        """`{name, current, versions}` of a plugin; `current` is None when it stands there with
        content of its own, or not at all. Raises PluginNotFound."""
        place, versions = self._places.find(name), self._shelf.versions(name)
        if place is None and not versions:
            raise PluginNotFound(name)
        current = None if place is None else self._shelf.holding(name, place)
        return {"name": name, "current": current, "versions": versions}

    def install(
        self,
        content: bytes,
        *,
        force: bool = False,
        install_requirements: bool = False,
        trigger: str = "api",
    ) -> Done:
        """Installs an archive and makes it live, or changes nothing.

        Content of plugins/NAME that is in no package is in the way unless `force`, which keeps
        it aside.
        """
        contents = read_contents(content, self.limits, self._project)
        with self._changing():
            self._places.refuse_elsewhere(contents.name)
            if self._is_live(contents):
                return nothing_done(contents.name, contents.version)
            self._refuse_edited(contents.name, force=force)
            needed = self._requirements(contents, allowed=install_requirements)
            try:
                with (
                    self._shelf.staged(contents.files, content) as staged,
                    self._installer.installed(needed) as came,
                ):
                    found = self._validated(staged, contents.name)
                    is_new = self._is_new(contents, staged, force=force)
                    version = contents.version if is_new else None
                    done = self._places.switch(
                        contents.name, staged, "installed", version=version, trigger=trigger
                    )
                    done.insist()
            except NotLive as failure:
                return replace(failure.done, version=contents.version)
            notes = self._book.note(contents.name, contents.version, content)
        return replace(
            done,
            version=contents.version,
            requirements=tuple(came),
            diagnostics=found,
            notes=(*done.notes, *notes),
        )

    def load(self, name: str, version: str, *, force: bool = False, trigger: str = "api") -> Done:
        """Makes an installed version live, a disabled plugin too, or changes nothing. A version
        that another instance has installed is fetched from the database.

        Raises PackageRefused; DevServerError when there is no such version.
        """
        target = self._shelf.find(name, version)
        if target is None:
            self._fetch(name, version)
        with self._changing():
            target = self._shelf.find(name, version)
            if target is None:
                raise self._no_version(name, version)
            self._places.refuse_elsewhere(name)
            self._refuse_edited(name, force=force)
            spelt = target.parent.parent.name
            done = self._places.switch(spelt, target, "loaded", enable=True, trigger=trigger)
        return replace(done, version=target.parent.name)

    def uninstall(self, name: str, *, force: bool = False, trigger: str = "api") -> Done:
        """Takes a plugin that came in packages away, with all versions, or changes nothing.

        Raises PluginNotFound, PackageRefused, SwitchRefused for a core plugin, DevServerError
        for one that came in no package.
        """
        with self._changing():
            versions, place = self._shelf.versions(name), self._places.find(name)
            if not versions:
                if place is None:
                    raise PluginNotFound(name)
                raise DevServerError(
                    f"plugin {name!r} was not installed from a package",
                    hint=f"it is yours: delete {self._project.relative(place)}",
                )
            self._places.refuse_elsewhere(name)
            self._refuse_edited(name, force=force)
            if place is not None and is_core(self._project, place):
                told = f"plugin {name!r} was not uninstalled: it is a core plugin"
                hint = "a core plugin always runs; a version that is none can be installed first"
                raise SwitchRefused(told, hint=hint, reasons=("it is a core plugin",))
            done = self._places.switch(name, None, "uninstalled", trigger=trigger)
            if not done.success:
                return done
            for version in versions:
                self._shelf.take_away(name, version)
            notes = self._book.forget(name)
        return replace(done, version=done.previous or versions[-1], notes=(*done.notes, *notes))

    def record_missing(self) -> None:
        """Has the database know every version that is here: it may have been out of reach when
        one was installed. Raises DatabaseUnavailable."""
        self._book.catch_up(self._shelf)

    # -- the parts of it -----------------------------------------------------------------------

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One change at a time."""
        with disk_errors(), self._shelf.locked():
            yield

    def _preview(self, contents: Contents) -> Preview:
        place = self._places.find(contents.name)
        installed = None if place is None else self._shelf.holding(contents.name, place)
        source = None if place is None else read_source(self._project, place)
        stands = None if source is None else Analyser(None).analyse(source)
        return preview_of(
            contents,
            place=place,
            installed=installed,
            stands=stands,
            needed=needed_by(contents.requirements),
        )

    def _is_live(self, contents: Contents) -> bool:
        """Whether this very content of this version stands there already, and runs."""
        place = self._places.find(contents.name)
        there = self._shelf.find(contents.name, contents.version)
        if place is None or there is None:
            return False
        if {digest_of_folder(place), digest_of_folder(there)} != {digest_of(contents.files)}:
            return False
        source = read_source(self._project, place)
        return source is not None and self._live.serves(source)

    def _refuse_edited(self, name: str, *, force: bool) -> None:
        place = self._places.find(name)
        if place is None or force or self._shelf.holding(name, place) is not None:
            return
        where = self._project.relative(place)
        brought = self._shelf.versions(name)
        told = "was edited since it was installed" if brought else "came in no package"
        hint = "`--force` keeps it aside under instance/packages/.kept and goes on"
        raise PackageRefused(
            [problem(EDITED, f"{where} {told}", hint, file=where)], what=f"plugin {name!r}"
        )

    def _requirements(self, contents: Contents, *, allowed: bool) -> list[Needed]:
        needed = needed_by(contents.requirements)
        if not (allowed or self._settings().development_in_force.auto_install_deps):
            refuse_missing(needed)
        return needed

    def _validated(self, staged: Path, name: str) -> tuple[Diagnostic, ...]:
        if not self._settings().validates:
            return ()
        found = validate(self._project, staged, name)
        if has_errors(found):
            raise PackageRefused(found)
        return found

    def _is_new(self, contents: Contents, staged: Path, *, force: bool) -> bool:
        """Whether the shelf does not have this content. Raises PackageRefused when it has another
        one as this version, unless `force` replaces that."""
        name, version = contents.name, contents.version
        there = self._shelf.find(name, version)
        if there is not None and digest_of_folder(there) == digest_of_folder(staged):
            return False
        if there is not None and not force:
            told = f"version {version} of {name} is installed with other content"
            hint = "give the new content a version of its own, or use --force"
            raise PackageRefused([problem(SAME_VERSION, told, hint)])
        return True

    def _fetch(self, name: str, version: str) -> None:
        """Puts a version from the database on the shelf. Raises DevServerError where there is
        none."""
        content = self._book.find(name, version)
        if content is None:
            raise self._no_version(name, version)
        contents = read_contents(content, self.limits, self._project)
        with self._changing(), self._shelf.staged(contents.files, content) as staged:
            self._validated(staged, contents.name)
            if self._shelf.find(contents.name, contents.version) is None:
                self._shelf.put(staged, contents.name, contents.version)

    def _no_version(self, name: str, version: str) -> DevServerError:
        known = self._shelf.versions(name)
        if not known and self._places.find(name) is None:
            return PluginNotFound(name)
        told = f"installed are {', '.join(known)}" if known else "it came in no package"
        return DevServerError(f"plugin {name!r} has no version {version!r}", hint=told)
