"""What can end a transaction, as diagnostics."""

from __future__ import annotations

from collections.abc import Sequence

from devserver.core.diagnostics import Diagnostic, Severity
from devserver.core.errors import MigrationFailed, PluginHookFailed
from devserver.core.source import PluginSource
from devserver.reload.plan import ReloadPlan
from devserver.runtime.describe import describe
from devserver.runtime.gate import Flight
from devserver.runtime.tracebacks import diagnostic_for


class TransactionFailed(Exception):
    """Carries what ends a transaction to its roll back. `retry` is True when the same content
    may do better later."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...], *, retry: bool) -> None:
        super().__init__(diagnostics[0].message)
        self.diagnostics = diagnostics
        self.retry = retry


def waited_too_long(plan: ReloadPlan, limit: float) -> Diagnostic:
    """Requests waited for the new version for `limit` seconds."""
    return Diagnostic(
        code="RUN005",
        severity=Severity.ERROR,
        plugin=plan.main,
        message=f"requests have waited {limit:g} s for the new version",
        hint="raise reload.timeout, or let the hooks do less",
    )


def still_busy(plan: ReloadPlan, stragglers: Sequence[Flight], limit: float | None) -> Diagnostic:
    """Requests in flight outlasted the patience of those that waited behind them; without a
    `limit` that was something newer to be done."""
    behind = "something newer waited" if limit is None else f"others waited {limit:g} s"
    named = "; ".join(f"{f.label} at {f.where()}" for f in stragglers[:5])
    return Diagnostic(
        code="RUN005",
        severity=Severity.ERROR,
        plugin=plan.main,
        message=f"requests in flight did not end while {behind}: {named}",
        hint="raise reload.timeout, or let those requests answer sooner",
        traceback="\n".join(f.told() for f in stragglers[:5]),
    )


def hook_failed(plan: ReloadPlan, error: PluginHookFailed) -> Diagnostic:
    """A hook raised, hung, or gave what it may not."""
    return diagnostic_for(
        error,
        code=error.code,
        plugin=error.plugin,
        message=error.message,
        source=_source(plan, error.plugin),
        hint=error.hint,
    )


def refused_by_database(error: PluginHookFailed) -> tuple[Diagnostic, ...]:
    """What stands against a plugin's migrations or schema; empty for any other failure."""
    cause = error.__cause__
    return cause.diagnostics if isinstance(cause, MigrationFailed) else ()


def unexpected(plan: ReloadPlan, error: BaseException) -> Diagnostic:
    """Something was raised outside of a hook: plugin code hides in properties and reprs."""
    return diagnostic_for(
        error,
        code="RUN006",
        plugin=plan.main,
        message=f"the reload met {describe(error)}",
        source=_source(plan, plan.main),
        hint="the traceback says where; what ran before goes on serving",
    )


def _source(plan: ReloadPlan, name: str) -> PluginSource | None:
    for entry in plan.entries:
        if name in (entry.name, entry.key):
            if entry.candidate is not None:
                return entry.candidate.source
            return None if entry.old is None else entry.old.source
    return None
