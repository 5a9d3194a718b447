"""What a transaction is to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from devserver.core.config_layers import LayeredConfig
from devserver.runtime.generation import Generation
from devserver.validation.candidate import Candidate


class Action(Enum):
    """What happens to one plugin."""

    LOAD = "load"
    RELOAD = "reload"
    UNLOAD = "unload"
    RECONFIGURE = "reconfigure"
    """What runs stays and takes another configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEntry:
    """One plugin of the batch. `candidate` is what is to be live, None to unload; `old` what is
    live now, None to load. `changed` is False for dependents that only come along. `changes` are
    overrides that are kept with the commit; `is_told` is True where on_config_change is called,
    `anew` where nothing of the state of `old` goes on."""

    key: str
    action: Action
    candidate: Candidate | None
    old: Generation | None
    number: int
    config: LayeredConfig
    changed: bool
    changes: Mapping[str, str | None] = field(default_factory=dict)
    is_told: bool = False
    anew: bool = False

    @property
    def predecessor(self) -> Generation | None:
        """Whose state goes on."""
        return None if self.anew else self.old

    @property
    def name(self) -> str:
        if self.candidate is not None:
            return self.candidate.name
        return self.key if self.old is None else self.old.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadPlan:
    """The plugins of one transaction, dependencies first. `main` is the key that the outcome is
    told for; `context` are the keys of live plugins that the entries import, however far."""

    entries: tuple[PlanEntry, ...]
    main: str
    context: frozenset[str] = frozenset()

    @property
    def incoming(self) -> tuple[PlanEntry, ...]:
        """Those that get a new generation."""
        return tuple(e for e in self.entries if e.action in (Action.LOAD, Action.RELOAD))

    @property
    def reconfigured(self) -> tuple[PlanEntry, ...]:
        """Those whose generation stays."""
        return tuple(e for e in self.entries if e.action is Action.RECONFIGURE)

    @property
    def outgoing(self) -> tuple[Generation, ...]:
        """The generations that are to go."""
        return tuple(
            e.old for e in self.entries if e.old is not None and e.action is not Action.RECONFIGURE
        )
