"""Store: everything that is kept, over one database."""

from __future__ import annotations

from collections.abc import Callable

from devserver.core.errors import DatabaseUnavailable
from devserver.store.address import Address
from devserver.store.database import Database
from devserver.store.history import History
from devserver.store.records import Records
from devserver.store.sources import Sources
from devserver.store.upgrade import upgrade
from devserver.store.values import PluginValues
from devserver.store.work import WorkConnections


class Store:
    """What the host keeps. The core tables are brought up to date before anything else is done
    with the database, also when it can be used later than at the start, or when its file is
    replaced while it is used: then `on_ready(replaced)` is called, which must be quick and must
    not raise. With `never` it cannot be used, for that reason, and nothing is touched."""

    def __init__(self, address: Address, *, never: DatabaseUnavailable | None = None) -> None:
        self.database = Database(address, prepare=self._prepare, never=never)
        self.records = Records(self.database)
        self.values = PluginValues(self.database)
        self.history = History(self.database)
        self.sources = Sources(self.database)
        self.work = WorkConnections(self.database)
        self.on_ready: Callable[[bool], None] = lambda _replaced: None

    @property
    def problem(self) -> DatabaseUnavailable | None:
        """Why it could not be used when that was tried last; None when it could, or was not."""
        return self.database.problem

    def open(self) -> DatabaseUnavailable | None:
        """Brings the core tables up to date; gives why it cannot be used, if it cannot."""
        try:
            self.insist()
        except DatabaseUnavailable as error:
            return error
        return None

    def insist(self) -> Store:
        """Itself, when it can be used. Raises DatabaseUnavailable."""
        self.database.engine()
        return self

    def close(self) -> None:
        """Closes every connection."""
        self.database.close()

    def _prepare(self, database: Database, replaced: bool) -> None:
        upgrade(database)
        self.on_ready(replaced)
