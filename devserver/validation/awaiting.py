"""Helpers of BasePlugin that are called in the wrong way: coroutines not awaited, plain ones
awaited."""

from __future__ import annotations

from collections.abc import Iterator

from devserver.core.diagnostics import Diagnostic
from devserver.validation.analysis import HostCall, ModuleAnalysis
from devserver.validation.ancestry import Lineage
from devserver.validation.candidate import Candidate
from devserver.validation.findings import warning
from devserver.validation.outline.host_calls import COROUTINES, PLAIN


def misused_helpers(candidate: Candidate, line: Lineage) -> Iterator[Diagnostic]:
    """Calls on the plugin's own instance; a helper that the plugin overrides is not judged."""
    for analysis, found in line.members:
        if analysis.name not in candidate.modules:
            continue
        for call in found.calls:
            if line.method(call.name) is not None or line.attribute(call.name) is not None:
                continue
            if call.name in COROUTINES and call.discarded:
                yield _not_awaited(candidate, analysis, call)
            elif call.name in PLAIN and call.awaited:
                yield _awaited(candidate, analysis, call)


def _not_awaited(candidate: Candidate, analysis: ModuleAnalysis, call: HostCall) -> Diagnostic:
    return warning(
        candidate,
        "STR021",
        f"{call.name}() is a coroutine: without `await` it does nothing",
        file=analysis.file,
        span=call.span,
        hint=f"write `await self.{call.name}(...)` in an `async def`{_PLAIN_WAYS[call.name]}",
    )


def _awaited(candidate: Candidate, analysis: ModuleAnalysis, call: HostCall) -> Diagnostic:
    return warning(
        candidate,
        "STR022",
        f"{call.name}() is no coroutine: `await` fails on what it gives",
        file=analysis.file,
        span=call.span,
        hint=f"write `self.{call.name}(...)` without `await`",
    )


_PLAIN_WAYS = {
    "get_config": ", or read `self.config`",
    "set_config": ", or use `self.ctx.config.set`",
    "get_data": ", or use `self.ctx.data.get`",
    "set_data": ", or use `self.ctx.data.set`",
    "publish_event": ", or use `self.ctx.events.publish`",
    "subscribe_to_event": ", or use `self.ctx.events.subscribe`",
}
