"""When what failed is tried again by itself."""

from __future__ import annotations

import time

from devserver.core.outcome import Result
from devserver.core.settings import Settings
from devserver.reload.attempt import Attempt
from devserver.reload.cause import Cause

_SHORT_TRIAL_MS = 250.0
"""What a trial may have taken to be made once more."""

_AUTOMATIC = ("file", "retry", "probation")


def retry_time(attempt: Attempt, cause: Cause, settings: Settings) -> float | None:
    """The monotonic second, None when the clock does not try it again."""
    safety = settings.safety
    tried = cause.number - attempt.gave_up
    if not attempt.ended.retry or cause.trigger not in _AUTOMATIC:
        return None
    if tried >= safety.max_reload_attempts:
        return None
    return time.monotonic() + safety.cooldown_period


def may_be_half(attempt: Attempt) -> bool:
    """True when it was refused, by validation or a short trial, before anything was executed in
    this process: it costs little to look at it once more."""
    if attempt.result is not Result.ROLLED_BACK:
        return attempt.result is Result.REJECTED
    took = sum(step.ms for step in attempt.watch.steps if step.name == "trial")
    return attempt.ended.untouched and took < _SHORT_TRIAL_MS
