"""GET /api/events/recent."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from web_fakes import FakeControl, record

from devserver.runtime.event_log import Delivery, readable
from devserver.sdk.context import Event


@pytest.fixture
def told(control: FakeControl) -> FakeControl:
    control.add(record("my-users"), record("orders"))
    for n, topic in enumerate(["user.added", "order.placed", "user.gone"], 1):
        event = Event(topic=topic, data={"n": n}, plugin="my_users", time=1.5, id=n)
        control.events.published(event, readable(event.data), listeners=1)
        if topic == "order.placed":
            had = Delivery(plugin="orders", listener="Orders.heard", result="delivered", ms=1.25)
            control.events.delivered(event, had)
    return control


def test_the_newest_come_first_with_what_became_of_them(
    told: FakeControl, client: FlaskClient
) -> None:
    found = client.get("/api/events/recent").json
    assert [e["id"] for e in found] == [3, 2, 1]
    assert found[1] == {
        "id": 2,
        "topic": "order.placed",
        "plugin": "my_users",
        "time": 1.5,
        "data": {"n": 2},
        "listeners": 1,
        "deliveries": [
            {
                "plugin": "orders",
                "listener": "Orders.heard",
                "result": "delivered",
                "ms": 1.25,
                "error": None,
            }
        ],
    }


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("topic=user.*", [3, 1]),
        ("topic=user.gone", [3]),
        ("plugin=my-users&limit=2", [3, 2]),
        ("plugin=orders", [2]),
        ("after=2", [3]),
        ("after=9", []),
    ],
)
def test_they_are_chosen_by_query(
    told: FakeControl, client: FlaskClient, query: str, ids: list[int]
) -> None:
    assert [e["id"] for e in client.get(f"/api/events/recent?{query}").json] == ids


@pytest.mark.parametrize(
    ("query", "status"), [("limit=0", 400), ("after=x", 400), ("plugin=nobody", 404)]
)
def test_what_is_meaningless_is_refused(client: FlaskClient, query: str, status: int) -> None:
    assert client.get(f"/api/events/recent?{query}").status_code == status


def test_services_have_owner_and_version(client: FlaskClient) -> None:
    assert client.get("/api/services").json == [
        {"name": "users.api", "plugin": "users", "version": "1.2.0", "type": "Users"}
    ]
