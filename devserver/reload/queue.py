"""The one queue: everything that wants a reload puts a command here."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Set
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from devserver.core.canary import Verdict
from devserver.core.changes import ChangeBatch
from devserver.core.errors import PluginHookFailed
from devserver.core.lifecycle import PluginStatus
from devserver.core.source import PluginSource

if TYPE_CHECKING:
    from devserver.reload.probation import Period
    from devserver.runtime.canary import Canary


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesChanged:
    """Something was saved."""

    batch: ChangeBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadPlugins:
    """Somebody asks for a reload of `keys`, whatever their content. `force` skips validation.
    With `anew` nothing of their running state goes on. With `backup_state` the state of what goes
    is written down whatever the settings say."""

    keys: tuple[str, ...]
    force: bool = False
    anew: bool = False
    backup_state: bool = False
    trigger: str = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSettings:
    """Look at config/hot-loading.yaml anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescan:
    """Look at plugins/ anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadAll:
    """Load every plugin, each on its own; the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """The operator takes a plugin out of service: `status` is DISABLED, or REGISTERED for one
    that is only unloaded. `force` takes those that need it along and drains nobody. Without
    `routes` those that answer go on answering."""

    key: str
    status: PluginStatus
    force: bool = False
    routes: bool = True
    trigger: str = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enable:
    """The operator puts a plugin into service, without `routes` all of it but those."""

    key: str
    routes: bool = True
    trigger: str = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """A plugin's files are replaced in one step: `put` does it, `put_back` when what stands there
    then does not go live. Both may be called several times in turn. With `enable` a plugin that
    is out of service comes back with them."""

    key: str
    put: Callable[[], None]
    put_back: Callable[[], None]
    enable: bool = False
    trigger: str = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """Version `number` of a plugin's source, which is `source`, is to serve; with `write` it is
    to be on disk too, where `kept` has the digests of all kept contents of each file."""

    key: str
    source: PluginSource
    number: int
    write: bool = False
    kept: Mapping[str, Set[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """What overrides the configuration of a plugin is to change; None takes an override out."""

    key: str
    changes: Mapping[str, Any]
    trigger: str = "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbationFailed:
    """New generations did not stay healthy: the old ones are to come back."""

    period: Period
    failure: PluginHookFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstUse:
    """Somebody uses a plugin that is not loaded yet."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCanary:
    """What is on disk of a plugin is to answer `percent` of the requests beside what serves.
    `requests` are needed for a promotion, 0: only by word. `force` skips validation."""

    key: str
    percent: float
    sticky: bool = False
    requests: int = 0
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCanary:
    """A canary is to be promoted or rolled back: that one, or with None whichever there is."""

    key: str
    verdict: Verdict
    reason: str
    canary: Canary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryLeft:
    """What a canary stood beside no longer serves."""

    canary: Canary


Command = (
    FilesChanged
    | ReloadPlugins
    | ReadSettings
    | Rescan
    | LoadAll
    | Withdraw
    | Enable
    | Replace
    | Restore
    | Configure
    | ProbationFailed
    | FirstUse
    | StartCanary
    | EndCanary
    | CanaryLeft
)


@dataclass(slots=True, kw_only=True)
class Queued:
    """A command, when it arrived (monotonic seconds), and where its answer goes."""

    command: Command
    arrived: float
    answer: Future[Any] = field(default_factory=Future)
    times_overtaken: int = 0

    def join(self, earlier: Queued) -> None:
        """Takes in a batch that was put off; whoever waits for that gets this one's answer."""
        if isinstance(self.command, FilesChanged) and isinstance(earlier.command, FilesChanged):
            self.command = FilesChanged(batch=earlier.command.batch.merged(self.command.batch))
        self.arrived = min(self.arrived, earlier.arrived)
        self.answer.add_done_callback(lambda done: _pass_on(done, earlier.answer))


def _pass_on(done: Future[Any], answer: Future[Any]) -> None:
    if done.cancelled():
        answer.cancel()
    elif (error := done.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(done.result())


class ReloadQueue:
    """First come, first served; batches of changes that wait together become one."""

    def __init__(self) -> None:
        self._waiting: deque[Queued] = deque()
        self._condition = threading.Condition()
        self._closed = False
        self.changes = 0
        """Grows with everything that is put in."""

    def put(self, command: Command) -> Future[Any]:
        """Queues a command; the future carries what comes of it, or is cancelled at a stop."""
        arrived = time.monotonic()
        if isinstance(command, FilesChanged):
            arrived = min(arrived, command.batch.first_seen)
        queued = Queued(command=command, arrived=arrived)
        with self._condition:
            if self._closed:
                queued.answer.cancel()
                return queued.answer
            self.changes += 1
            last = self._waiting[-1] if self._waiting else None
            if (
                isinstance(command, FilesChanged)
                and last is not None
                and isinstance(last.command, FilesChanged)
            ):
                last.command = FilesChanged(batch=last.command.batch.merged(command.batch))
                return last.answer
            self._waiting.append(queued)
            self._condition.notify()
        return queued.answer

    def take(self, timeout: float | None) -> Queued | None:
        """The next command; None after `timeout` seconds (None: no limit) or when closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._closed, timeout)
            return self._waiting.popleft() if self._waiting else None

    def waiting(self) -> tuple[int, tuple[Command, ...]]:
        """`changes`, and the commands that wait just then."""
        with self._condition:
            return self.changes, tuple(queued.command for queued in self._waiting)

    @property
    def length(self) -> int:
        """How many commands wait."""
        return len(self._waiting)

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Nothing is taken in any more; what waits is cancelled."""
        with self._condition:
            self._closed = True
            for queued in self._waiting:
                queued.answer.cancel()
            self._waiting.clear()
            self._condition.notify_all()
