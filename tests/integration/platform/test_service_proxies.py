"""Proxies of services: what else than calls they take, and what they are through reloads."""

from __future__ import annotations

import copy
import weakref
from typing import Any

import pytest

from tests.integration.lab import Lab, plugin

TOP = """
class NotFound(Exception):
    pass

class Order:
    def __init__(self, number=0):
        self.number = number

class Orders:
    NotFound = NotFound

    def __init__(self):
        self.known = {1: VERSION}
        self.extra = True

    def find(self, number):
        if number not in self.known:
            raise NotFound(number)
        return self.known[number]

    def version(self):
        return VERSION

    def __delitem__(self, number):
        del self.known[number]
"""
BODY = """
    def on_load(self, ctx):
        ctx.services.register("users.orders", Orders())
        ctx.services.register("users.Order", Order)
"""
SHOP = """
    self.orders = None
    self.ask = None
    self.by_service = {}
"""


def users(version: int) -> str:
    return plugin("users", version, top=TOP, body=BODY)


@pytest.fixture
def shop(lab: Lab) -> Any:
    lab.write("users", users(1))
    lab.write("shop", plugin("shop", init=SHOP))
    lab.start()
    return lab.generation("shop").plugin


def test_two_proxies_of_one_thing_are_equal_and_a_copy_is_the_proxy(shop: Any) -> None:
    orders = shop.get_service("users.orders")
    assert orders == shop.get_service("users.orders")
    assert orders.version == orders.version
    assert len({orders, shop.get_service("users.orders"), orders.version}) == 2
    assert orders != shop.get_service("users.Order")
    assert orders != shop.get_service("users.orders", ">=1")
    assert copy.copy(orders) is orders
    assert copy.deepcopy([orders])[0] is orders
    assert weakref.ref(orders)() is orders


def test_a_listener_that_is_a_services_method_can_be_taken_back(shop: Any) -> None:
    orders = shop.get_service("users.orders")
    shop.ctx.events.subscribe("a", orders.version)
    shop.ctx.events.unsubscribe("a", shop.get_service("users.orders").version)
    assert shop._host._generation.subscriptions == ()


def test_a_class_as_a_service_knows_its_instances(shop: Any) -> None:
    order_class = shop.get_service("users.Order")
    assert isinstance(order_class(3), order_class)
    assert not isinstance(3, order_class)
    assert issubclass(type(order_class()), order_class)
    with pytest.raises(TypeError, match="import the class from the plugin that has it"):
        exec("class Special(order_class): pass", {"order_class": order_class})


def test_errors_of_a_service_can_be_caught_by_its_classes(lab: Lab, shop: Any) -> None:
    orders = shop.get_service("users.orders")
    for version in (1, 2):
        with pytest.raises(orders.NotFound):
            orders.find(5)
        assert lab.save(("users", users(version + 1))).success


def test_items_and_attributes_can_be_deleted_and_listed(shop: Any) -> None:
    orders = shop.get_service("users.orders")
    del orders[1]
    del orders.extra
    assert not hasattr(orders, "extra")
    assert {"find", "known", "NotFound"} <= set(dir(orders))
    with pytest.raises(AttributeError, match=r"<service users.orders> does not pass on __name__"):
        _ = orders.__name__


def test_proxies_kept_in_state_reach_the_live_provider_after_three_reloads(
    lab: Lab, shop: Any
) -> None:
    shop.orders = shop.get_service("users.orders")
    shop.ask = shop.orders.version
    shop.by_service = {shop.orders: "kept"}
    for number in (2, 3, 4):
        assert lab.save(("users", users(number))).success
        assert lab.save(("shop", plugin("shop", number, init=SHOP))).success
    now = lab.generation("shop").plugin
    assert now is not shop
    assert (now.orders.version(), now.ask(), now.orders.find(1)) == (4, 4, 4)
    assert now.by_service[now.get_service("users.orders")] == "kept"


@pytest.mark.parametrize("name", ["", None, 5, b"x"])
def test_a_name_that_is_none_is_refused_and_the_list_stays_readable(
    lab: Lab, shop: Any, name: Any
) -> None:
    with pytest.raises((TypeError, ValueError), match=r"a service.* such as 'users\.find'"):
        shop.register_service(name, shop)
    with pytest.raises((TypeError, ValueError), match=r"a service.* such as 'users\.find'"):
        shop.get_service(name)
    with pytest.raises(TypeError, match="the version of the service 'x' is a text"):
        shop.register_service("x", shop, version=2)
    assert [s["name"] for s in lab.running.control.services()] == ["users.Order", "users.orders"]
