"""Routes that stand although their plugin is out of service."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from devserver.core.settings import Settings
from devserver.reload.disposal import Disposer
from devserver.runtime.hold import hold_all, release
from devserver.runtime.registry import Registry, SystemView

if TYPE_CHECKING:
    from devserver.runtime.generation import Generation


class StandingRoutes:
    """Lets a generation go when nothing in the view refers to it any more, whatever ended it:
    the plugin is enabled or disabled, or deleted."""

    def __init__(
        self, registry: Registry, disposer: Disposer, *, settings: Callable[[], Settings]
    ) -> None:
        self._disposer = disposer
        self._settings = settings
        self._standing: frozenset[Generation] = frozenset()
        registry.on_publish(self._published)

    def _published(self, view: SystemView) -> None:
        before = self._standing
        records = view.plugins.values()
        self._standing = frozenset(r.standing for r in records if r.standing is not None)
        gone = sorted(before - self._standing, key=lambda g: g.key)
        if not gone:
            return
        # Who read the view just before finds the way to what answers now.
        release(hold_all(gone), gone, replaced=True)
        limits = self._settings().reload
        self._disposer.dispose(
            gone,
            timeout=limits.timeout,
            drain_timeout=limits.drain_timeout,
            on_done=lambda _step, _troubles: None,
        )
