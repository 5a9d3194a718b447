"""What several guarantees are tried on."""

from __future__ import annotations

import pytest

from tests.integration.lab import Lab, plugin


@pytest.fixture
def chain(lab: Lab) -> Lab:
    """users ← orders ← mailer, running."""
    lab.write("users", plugin("users", top="RATE = 1"))
    lab.write(
        "orders",
        plugin(
            "orders",
            top="from plugins.users.plugin import RATE",
            routes="""
        @router.get("/rate")
        def rate():
            return {"rate": RATE}
    """,
        ),
    )
    lab.write(
        "mailer",
        plugin(
            "mailer",
            top="from plugins.orders import plugin as orders",
            routes="""
        @router.get("/rate")
        def rate():
            return {"rate": orders.RATE}
    """,
        ),
    )
    lab.start()
    return lab
