"""The operator's word for each plugin: kept in the store, and remembered."""

from __future__ import annotations

from collections.abc import Iterable

from devserver.core.errors import DatabaseUnavailable
from devserver.core.lifecycle import DesiredState, PluginStatus
from devserver.core.names import normalise
from devserver.reload.catalog import Reading
from devserver.reload.keeping import Keeper
from devserver.runtime.registry import PluginRecord
from devserver.store.records import StoredPlugin
from devserver.store.store import Store


class Desired:
    """Reads the store once, at `open`. While the store cannot be used the words are remembered
    for as long as the server runs, and kept by `keeper` as soon as it can be. `unspoken` stands
    where there is no word yet."""

    def __init__(
        self, store: Store, keeper: Keeper, *, unspoken: DesiredState = DesiredState.ACTIVE
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._unspoken = unspoken
        self._words: dict[str, DesiredState] = {}
        self._seen: dict[str, StoredPlugin] = {}

    def open(self) -> str | None:
        """Reads the words of earlier runs; gives what went wrong."""
        if self._store.problem is not None:
            return None  # it has been told
        try:
            self._seen = self._store.records.all()
        except DatabaseUnavailable as error:
            return error.message
        self._words = {key: plugin.status for key, plugin in self._seen.items()}
        return None

    def overlooked(self) -> tuple[str, ...]:
        """Names of the plugins that earlier runs disabled, but not this one, which could not know:
        for a database that can be used later than at the start. Raises DatabaseUnavailable."""
        kept = self._store.records.all()
        return tuple(
            one.name
            for key, one in sorted(kept.items())
            if one.status is DesiredState.INACTIVE and key not in self._words
        )

    def say_anew(self) -> None:
        """Everything that is known goes into a database that knows nothing of it."""
        seen, self._seen = self._seen, {}
        names = {key: one.name for key, one in seen.items()}
        self._keeper.say_later({names.get(key, key): word for key, word in self._words.items()})

    def withholds(self, key: str) -> bool:
        """True for a plugin that the operator keeps out of service."""
        return self._words.get(key, self._unspoken) is DesiredState.INACTIVE

    def record_of(self, reading: Reading) -> PluginRecord:
        """The record of a plugin that is there but not to be loaded."""
        if reading.candidate is None:
            raise AssertionError("what is not there has no record")
        return PluginRecord(
            name=reading.candidate.name,
            status=PluginStatus.DISABLED,
            desired=DesiredState.INACTIVE,
            reason="disabled by the operator",
            manifest=reading.candidate.manifest,
        )

    def say(self, names: Iterable[str], status: DesiredState) -> DatabaseUnavailable | None:
        """Keeps the operator's word for these plugins; gives why it is only remembered for this
        run so far, if it is."""
        names = tuple(names)
        self._words.update((normalise(name), status) for name in names)
        try:
            self._keeper.say(dict.fromkeys(names, status))
        except DatabaseUnavailable as error:
            return error
        return None

    def see(self, records: Iterable[PluginRecord]) -> str | None:
        """Notes plugins that went live; gives why they are not kept, if they are not."""
        seen = {r.key: _seen(r) for r in records if r.generation is not None}
        new = [one for key, one in seen.items() if self._facts(key) != _facts(one)]
        if not new or self._store.problem is not None:
            return None
        try:
            self._store.records.see(new)
        except DatabaseUnavailable as error:
            return f"the records of {len(new)} plugins were not kept: {error.message}"
        self._seen.update(seen)
        return None

    def _facts(self, key: str) -> tuple[object, ...]:
        known = self._seen.get(key)
        return () if known is None else _facts(known)


def _seen(record: PluginRecord) -> StoredPlugin:
    manifest = record.manifest
    return StoredPlugin(
        name=record.name,
        version=record.version,
        description=manifest.description,
        is_core=manifest.is_core is True,
    )


def _facts(plugin: StoredPlugin) -> tuple[object, ...]:
    return plugin.name, plugin.version, plugin.description, plugin.is_core
