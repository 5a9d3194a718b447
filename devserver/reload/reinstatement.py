"""Puts generations that stood by back into service."""

from __future__ import annotations

from dataclasses import replace

from devserver.core.errors import DatabaseUnavailable
from devserver.core.lifecycle import PluginStatus
from devserver.core.settings import Settings
from devserver.reload.catalog import Catalog
from devserver.reload.probation import Period
from devserver.runtime.breakpoints import follow_breakpoints
from devserver.runtime.hold import hold_all, release, wait_drained
from devserver.runtime.registry import PluginRecord
from devserver.runtime.shown_source import show_source
from devserver.runtime.system import PluginSystem


def reinstate(
    period: Period, *, system: PluginSystem, catalog: Catalog, settings: Settings, reason: str
) -> list[str]:
    """The old generations serve again, the same objects as before their commit; requests are
    treated as in any swap. Gives what is worth a note."""
    new, old = list(period.live), list(period.gone)
    hold = hold_all(new)
    stragglers, _ = wait_drained(
        hold,
        new,
        drain_timeout=settings.reload.drain_timeout,
        wait_limit=settings.reload.timeout,
    )
    notes = [f"let go while still running: {f.told()}" for f in stragglers]
    for generation in new:
        system.patches.suspend(generation)
        generation.host.cancel_tasks()
        generation.table.conceal()
    for generation in old:
        system.patches.resume(generation)
        generation.table.expose()
        generation.hold = None
    gone, shown = [g.table for g in new], [g.table for g in old]
    show_source(shown, gone=gone)
    if settings.development_in_force.preserve_breakpoints:
        notes += follow_breakpoints(gone, shown)
    _hand_back(period, system)
    try:
        system.values.put(period.overrides)
    except DatabaseUnavailable as error:
        notes.append(f"the former configuration could not be kept: {error.message}")
    for generation in old:
        catalog.put(generation.key, generation.candidate, generation.table.imported)
    records = [_record(period, key, system, reason) for key in sorted({g.key for g in new + old})]
    system.registry.publish(*records, edges=catalog.edges())
    for generation in old:
        generation.host.restart_tasks()
    release(hold, new, replaced=True)
    return notes


def _record(period: Period, key: str, system: PluginSystem, reason: str) -> PluginRecord:
    now = system.registry.view.find(key)
    before = period.before.get(key)
    if before is None or before.generation is None:
        assert now is not None, "what is on probation without a predecessor has a record"
        return replace(now, status=PluginStatus.FAILED, generation=None, reason=reason)
    number = before.generation_number if now is None else now.generation_number
    return replace(before, generation_number=number, reason=reason)


def _hand_back(period: Period, system: PluginSystem) -> None:
    """What passed on to a successor at its commit is the predecessor's again."""
    successors = {g.key: g for g in period.live}
    for old in period.gone:
        new = successors.get(old.key)
        if new is not None:
            system.surroundings.hand_over(new.table, old.table)
