"""The third layer: hears of orders, asks for users, and says how it is.

Nothing is sent: letters are kept in memory. Shows a subscription, configuration (the sender is
set in config/plugins.yaml) and a health check with components, which a new version has to pass
before it goes live.
"""

from dataclasses import dataclass
from typing import Any

from devserver.sdk import BasePlugin, Event, HealthStatus, Router


@dataclass
class Letter:
    sender: str
    to: str
    subject: str


class Mailer(BasePlugin):
    name = "mailer"
    version = "1.0.0"
    description = "Writes to users whose order was placed"

    def __init__(self) -> None:
        super().__init__()
        self.outbox: list[Letter] = []

    async def initialize(self) -> None:
        self._users = self.get_service("users.directory")
        await self.subscribe_to_event("order.placed", self._confirm)

    def register_routes(self, app: Any, router: Router) -> None:
        @router.get("/")
        def outbox() -> list[Letter]:
            """The letters, oldest first."""
            return self.outbox

    async def health_check(self) -> HealthStatus:
        sender = self.config["sender"]
        return HealthStatus(
            healthy="@" in sender,
            message="ok" if "@" in sender else f"the sender {sender!r} is no address",
            components={"users.directory": f"{len(self._users)} users"},
            metrics={"letters": len(self.outbox)},
        )

    def _confirm(self, event: Event) -> None:
        user = self._users.find(event.data["customer"])
        if user is None:
            self.logger.warning("order %d: its customer is gone", event.data["number"])
            return
        subject = f"Your order {event.data['number']}"
        self.outbox.append(Letter(self.config["sender"], user.address, subject))
        del self.outbox[: -self.config["keep"]]
