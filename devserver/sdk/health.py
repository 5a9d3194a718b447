"""What a plugin says of its health."""

from __future__ import annotations

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

    def dict(self) -> dict[str, Any]:
        """All fields by name."""
        return asdict(self)

    @classmethod
    def of(cls, answer: object) -> HealthStatus:
        """What a plugin's `health_check()` returned, as a HealthStatus.

        None and True mean healthy, False means unhealthy, a mapping gives the fields.

        Raises TypeError for anything else.
        """
        if isinstance(answer, cls):
            return answer
        if answer is None or isinstance(answer, bool):
            return cls(healthy=answer is not False)
        if isinstance(answer, dict):
            known = {k: v for k, v in answer.items() if k in cls.__dataclass_fields__}
            return cls(**known)
        raise TypeError(
            f"health_check() returned {type(answer).__name__}, not a HealthStatus, bool or dict"
        )
