"""What a host keeps: its store, opened at the start, and everything that goes into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from devserver.core.errors import DatabaseUnavailable
from devserver.core.lifecycle import DesiredState
from devserver.packages.records import PackageRecords
from devserver.reload.desired import Desired
from devserver.reload.journal import Journal
from devserver.reload.keeping import Keeper
from devserver.reload.recorder import Recorder
from devserver.reload.words import Words
from devserver.runtime.host_settings import read_host_settings
from devserver.runtime.project import Project
from devserver.runtime.system import PluginSystem
from devserver.store.address import find_address
from devserver.store.plugin_schema import StoredSchema
from devserver.store.sources import GoodVersion
from devserver.store.store import Store


class Keeping:
    """While the store cannot be used, nothing is kept beyond the run, and that is said.

    `database` is a URL in place of the configured one; "" is for a host that has none at all.

    Raises BadAddress for a database URL that is none.
    """

    def __init__(
        self,
        project: Project,
        *,
        system: PluginSystem,
        journal: Journal,
        instance: str,
        recorder: Recorder,
        development: Callable[[], bool],
        database: str | None = None,
        unspoken: DesiredState = DesiredState.ACTIVE,
    ) -> None:
        self._project = project
        self._system = system
        self._journal = journal
        self._recorder = recorder
        self._development = development
        if database is None:
            address = find_address(project.root, read_host_settings(project.root).database)
        else:
            address = find_address(project.root, {"url": database}, {})
        self._is_wanted = database != ""
        self.store = Store(address, never=None if self._is_wanted else _not_wanted())
        self.keeper = Keeper(
            instance=instance,
            history=self.store.history,
            sources=self.store.sources,
            words=Words(self.store.records),
            tell=self._tell,
        )
        self.desired = Desired(self.store, self.keeper, unspoken=unspoken)

    def open(self) -> None:
        """Brings the database up to date; what plugins set and do goes there from now on. One
        that cannot be used yet is tried again."""
        self._system.database = self.store.work
        self._system.schema = StoredSchema(
            self.store.database, root=self._project.root, development=self._development
        )
        if not self._is_wanted:
            return
        problem = self.store.open()
        self.store.on_ready = self._became_ready
        if problem is not None:
            self._warn(f"nothing is kept beyond this run: {problem.message}", problem.hint)
        else:
            self._system.values.keep_in(self.store.values)
        try:
            self._journal.continue_with(self.store.history, self.keeper)
        except DatabaseUnavailable as error:
            if problem is None:
                self._warn(error.message, error.hint)

    def put_versions(self, versions: Sequence[GoodVersion]) -> None:
        """Keeps sources that went live."""
        if not self._is_wanted:
            return
        self.keeper.put_versions(versions)

    def package_records(self) -> PackageRecords | None:
        """Where it is kept what is installed; None while that cannot be."""
        return None if self.store.problem is not None else PackageRecords(self.store.database)

    def close(self, timeout: float) -> None:
        """Writes what is left, for `timeout` seconds at most."""
        self.keeper.stop(timeout)
        self.store.close()

    def _became_ready(self, replaced: bool) -> None:
        """The database can be used, later than at the start, or is another one than before."""
        database = self.store.database.address
        if replaced:
            self.desired.say_anew()
            self._warn(
                f"the database file of {database} was replaced: the operator's words are written "
                "anew, what else was in it is gone",
                "`sysctl plugins reload --all` makes the tables of plugins again",
            )
            return
        self._tell(
            "info",
            f"the database {database} can be used now: words, history and ctx.db; what plugins "
            "set is kept from the next start on",
            "`sysctl plugins reload NAME` loads a plugin that failed for it",
        )
        if names := self.desired.overlooked():
            self._warn(
                f"{', '.join(names)}: disabled in an earlier run, which could not be read at the "
                "start, and serving in this one",
                "`sysctl plugins disable NAME` takes it out of service",
            )

    def _warn(self, message: str, hint: str | None) -> None:
        self._tell("warning", message, hint)

    def _tell(self, level: str, message: str, hint: str | None) -> None:
        self._recorder.notice(level, message, hint=hint)


def _not_wanted() -> DatabaseUnavailable:
    return DatabaseUnavailable(
        "this test host has no database",
        hint="ask for one: `database = True` in the PluginTestCase, or "
        "@pytest.mark.plugin_host(database=True)",
    )
