"""A plugin that builds on another: it imports its model and asks its service.

Shows a JSON body as a pydantic model, a query parameter, an event for whoever wants to know, and
a command: `sysctl plugins run orders report`.
"""

import threading
from collections import Counter
from typing import Any

from flask import abort

from devserver.sdk import BasePlugin, Router

from .models import NewOrder, Order


class Orders(BasePlugin):
    name = "orders"
    version = "1.1.0"
    description = "Takes orders of users and tells whoever wants to know"

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[Order] = []
        self._lock = threading.Lock()  # a private attribute is no state: each version has its own

    def initialize(self) -> None:
        # A service follows its provider through reloads; it may be kept.
        self._users = self.get_service("users.directory")
        self.register_command("report", self.report, "What each user has ordered, in cents")

    def register_routes(self, app: Any, router: Router) -> None:
        @router.get("/")
        def all_orders(customer: str | None = None) -> list[Order]:
            """All orders, or with ?customer=NAME those of one user."""
            return [o for o in self.orders if customer in (None, o.customer.name)]

        @router.get("/<int:number>")
        def one(number: int) -> Order:
            """One order, or 404."""
            if not 1 <= number <= len(self.orders):
                abort(404, f"there is no order {number}")
            return self.orders[number - 1]

        @router.post("/")
        def place(order: NewOrder) -> tuple[Order, int]:
            """Places an order and publishes `order.placed`."""
            placed = self._place(order)
            self.ctx.events.publish(
                "order.placed", {"number": placed.number, "customer": placed.customer.name}
            )
            return placed, 201

    def report(self, customer: str | None = None) -> dict[str, int]:
        """What each user, or one of them, has ordered in all, in cents."""
        totals: Counter[str] = Counter()
        for order in self.orders:
            if customer in (None, order.customer.name):
                totals[order.customer.name] += order.total
        return dict(totals)

    def _place(self, order: NewOrder) -> Order:
        customer = self._users.find(order.customer)
        if customer is None:
            abort(404, f"there is no user {order.customer!r}")
        with self._lock:
            placed = Order(len(self.orders) + 1, customer, order.item, order.total)
            self.orders.append(placed)
        return placed
