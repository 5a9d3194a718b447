"""What is on disk and was not tried: what was known of it still holds."""

from __future__ import annotations

from dataclasses import replace

from devserver.reload.pending import Pending, Refused
from devserver.runtime.registry import PluginRecord, Registry


def as_before(
    before: PluginRecord, refused: Refused | None, *, pending: Pending, registry: Registry
) -> None:
    """`before` is the record from before something else was tried, `refused` what of the disk
    was refused then."""
    pending.forget([before.key])
    if refused is not None:
        pending.refuse([refused])
    now = registry.view.find(before.key)
    if now is not None and (now.generation is None) == (before.generation is None):
        registry.publish(
            replace(
                now,
                status=before.status,
                reason=before.reason,
                manifest=before.manifest,
                pending=before.pending,
                diagnostics=before.diagnostics,
            )
        )
