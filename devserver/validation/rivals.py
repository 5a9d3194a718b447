"""Plugins that offer the same thing: the one that is loaded later is refused."""

from __future__ import annotations

from collections.abc import Iterator

from devserver.core.diagnostics import Diagnostic
from devserver.validation.candidate import Candidate, World
from devserver.validation.findings import warning
from devserver.validation.host_use import PROVIDED


def rival_services(candidate: Candidate, world: World) -> Iterator[Diagnostic]:
    """Services that another plugin in use registers too, as far as the texts tell: either may do
    so in some cases only."""
    for name in sorted(candidate.use.names(PROVIDED)):
        rivals = [
            other.name
            for key, other in sorted(world.plugins.items())
            if other.name != candidate.name
            and key not in world.disabled
            and name in other.use.names(PROVIDED)
        ]
        if rivals:
            file, span = candidate.use.place(PROVIDED, name)
            own = f"{candidate.name}.{name.rpartition('.')[2]}"
            yield warning(
                candidate,
                "STR027",
                f"the service {name!r} is registered by {', '.join(map(repr, rivals))} too",
                file=file,
                span=span,
                hint=f"give it a name of its own, such as {own!r}",
            )
