"""Why an attempt is made."""

from __future__ import annotations

from dataclasses import dataclass

from devserver.core.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """`trigger` is file, api, cli, start, use, dependency, retry, probation, rollback, canary or
    config; `arrived` the monotonic second at which it was asked for; `paths` what changed,
    relative to the project. `number` counts attempts at the same content; with `amends` (the
    outcome of an earlier one) that entry is changed instead of a new one being made. `aside`: what
    is tried is not on disk, so that nothing is left of it when it fails. `notes` go into the
    outcome when it goes well. With `backup_state` the state of what goes is written down."""

    trigger: str
    arrived: float
    paths: tuple[str, ...] = ()
    number: int = 1
    amends: Outcome | None = None
    aside: bool = False
    notes: tuple[str, ...] = ()
    backup_state: bool = False
