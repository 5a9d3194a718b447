"""The single writer: takes every command from the queue and decides what becomes of it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from typing import Any

from devserver.core.errors import DevServerError
from devserver.core.settings import Settings
from devserver.reload.canaries import Canaries
from devserver.reload.catalog import Catalog, Reading
from devserver.reload.cause import Cause
from devserver.reload.configuring import Configuring
from devserver.reload.first_load import FirstLoad
from devserver.reload.held import Held
from devserver.reload.intake import Intake
from devserver.reload.judge import NOT_YET, Judge
from devserver.reload.lazy import LazyLoading
from devserver.reload.missing_modules import MissingModules
from devserver.reload.operator import Operator
from devserver.reload.overtaking import Overtaking, Stance, Superseded
from devserver.reload.pending import Pending
from devserver.reload.queue import (
    CanaryLeft,
    Configure,
    Enable,
    EndCanary,
    FilesChanged,
    FirstUse,
    LoadAll,
    ProbationFailed,
    Queued,
    ReadSettings,
    ReloadPlugins,
    ReloadQueue,
    Replace,
    Rescan,
    Restore,
    StartCanary,
    Withdraw,
)
from devserver.reload.recorder import Recorder
from devserver.reload.replacing import Replacing
from devserver.reload.saves import Saves
from devserver.reload.versions import Versions
from devserver.runtime.project import Project
from devserver.runtime.system import PluginSystem

_log = logging.getLogger("devserver.reload")


_MOST_TIMES_OVERTAKEN = 3


class Reloader:
    """Owns the thread `reloader`. `settings()` gives those in force."""

    def __init__(
        self,
        *,
        project: Project,
        system: PluginSystem,
        queue: ReloadQueue,
        catalog: Catalog,
        first_load: FirstLoad,
        intake: Intake,
        held: Held,
        pending: Pending,
        judge: Judge,
        canaries: Canaries,
        lazy: LazyLoading,
        overtaking: Overtaking,
        operator: Operator,
        recorder: Recorder,
        settings: Callable[[], Settings],
        followed: Container[str],
        on_settings: Callable[[], None],
        on_missing: Callable[[Sequence[Reading]], None],
    ) -> None:
        self._queue = queue
        self._system = system
        self._catalog = catalog
        self._first_load = first_load
        self._held = held
        self._pending = pending
        self._judge = judge
        self._canaries = canaries
        self._lazy = lazy
        self._overtaking = overtaking
        self._operator = operator
        self._on_settings = on_settings
        self._replacing = Replacing(
            project=project,
            system=system,
            catalog=catalog,
            intake=intake,
            pending=pending,
            operator=operator,
            reload=self._reload,
        )
        self._versions = Versions(
            project=project,
            system=system,
            catalog=catalog,
            judge=judge,
            pending=pending,
            held=held,
            recorder=recorder,
        )
        self._configuring = Configuring(
            system=system, catalog=catalog, judge=judge, pending=pending, lazy=lazy
        )
        self._saves = Saves(
            project=project,
            system=system,
            catalog=catalog,
            intake=intake,
            judge=judge,
            followed=followed,
            settings=settings,
        )
        self._overtaken: deque[Queued] = deque()
        self._missing = MissingModules(pending, settings, on_missing)
        self._thread = threading.Thread(target=self._run, name="reloader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Takes nothing more in and waits for what runs, `timeout` seconds at most."""
        self._queue.close()
        if self._thread.is_alive():
            self._thread.join(timeout)
        put_off = self._saves.put_off
        for queued in (*self._overtaken, *([] if put_off is None else [put_off.queued])):
            queued.answer.cancel()
        self._canaries.stop()

    def _run(self) -> None:
        while not self._queue.closed:
            queued = self._queue.take(self._time_left())
            if queued is not None:
                if self._answer(queued):
                    self._take_up_again()
            elif not self._queue.closed:
                self._clock_struck()
            queued = None  # what was done is not held while nothing is to do

    def _time_left(self) -> float | None:
        """Seconds until something is due by the clock."""
        if self._overtaken:
            return 0.0
        times = (self._pending.next_time(), self._missing.next_time(), self._saves.next_time())
        due = min((t for t in times if t is not None), default=None)
        return None if due is None else max(0.0, due - time.monotonic())

    def _clock_struck(self) -> None:
        put_off = self._saves.put_off
        if self._overtaken:
            self._take_up_again()
        elif put_off is not None and put_off.due <= time.monotonic():
            self._answer(put_off.queued)
        else:
            self._missing.look()
            self._overtaking.stance = Stance.RETRYING
            with contextlib.suppress(Superseded):  # it is due again when that is done
                self._judge.retry()

    def _take_up_again(self) -> None:
        """Does what has made way, if anything has."""
        if self._overtaken:
            self._answer(self._overtaken.popleft())

    def _answer(self, queued: Queued) -> bool:
        """Carries a command out; False when it made way for what waits."""
        self._overtaking.stance = _stance_of(queued)
        self._missing.remember()
        try:
            answer = self._carry_out(queued)
        except Superseded:
            return self._make_way(queued)
        except DevServerError as refusal:  # expected: whoever asked is told
            queued.answer.set_exception(refusal)
        except Exception as error:  # noqa: BLE001 - the one writer must outlive a fault of ours
            _log.exception("internal error; nothing was changed")
            queued.answer.set_exception(error)
        else:
            if answer is not NOT_YET:
                queued.answer.set_result(answer)
        return True

    def _make_way(self, queued: Queued) -> bool:
        """What was tried and has been saved anew is judged together with the newer batch, or
        done with what is on disk now; anything else waits until one of the others is done."""
        if not self._overtaking.by_newer:
            queued.times_overtaken += 1
            self._overtaken.append(queued)
            return False
        if not isinstance(queued.command, FilesChanged):
            return self._answer(queued)
        self._saves.put_off_until_the_next(queued)
        return False

    def _carry_out(self, queued: Queued) -> Any:
        match queued.command:
            case FilesChanged():
                return self._saves.judge(queued)
            case ReloadPlugins() as command:
                return self._reload(command, queued.arrived)
            case ReadSettings():
                return self._on_settings()
            case Rescan():
                return self._saves.rescan(queued.arrived)
            case LoadAll():
                return self._first_load.run()
            case Withdraw() as command:
                return self._operator.withdraw(command, queued.arrived)
            case Enable() as command:
                return self._operator.enable(command, queued.arrived)
            case Replace() as command:
                return self._replacing.replace(command, queued.arrived)
            case Restore() as command:
                return self._versions.restore(command, queued.arrived)
            case Configure() as command:
                return self._configuring.configure(command, queued.arrived)
            case FirstUse() as command:
                return self._lazy.load(command, queued.arrived)
            case StartCanary() as command:
                return self._canaries.start(command, queued.arrived)
            case EndCanary() as command:
                return self._canaries.end(command, queued.arrived)
            case CanaryLeft() as command:
                return self._canaries.left(command)
            case ProbationFailed() as command:
                return self._judge.end_probation(command, queued.arrived)

    def _reload(self, command: ReloadPlugins, arrived: float) -> Any:
        self._catalog.configuration.read()
        self._catalog.discover()
        self._held.end(command.keys)
        news = self._system.values.news
        readings = {
            key: replace(self._catalog.read(key), changes=news(key), anew=command.anew)
            for key in command.keys
        }
        cause = Cause(trigger=command.trigger, arrived=arrived, backup_state=command.backup_state)
        return self._judge.judge(readings, cause, force=command.force, asked=True)


def _stance_of(queued: Queued) -> Stance:
    """The start comes before everything; whoever has made way often enough has a turn, too."""
    if isinstance(queued.command, Restore | Configure | EndCanary):
        return Stance.DECIDED
    if isinstance(queued.command, LoadAll) or queued.times_overtaken >= _MOST_TIMES_OVERTAKEN:
        return Stance.STANDING
    return Stance.YIELDING if isinstance(queued.command, FilesChanged) else Stance.ASKED
