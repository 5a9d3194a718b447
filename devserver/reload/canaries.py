"""Canaries: new versions that answer a share of the requests until they are promoted or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from devserver.core.canary import Verdict
from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.outcome import Outcome, Result
from devserver.core.settings import Settings
from devserver.reload.attempt import Attempt, Attempts
from devserver.reload.canary_terms import no_canary, refuse_canary, terms_of
from devserver.reload.canary_watch import CanaryWatch
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.cause import Cause
from devserver.reload.disposal import Disposer
from devserver.reload.judge import Judge
from devserver.reload.pending import Pending, Refused
from devserver.reload.progress import Ended
from devserver.reload.queue import CanaryLeft, EndCanary, ReloadQueue, StartCanary
from devserver.reload.recorder import Recorder
from devserver.reload.steps import Stopwatch
from devserver.runtime.canary import Canary
from devserver.runtime.registry import SystemView
from devserver.runtime.system import PluginSystem


class Canaries:
    """Begins and ends canaries, on the reloader's thread. `settings()` gives those in force."""

    def __init__(
        self,
        *,
        system: PluginSystem,
        queue: ReloadQueue,
        catalog: Catalog,
        attempts: Attempts,
        judge: Judge,
        recorder: Recorder,
        pending: Pending,
        disposer: Disposer,
        settings: Callable[[], Settings],
    ) -> None:
        self._system = system
        self._board = system.gate.canaries
        self._queue = queue
        self._catalog = catalog
        self._attempts = attempts
        self._judge = judge
        self._recorder = recorder
        self._pending = pending
        self._disposer = disposer
        self._settings = settings
        self._watch = CanaryWatch(
            system=system, queue=queue, timeout=lambda: settings().reload.timeout
        )
        self._readings: dict[Canary, Reading] = {}
        system.registry.on_publish(self._look)

    # -- the beginning -------------------------------------------------------------------------

    def start(self, command: StartCanary, arrived: float) -> Outcome | None:
        """Puts what is on disk beside what serves; the outcome, in which nothing is reloaded.

        Raises PluginNotFound, PluginUnavailable, CanaryRefused, and Superseded when it made way
        for what waits.
        """
        self._catalog.configuration.read()
        self._catalog.discover()
        reading = self._with_news(self._catalog.read(command.key))
        refuse_canary(reading, self._system.registry.view, self._catalog.graph)
        self._judge.load_needed({command.key: reading})
        cause = Cause(trigger="canary", arrived=arrived)
        self._recorder.started([command.key], cause.trigger, ())
        settings = self._settings()
        attempt = self._attempts.make(
            {command.key: reading},
            main=command.key,
            settings=settings,
            force=command.force,
            beside=True,
        )
        if not attempt.ended.beside:
            before = self._system.registry.view
            return self._judge.settle(attempt, {command.key: reading}, command.key, cause, before)
        self._replace(attempt)
        canary = self._canary(attempt, command, reading)
        self._readings[canary] = reading
        self._publish(canary, attempt)
        outcome = self._recorder.record(
            attempt, {command.key: reading}, main=command.key, cause=cause, settings=settings
        )
        self._keep_for_later(canary, outcome)
        self._watch.begin(canary)
        return outcome

    def _with_news(self, reading: Reading) -> Reading:
        """With the overrides that another instance has set, as for a reload."""
        return replace(reading, changes=self._system.values.news(reading.key))

    def _replace(self, attempt: Attempt) -> None:
        """A canary that shares a plugin with the new one makes room."""
        for known in self._board.all():
            if not set(known.new).isdisjoint(attempt.order):
                attempt.ended.notes.append(f"instead of the {known.told()}")
                self._leave(known)

    def _canary(self, attempt: Attempt, command: StartCanary, reading: Reading) -> Canary:
        view = self._system.registry.view
        new = {g.key: g for g in attempt.ended.beside}
        old = {k: g for k in new if (g := view.generation(k)) is not None}
        canary = Canary(
            main=command.key,
            new=new,
            old=old,
            percent=command.percent,
            sticky=command.sticky,
            requests=command.requests,
            decide=self._decided,
        )
        attempt.deed = f"given canary g{canary.number} beside g{old[canary.main].number}"
        attempt.ended.notes.append(terms_of(canary))
        if reading.is_like(old[canary.main]):
            attempt.ended.notes.append(
                "both versions are the same: what is on disk serves already "
                "(with reload.automatic: false a save waits to be asked for)"
            )
        if attempt.ended.state.passed:
            shared = ", ".join(attempt.ended.state.passed)
            attempt.ended.notes.append(
                f"both versions use the very same {shared}: a shutdown() that closes them ends "
                "them for both"
            )
        return canary

    def _publish(self, canary: Canary, attempt: Attempt) -> None:
        view = self._system.registry.view
        records = [
            replace(
                view.plugins[key],
                generation_number=new.number,
                reason=f"g{canary.old[key].number} serves; canary g{new.number} answers "
                f"{canary.percent:g} % of the requests",
            )
            for key, new in canary.new.items()
        ]
        self._board.put(canary)
        self._recorder.publish(*records)
        attempt.ended.beside = ()

    def _keep_for_later(self, canary: Canary, outcome: Outcome) -> None:
        """What is on disk is not live; no look at the disk makes it so behind our back."""
        reading = self._readings[canary]
        if not reading.is_like(canary.old[canary.main]):
            companions = frozenset([canary.main])
            self._pending.refuse([Refused(reading=reading, companions=companions, outcome=outcome)])
            record = self._system.registry.view.plugins[canary.main]
            self._recorder.publish(replace(record, pending=True))

    # -- while it lasts ------------------------------------------------------------------------

    def _decided(self, canary: Canary, verdict: Verdict) -> None:
        new, old = canary.answered, canary.answered_by_old
        reason = (
            f"{new.errors} of {new.requests} requests failed, "
            f"{old.errors} of {old.requests} on g{canary.old[canary.main].number}"
        )
        self._queue.put(EndCanary(key=canary.main, canary=canary, verdict=verdict, reason=reason))

    def _look(self, view: SystemView) -> None:
        """A canary whose plugins were replaced, configured anew or taken out of service is over
        with what it was."""
        for canary in self._board.all():
            if not canary.stands(view) and self._board.take(canary):
                self._queue.put(CanaryLeft(canary=canary))

    # -- the end -------------------------------------------------------------------------------

    def end(self, command: EndCanary, arrived: float) -> Outcome | None:
        """Promotes a canary or rolls it back; None for one that is over by now.

        Raises PluginNotFound and CanaryRefused when nobody could be meant, and Superseded when
        it made way for what waits.
        """
        canary = self._board.find(command.key)
        if canary is None or command.canary not in (None, canary):
            if command.canary is not None:
                return None
            raise no_canary(self._system.registry.view, command.key)
        if command.verdict is Verdict.ABORT:
            return self._abort(canary, command, arrived)
        return self._promote(canary, command, arrived)

    def _promote(self, canary: Canary, command: EndCanary, arrived: float) -> Outcome:
        reading = self._with_news(self._readings[canary])
        notes = (f"{canary.told()} promoted: {command.reason}",)
        cause = Cause(trigger="canary", arrived=arrived, notes=notes)
        newer, before = self._saved_since(canary), self._system.registry.view.find(canary.main)
        # What waits to be asked for, or was refused, was no part of what has been tested.
        outcome: Outcome = self._judge.judge(
            {canary.main: reading}, cause, settled=self._pending.keys(), asked=True
        )
        self._leave(canary)
        now = self._system.registry.view.find(canary.main)
        if newer is not None and before is not None and now is not None:
            self._pending.refuse([newer])
            reason = f"{now.reason}; something newer is on disk"
            found = before.diagnostics
            self._recorder.publish(replace(now, pending=True, diagnostics=found, reason=reason))
        return outcome

    def _saved_since(self, canary: Canary) -> Refused | None:
        """What is on disk, where that is neither live nor what the canary runs."""
        refused = self._pending.find(canary.main)
        known = self._readings[canary]
        return None if refused is None or refused.reading.same_as(known) else refused

    def _abort(self, canary: Canary, command: EndCanary, arrived: float) -> Outcome:
        reading = self._readings[canary]
        message = f"{canary.told()} rolled back: {command.reason}"
        found = Diagnostic(
            code="RUN030",
            severity=Severity.ERROR,
            plugin=canary.name,
            message=message,
            hint="save it anew, or ask for another canary or a reload",
        )
        was_live = reading.is_like(canary.old[canary.main])
        differs = not was_live and self._saved_since(canary) is None
        watch = Stopwatch()
        with watch.step("rollback"):
            self._leave(canary)
        attempt = Attempt(
            result=Result.ROLLED_BACK,
            order=tuple(canary.new),
            diagnostics=(found,),
            ended=Ended(committed=False, error=message),
            watch=watch,
        )
        cause = Cause(trigger="canary", arrived=arrived)
        outcome = self._recorder.record(
            attempt,
            {canary.main: reading} if differs else {},
            main=canary.main,
            cause=cause,
            settings=self._settings(),
        )
        if differs:
            companions = frozenset([reading.key])
            self._pending.refuse([Refused(reading=reading, companions=companions, outcome=outcome)])
        return outcome

    def left(self, command: CanaryLeft) -> None:
        """Something newer has taken the place that a canary stood beside."""
        canary = command.canary
        if canary in self._readings:
            now = self._system.registry.view.find(canary.main)
            what = "its plugin is gone" if now is None else f"{now.name} is {now.status}"
            if now is not None and now.generation is not None:
                is_new = now.generation is not canary.old[canary.main]
                what = f"g{now.generation.number} serves" + ("" if is_new else " reconfigured")
            self._recorder.notice("info", f"{canary.told()} ended: {what}", plugin=canary.name)
            self._let_go(canary)

    def _leave(self, canary: Canary) -> None:
        self._board.take(canary)
        self._let_go(canary)

    def _let_go(self, canary: Canary) -> None:
        if self._readings.pop(canary, None) is None:
            return
        limits = self._settings().reload
        self._restore_reasons(canary)
        self._disposer.dispose(
            list(canary.new.values()),
            timeout=limits.timeout,
            drain_timeout=limits.drain_timeout,
            on_done=lambda _step, troubles: self._tell(canary.name, troubles),
        )

    def _restore_reasons(self, canary: Canary) -> None:
        view = self._system.registry.view
        stale = [
            r for k in canary.new if (r := view.find(k)) is not None and "canary g" in r.reason
        ]
        if stale:
            self._recorder.publish(*(replace(r, reason=str(r.status)) for r in stale))

    def _tell(self, name: str, troubles: list[str]) -> None:
        for trouble in troubles:
            self._recorder.notice("warning", f"letting the canary go: {trouble}", plugin=name)

    def stop(self) -> None:
        """The server ends; the reloader has ended."""
        for canary in list(self._readings):
            self._leave(canary)
