"""What code sees of other plugins while candidates are being staged and activated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from devserver.runtime.modules import ModuleTable
from devserver.runtime.registry import Registry
from devserver.runtime.system import PluginSystem


class PeerTables:
    """Which module table of another plugin a new generation sees: a candidate's while the
    transaction runs, the live one's afterwards."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.staged: Mapping[str, ModuleTable] = {}
        self.removed: frozenset[str] = frozenset()

    def __call__(self, key: str) -> ModuleTable | None:
        if key in self.removed:
            return None
        table = self.staged.get(key)
        if table is not None:
            return table
        generation = self._registry.view.generation(key)
        return None if generation is None else generation.table

    def settle(self) -> None:
        """The transaction is over; nothing of it is held any longer."""
        self.staged, self.removed = {}, frozenset()


class Exposure:
    """While plugin code of candidates runs, imports through sys.modules find candidates."""

    def __init__(
        self, system: PluginSystem, old: list[ModuleTable], new: list[ModuleTable]
    ) -> None:
        self._system = system
        self._old = old
        self._new = {t.key: t for t in new}
        self._modules = _exposed_instead(old, new)

    def __enter__(self) -> None:
        self._system.surroundings.veil(self._old)
        self._system.staging(self._new)
        self._modules.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._modules.__exit__(*error)
        self._system.staging({})
        self._system.surroundings.unveil(self._old)


@contextmanager
def _exposed_instead(
    concealed: Sequence[ModuleTable], exposed: Sequence[ModuleTable]
) -> Iterator[None]:
    """For the time of the block sys.modules shows `exposed` and not `concealed`."""
    for table in concealed:
        table.conceal()
    for table in exposed:
        table.expose()
    try:
        yield
    finally:
        for table in exposed:
            table.conceal()
        for table in concealed:
            table.expose()
