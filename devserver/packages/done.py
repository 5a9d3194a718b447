"""What became of a change of packages, and who makes it live."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from devserver.core.diagnostics import Diagnostic
from devserver.core.errors import DevServerError
from devserver.core.outcome import Outcome, Result
from devserver.core.source import PluginSource


@contextmanager
def disk_errors() -> Iterator[None]:
    """What the disk refuses inside is raised as DevServerError."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise DevServerError(
            f"the disk does not let it: {where}{error.strerror or error}",
            hint="check its space and permissions; what stood there stands there",
        ) from error


class Live(Protocol):
    """What makes a changed folder live."""

    def serves(self, source: PluginSource) -> bool:
        """Whether this is what runs."""
        ...

    def replace(
        self,
        name: str,
        *,
        put: Callable[[], None],
        put_back: Callable[[], None],
        enable: bool = False,
        trigger: str = "api",
    ) -> Outcome:
        """Calls `put`, loads what stands there then, and calls `put_back` when it does not go
        live. Both may be called several times in turn."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of it. `outcome` is that of the reload; where it was not a success nothing has
    changed. `previous` is the version that stood there, `kept` where content was moved that no
    package has."""

    deed: str
    name: str
    version: str
    outcome: Outcome
    previous: str | None = None
    kept: Path | None = None
    requirements: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def success(self) -> bool:
        return self.outcome.success

    def insist(self) -> None:
        """Raises NotLive where it was no success."""
        if not self.success:
            raise NotLive(self)

    def to_json(self) -> dict[str, Any]:
        """`{"status": "installed", "name", "version", ...}`."""
        return {
            "status": self.deed if self.success else "failed",
            "name": self.name,
            "version": self.version,
            "previous": self.previous,
            "kept": None if self.kept is None else str(self.kept),
            "requirements": list(self.requirements),
            "warnings": [d.to_json() for d in self.diagnostics],
            "notes": list(self.notes),
        }


class NotLive(Exception):
    """What was tried did not go live; everything is as before when this is caught."""

    def __init__(self, done: Done) -> None:
        super().__init__(done.outcome.message)
        self.done = done


def nothing_done(name: str, version: str) -> Done:
    """The very same is there already."""
    message = f"{name} {version} is installed already, with this content"
    outcome = Outcome(plugin=name, plugins=(name,), result=Result.UNCHANGED, message=message)
    return Done(deed="installed", name=name, version=version, outcome=outcome, previous=version)
