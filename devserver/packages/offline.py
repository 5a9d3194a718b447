"""Packages of a project without a running server: what stands there is loaded at its next start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from devserver.core.diagnostics import Diagnostic
from devserver.core.outcome import Outcome, Result
from devserver.core.settings import Settings
from devserver.core.source import PluginSource
from devserver.packages.judging import validate_dependents
from devserver.packages.records import PackageRecords
from devserver.packages.service import Packages
from devserver.runtime.host_settings import read_host_settings
from devserver.runtime.project import Project
from devserver.runtime.settings_file import read_settings
from devserver.store.address import find_address
from devserver.store.store import Store


class NobodyLive:
    """Stands where a running server would: what others need is looked after all the same."""

    def __init__(self, project: Project, *, validates: bool) -> None:
        self._project = project
        self._validates = validates

    def serves(self, source: PluginSource) -> bool:  # noqa: ARG002 - what stands there counts
        return True

    def replace(
        self,
        name: str,
        *,
        put: Callable[[], None],
        put_back: Callable[[], None],
        enable: bool = False,  # noqa: ARG002 - the operator's word stays as it is
        trigger: str = "cli",
    ) -> Outcome:
        """Has the files replaced, unless that breaks a plugin that depends on them."""
        before = self._errors(name)
        put()
        broken = tuple(d for d in self._errors(name) if d not in before)
        if broken:
            put_back()
            told = broken[0].message
            return _outcome(Result.REJECTED, name, trigger, told, broken)
        message = f"no dev server is running: {name} is as its files are at the next start"
        return _outcome(Result.UNCHANGED, name, trigger, message)

    def _errors(self, name: str) -> tuple[Diagnostic, ...]:
        if not self._validates:
            return ()
        return tuple(d for d in validate_dependents(self._project, name) if d.is_error)


def _outcome(
    result: Result,
    name: str,
    trigger: str,
    message: str,
    diagnostics: tuple[Diagnostic, ...] = (),
) -> Outcome:
    return Outcome(
        plugin=name,
        plugins=(name,),
        result=result,
        message=message,
        trigger=trigger,
        diagnostics=diagnostics,
        error=message if diagnostics else None,
    )


@contextmanager
def offline_packages(
    project: Project, *, tell: Callable[[str], None] = lambda _: None
) -> Iterator[Packages]:
    """The packages of a project that no server runs for; `tell` gets
    what one that was killed has left. Raises DevServerError for a bad
    config/main.yaml."""
    host = read_host_settings(project.root)
    settings = read_settings(project.root)[0] or Settings()
    store = Store(find_address(project.root, host.database))
    opened = store.open() is None
    packages = Packages(
        project,
        live=NobodyLive(project, validates=settings.validates),
        limits=host.packages,
        settings=lambda: settings,
        records=lambda: PackageRecords(store.database) if opened else None,
    )
    try:
        for note in packages.recover():
            tell(f"an installation did not end: {note}")
        yield packages
    finally:
        store.close()
