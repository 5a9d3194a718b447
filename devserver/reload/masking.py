"""Keeps values of secret configuration out of what is told of a transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from devserver.core.diagnostics import Diagnostic
from devserver.core.secrets import masked, secret_texts
from devserver.reload.attempt import Attempt
from devserver.reload.catalog import Reading
from devserver.runtime.secrets import Secrets


def mask_attempt(attempt: Attempt, secrets: Collection[str]) -> None:
    """Takes the values out of all that an attempt says in words."""
    if not secrets:
        return
    ended = attempt.ended
    attempt.diagnostics = tuple(_without(d, secrets) for d in attempt.diagnostics)
    ended.error = ended.error and masked(ended.error, secrets)
    ended.notes[:] = [masked(note, secrets) for note in ended.notes]


def _without(found: Diagnostic, secrets: Collection[str]) -> Diagnostic:
    def lines(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(masked(text, secrets) for text in texts)

    return replace(
        found,
        message=masked(found.message, secrets),
        hint=found.hint and masked(found.hint, secrets),
        traceback=found.traceback and masked(found.traceback, secrets),
        source_lines=lines(found.source_lines),
        lines_before=lines(found.lines_before),
        lines_after=lines(found.lines_after),
    )


def secrets_of(
    readings: Iterable[Reading], plugins: Iterable[str], known: Secrets
) -> frozenset[str]:
    """The values that are secret in what was tried, and in what `plugins` (normalised) have been
    configured with."""
    found = set(known.of(plugins))
    for reading in readings:
        if reading.candidate is not None:
            found |= secret_texts(reading.effective({}), reading.candidate.manifest)
    return frozenset(found)
