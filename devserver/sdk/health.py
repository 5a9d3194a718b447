"""What a plugin says of its health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class HealthStatus:
    """The answer of `health_check()`. `components` maps a part's name to what is known of it;
    `metrics` maps names to numbers."""

    healthy: bool = True
    message: str = ""
    components: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """healthy, degraded (it works, but one of its components says that it is ill) or
        unhealthy."""
        if not self.healthy:
            return "unhealthy"
        return "degraded" if any(map(_is_ill, self.components.values())) else "healthy"

    def dict(self) -> dict[str, Any]:
        """All fields by name."""
        return asdict(self)

    @classmethod
    def of(cls, answer: object) -> HealthStatus:
        """What a plugin's `health_check()` returned, as a HealthStatus.

        None and True mean healthy, False means unhealthy, a mapping gives the fields, or its
        state by name as `status`.

        Raises TypeError for anything else.
        """
        if isinstance(answer, cls):
            return answer
        if answer is None or isinstance(answer, bool):
            return cls(healthy=answer is not False)
        if isinstance(answer, dict):
            told = cls(**{k: v for k, v in answer.items() if k in cls.__dataclass_fields__})
            if _is_ill(answer.get("status")):
                told.healthy = answer.get("healthy", str(answer["status"]).lower() == "degraded")
                told.components = {**(told.components or {}), "status": answer["status"]}
            return told
        raise TypeError(
            f"health_check() returned {type(answer).__name__}, not a HealthStatus, bool or dict"
        )


_ILL = frozenset({"unhealthy", "degraded", "down", "error", "failed", "failing", "critical"})


def _is_ill(component: object) -> bool:
    """True for False, for a word such as `down`, and for a mapping that says so as `healthy` or
    `status`."""
    if isinstance(component, Mapping):
        return component.get("healthy") is False or _is_ill(component.get("status"))
    return component is False or (isinstance(component, str) and component.lower() in _ILL)
