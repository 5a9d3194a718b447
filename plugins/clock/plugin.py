"""A background task, an event and a counter that lives through reloads.

Change what `_tick` does and save: the old task is cancelled, the new one starts, and `ticks`
counts on. How often it ticks is set in manifest.json or config/plugins.yaml.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

from devserver.sdk import BasePlugin, Router


class Clock(BasePlugin):
    name = "clock"
    version = "1.0.0"
    description = "Ticks in the background and tells everybody"

    def __init__(self) -> None:
        super().__init__()
        self.ticks = 0  # a public attribute is state: what it counted is kept

    async def initialize(self) -> None:
        # Starts when this version goes live and is cancelled when the next one does.
        self.create_task(self._tick)

    def register_routes(self, app: Any, router: Router) -> None:
        @router.get("/")
        async def now() -> dict[str, Any]:
            """The time, and how often the clock has ticked."""
            return {"time": _now(), "ticks": self.ticks}

    async def _tick(self) -> None:
        while True:
            self.ticks += 1
            await self.publish_event("clock.tick", {"ticks": self.ticks, "time": _now()})
            await asyncio.sleep(await self.get_config("interval"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
