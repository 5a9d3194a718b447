"""Carries out a word on this instance."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import CancelledError
from typing import Protocol

from devserver.cluster.packages import Installer, fetch_package
from devserver.cluster.results import Ending, Result
from devserver.cluster.words import Action, Word
from devserver.core.errors import DatabaseUnavailable, DevServerError
from devserver.core.names import EVERY
from devserver.core.outcome import Outcome
from devserver.core.outcome import Result as OutcomeResult
from devserver.store.database import Database

TRIGGER = "group"
_FAILED = {
    OutcomeResult.ROLLED_BACK: Ending.ROLLED_BACK,
    OutcomeResult.REJECTED: Ending.REJECTED,
}
_log = logging.getLogger("devserver.cluster")


class Control(Protocol):
    """What an instance can do with its plugins; each call waits for the outcome and raises
    DevServerError where it could not be begun."""

    def reload(
        self, name: str, *, force: bool = False, backup_state: bool = False, trigger: str = "api"
    ) -> Outcome: ...

    def reload_all(
        self, *, force: bool = False, backup_state: bool = False, trigger: str = "api"
    ) -> list[Outcome]: ...

    def enable(self, name: str, *, trigger: str = "api") -> Outcome: ...

    def disable(self, name: str, *, force: bool = False, trigger: str = "api") -> Outcome: ...


class Stopping(Exception):
    """This instance is being stopped: the word was not carried out."""


class Deeds:
    """Goes through the same door as the operator of this instance alone."""

    def __init__(
        self, *, control: Control, database: Database, installer: Installer | None = None
    ) -> None:
        self._control = control
        self._database = database
        self._installer = installer

    def carry_out(self, word: Word) -> Result:
        """What came of it. Raises Stopping, and DatabaseUnavailable where the package could not
        be fetched yet."""
        try:
            return _told(self._outcomes(word))
        except CancelledError:
            raise Stopping from None
        except DatabaseUnavailable:
            if word.action == Action.INSTALL:
                raise
            _log.exception("the database was lost while a word was carried out")
            return Result(ending=Ending.REFUSED, message="the database was lost meanwhile")
        except DevServerError as error:
            hint = f" ({error.hint})" if error.hint else ""
            found = getattr(error, "diagnostics", ())  # a package that validation refused
            ending = Ending.REJECTED if found else Ending.REFUSED
            return Result(ending=ending, message=f"{error.message}{hint}")
        except Exception as error:  # noqa: BLE001 - one word must not end the group's thread
            _log.exception("revision %d could not be carried out", word.revision)
            message = f"{word.action} {word.plugin}: {type(error).__name__}: {error}"
            return Result(ending=Ending.REFUSED, message=message)

    def was_done_before(self, word: Word) -> bool:
        """True for a package that was installed here in an earlier run: what has become of it
        since then is the operator's later word."""
        if word.action != Action.INSTALL or self._installer is None:
            return False
        return word.options["version"] in self._installer.versions(word.plugin)["versions"]

    def _outcomes(self, word: Word) -> list[Outcome]:
        force = bool(word.options.get("force", False))
        match word.action:
            case Action.ENABLE:
                return [self._control.enable(word.plugin, trigger=TRIGGER)]
            case Action.DISABLE:
                return [self._control.disable(word.plugin, force=force, trigger=TRIGGER)]
            case Action.RELOAD:
                return self._reload(word, force=force)
            case Action.INSTALL:
                return [self._install(word)]
        raise DevServerError(
            f"this instance does not know how to {word.action!r} a plugin",
            hint="update this program on all instances",
        )

    def _reload(self, word: Word, *, force: bool) -> list[Outcome]:
        backup = bool(word.options.get("backup_state", False))
        if word.plugin == EVERY:
            return self._control.reload_all(force=force, backup_state=backup, trigger=TRIGGER)
        reload = self._control.reload
        return [reload(word.plugin, force=force, backup_state=backup, trigger=TRIGGER)]

    def _install(self, word: Word) -> Outcome:
        if self._installer is None:
            raise DevServerError("this instance cannot install packages")
        content = fetch_package(
            self._database, word.plugin, str(word.options["version"]), str(word.options["sha256"])
        )
        allowed = {key: word.options.get(key) is True for key in ("force", "install_requirements")}
        return self._installer.install(content, **allowed, trigger=TRIGGER).outcome


def _told(outcomes: Sequence[Outcome]) -> Result:
    """The worst of them decides; what failed is told, if anything did."""
    endings = {outcome.result for outcome in outcomes}
    ending = next((e for result, e in _FAILED.items() if result in endings), Ending.APPLIED)
    failed = [outcome for outcome in outcomes if not outcome.success]
    return Result(ending=ending, message="; ".join(o.message for o in failed or outcomes))
