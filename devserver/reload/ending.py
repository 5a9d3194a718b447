"""The two ends of a transaction: the commit, and the roll back."""

from __future__ import annotations

import contextvars
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from devserver.core.diagnostics import Diagnostic
from devserver.core.errors import PluginHookFailed
from devserver.core.lifecycle import PluginStatus
from devserver.core.outcome import StateReport
from devserver.reload.exclusive import Fallen
from devserver.reload.failures import hook_failed
from devserver.reload.plan import PlanEntry
from devserver.reload.progress import Ended, Progress
from devserver.runtime.breakpoints import follow_breakpoints
from devserver.runtime.describe import describe
from devserver.runtime.generation import Generation
from devserver.runtime.hold import release
from devserver.runtime.registry import Edge, PluginRecord
from devserver.runtime.shown_source import show_source
from devserver.runtime.state import Restored

_log = logging.getLogger("devserver.reload")
_SHORTEST = 0.05  # seconds that a hook gets however late it is


class Commit:
    """`prepare` and `publish` may fail, and are rolled back then; `finish` cannot be stopped
    half-way."""

    def __init__(self, progress: Progress, edges: tuple[Edge, ...] | None) -> None:
        self._progress = progress
        self._edges = edges
        self._records: list[PluginRecord] = []
        self._contained = Contained("after the commit", progress.notes)

    def prepare(self) -> None:
        """Makes ready what is published, and keeps what the hooks have set."""
        now = datetime.now(UTC)
        for lifecycle in self._progress.new.values():
            lifecycle.generation.loaded_at = now
            lifecycle.generation.live_since = time.monotonic()
        self._records = [self._record_of(e) for e in self._progress.plan.incoming]
        self._put_values()

    def _put_values(self) -> None:
        progress = self._progress
        values, changed = progress.system.values, [e for e in progress.plan.entries if e.changes]
        before = [(e.key, values.as_kept(e.key, e.changes)) for e in changed]
        set_by_hooks = [n.generation.host.own.take_changes() for n in progress.new.values()]
        values.put([*set_by_hooks, *progress.reconfigurations.changes()])
        progress.overrides_before = before

    def publish(self) -> None:
        """One assignment, the last of it, shows the new generations to everybody."""
        progress = self._progress
        peers = {old.key: old.table for old in progress.old}
        view = progress.system.registry.view
        for old in progress.old:
            old.table.pin(peers, view.dependencies(old.key))
            old.table.conceal()
        for lifecycle in progress.new.values():
            lifecycle.generation.table.expose()
        records = (*self._records, *progress.reconfigurations.keep())
        progress.system.registry.publish(
            *records, remove=tuple(sorted(progress.peers.removed)), edges=self._edges
        )

    def finish(self) -> Ended:
        """Does what belongs to the commit, whatever becomes of its parts, and lets in those who
        wait."""
        progress = self._progress
        generations = tuple(n.generation for n in progress.new.values())
        self._contained.run(self._show_source, generations)
        for old in progress.old:
            self._contained.run(self._part, old)
        if progress.snapshot is not None:
            self._contained.run(progress.snapshot.hand_over)
        for generation in generations:
            self._contained.run(progress.system.live.watch, generation)
            self._contained.run(generation.host.go_live)
        self._contained.run(progress.peers.settle)
        self._contained.run(let_in, progress, replaced=True)
        if generations or progress.old:
            told = progress.reconfigurations.told
            progress.notes += [f"{g.name} took its new configuration live" for g in told]
        return Ended(
            committed=True,
            state=StateReport.joined(progress.reports.values()),
            notes=progress.notes,
            live=generations,
            gone=tuple(progress.old),
            reconfigured=progress.reconfigurations.taken,
            overrides_before=tuple(progress.overrides_before),
        )

    def _part(self, old: Generation) -> None:
        """What an old generation takes along, and what it leaves to its successor."""
        lifecycle = self._progress.new.get(old.key)
        old.host.cancel_tasks()
        if lifecycle is not None:
            table = lifecycle.generation.table
            self._progress.system.surroundings.hand_over(old.table, table)

    def _show_source(self, generations: tuple[Generation, ...]) -> None:
        gone, shown = [g.table for g in self._progress.old], [g.table for g in generations]
        show_source(shown, gone=gone)
        if self._progress.settings.development_in_force.preserve_breakpoints:
            self._progress.notes += follow_breakpoints(gone, shown)

    def _record_of(self, entry: PlanEntry) -> PluginRecord:
        generation = self._progress.new[entry.key].generation
        known = self._progress.system.registry.view.find(entry.key)
        # One that only comes along still has refused content on disk.
        refused = known is not None and known.pending and not entry.changed
        return PluginRecord(
            name=generation.name,
            status=PluginStatus.ACTIVE,
            reason="active" if entry.old is None else f"reloaded from g{entry.old.number}",
            pending=refused,
            diagnostics=known.diagnostics if known is not None and refused else (),
            manifest=generation.manifest,
            generation=generation,
            generation_number=generation.number,
            last_loaded=generation.loaded_at,
            routed=known is None or known.routed,
            reload_count=0 if known is None else known.reload_count + (entry.old is not None),
        )


def roll_back(progress: Progress, diagnostics: tuple[Diagnostic, ...], *, retry: bool) -> Ended:
    """Lets the candidates go; the old generations serve on. Whatever goes wrong meanwhile is a
    note, and those who wait are let in, after `reload.timeout` seconds at the latest."""
    timeout = progress.settings.reload.timeout
    deadline = time.monotonic() + timeout
    contained = Contained("while rolling back", progress.notes)
    fallen: tuple[Fallen, ...] = ()

    def left() -> float:
        return max(_SHORTEST, deadline - time.monotonic())

    if progress.overrides_before:
        contained.run(progress.system.values.put, progress.overrides_before)
    for lifecycle in reversed(progress.new.values()):
        lifecycle.hurry(left)
        troubles = contained.run(lifecycle.leave) or ()
        progress.notes += [f"while rolling back: {t}" for t in troubles]
        contained.run(lifecycle.generation.table.conceal)
        contained.run(progress.system.live.let_go, lifecycle.generation)
    progress.notes += contained.run(progress.reconfigurations.undo, left) or ()
    for old in progress.old:
        contained.run(old.table.unpin)
        contained.run(old.table.expose)
        contained.run(progress.system.patches.resume, old)
        contained.run(old.host.resume_tasks)
    contained.run(progress.peers.settle)
    fallen = contained.run(_start_again, progress) or ()
    contained.run(let_in, progress, replaced=False)
    progress.notes += [f"left behind: {what}" for what in progress.hooks.abandoned]
    progress.hooks.abandoned.clear()
    diagnostics = (*diagnostics, *(hook_failed(progress.plan, f.failure) for f in fallen))
    return Ended(
        committed=False,
        diagnostics=diagnostics,
        error="; ".join([diagnostics[0].message, *map(str, fallen)]),
        retry=retry,
        untouched=not progress.new,
        notes=progress.notes,
        fallen=fallen,
    )


def _start_again(progress: Progress) -> tuple[Fallen, ...]:
    """Exclusive plugins that had been stopped run again; those that cannot are failed."""
    if not progress.exclusives.any_stopped or progress.way_back is None:
        return ()
    timeout = progress.settings.reload.timeout
    restored = Restored({}, {}, {})
    try:
        restored = progress.hooks.call(
            progress.way_back.restored,
            [e.old for e in progress.plan.incoming if e.old is not None],
            plugin=progress.plan.main,
            hook="restoring state",
            timeout=timeout,
            context=contextvars.Context(),
        )
    except PluginHookFailed as error:
        progress.notes.append(f"state of what was stopped is lost: {error.message}")
    fallen = progress.exclusives.start_again(restored, progress.way_back.kept, lambda: timeout)
    view = progress.system.registry.view
    progress.system.registry.publish(
        *(
            replace(
                view.plugins[f.generation.key],
                status=PluginStatus.FAILED,
                reason=str(f),
                generation=None,
            )
            for f in fallen
        )
    )
    return tuple(fallen)


def let_in(progress: Progress, *, replaced: bool) -> None:
    """Those who wait look at the view anew."""
    if progress.hold is not None:
        progress.reconfigurations.let_in()
        release(progress.hold, progress.old, replaced=replaced)


class Contained:
    """Runs parts of an end that have to be done one and all: what one of them raises is a
    note, and the next is done."""

    def __init__(self, when: str, notes: list[str]) -> None:
        self._when = when
        self._notes = notes

    def run(self, part: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        try:
            return part(*arguments, **more)
        except BaseException as error:  # noqa: BLE001 - plugin code hides in descriptors and closes
            name = getattr(part, "__name__", "a part").strip("_")
            _log.exception("%s: %s failed", self._when, name)
            self._notes.append(f"{self._when}: {name.replace('_', ' ')} raised {describe(error)}")
            return None
