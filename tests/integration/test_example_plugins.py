"""The example plugins do what their docstrings say."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from devserver.assembly import OfflineProject
from devserver.core.outcome import Outcome, Result
from devserver.core.permissions import Caller
from devserver.runtime.project import Project
from devserver.sdk.permissions import acting_for
from tests.integration.lab import Lab, plugin, wait_for

REPOSITORY = Path(__file__).parents[2]
NAMES = {"clock", "hello", "mailer", "orders", "users"}


@pytest.fixture
def examples(lab: Lab) -> Lab:
    """A copy of the example plugins and of their configuration, not started yet."""
    shutil.rmtree(lab.root / "plugins")
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "plugins", lab.root / "plugins", ignore=leave_out)
    shutil.copytree(REPOSITORY / "config", lab.root / "config")
    return lab


@pytest.fixture
def shop(examples: Lab) -> Lab:
    """The example plugins, running."""
    examples.start()
    return examples


def edit(lab: Lab, place: str, old: str, new: str) -> Outcome:
    """Replaces text of a file of a plugin and tells the host."""
    text = lab.path(place).read_text()
    assert old in text, f"{place} has no {old!r}"
    outcome = lab.save((place, text.replace(old, new)))
    assert outcome is not None, "nothing came of the edit"
    return outcome


def order(lab: Lab, customer: str = "Ada", item: str = "tea", total: int = 350) -> Any:
    body = {"customer": customer, "item": item, "total": total}
    answer = lab.ask("POST", "/orders/", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json


def letters(lab: Lab, number: int) -> list[Any]:
    """The mailer's letters, once there are that many."""
    return wait_for(
        lambda: (found := lab.json("/mailer/")) and len(found) >= number and found,
        f"letter {number}",
    )


def test_all_examples_are_active_and_nothing_is_said_against_them(shop: Lab) -> None:
    plugins = shop.running.registry.view.plugins

    assert set(plugins) == NAMES
    for record in plugins.values():
        assert (record.name, record.status, record.diagnostics) == (record.name, "active", ())


def test_all_examples_validate_without_any_diagnostic(examples: Lab) -> None:
    report = OfflineProject(Project(examples.root)).validate()

    assert report.diagnostics == ()


def test_the_dependencies_are_three_layers_deep(shop: Lab) -> None:
    edges = {(e.source, e.target) for e in shop.running.registry.view.edges}

    assert edges == {("orders", "users"), ("mailer", "orders"), ("mailer", "users")}


def test_every_example_says_what_it_is(shop: Lab) -> None:
    for name in NAMES:
        generation = shop.generation(name)
        assert generation.version, name
        assert generation.plugin.description, name
        assert all(route.summary for route in generation.routes), name


def test_hello_is_a_page_and_an_edited_greeting_shows(shop: Lab) -> None:
    page = shop.get("/hello/")
    assert page.mimetype == "text/html"
    assert "<h1>Hello from a plugin</h1>" in page.text

    edit(shop, "hello.py", "Hello from a plugin", "Good morning")

    assert "<h1>Good morning</h1>" in shop.get("/hello/").text


def quick_clock(lab: Lab) -> None:
    lab.write("/config/plugins.yaml", "clock: {interval: 0.01}\nmailer: {sender: a@b.org}\n")


def test_the_clock_ticks_in_the_background_and_counts_on_through_a_reload(examples: Lab) -> None:
    quick_clock(examples)
    examples.start()
    wait_for(lambda: examples.json("/clock/")["ticks"] >= 3, "the third tick")

    outcome = edit(examples, "clock/plugin.py", "self.ticks += 1", "self.ticks += 1000")

    assert outcome.state.kept == ("ticks",)
    ticks = wait_for(lambda: (n := examples.json("/clock/")["ticks"]) >= 1003 and n)
    assert ticks % 1000 >= 3, "the count began anew"


def test_others_hear_the_clock(examples: Lab) -> None:
    quick_clock(examples)
    listener = plugin(
        "listener",
        init="self.heard = []",
        body="""
            def on_load(self, ctx):
                ctx.events.subscribe("clock.*", lambda e: self.heard.append(e.data["ticks"]))
        """,
        routes="""router.get("/")(lambda: self.heard)""",
    )
    examples.write("listener", listener)
    examples.start()

    heard = wait_for(lambda: (h := examples.json("/listener/")) and len(h) >= 3 and h)
    assert heard[:3] == list(range(heard[0], heard[0] + 3))


def test_users_are_listed_added_and_removed(shop: Lab) -> None:
    assert shop.json("/users/") == [{"name": "Ada", "email": "ada@example.org"}]

    added = shop.ask("POST", "/users/", json={"name": "Grace", "email": "g@navy.mil"})
    assert (added.status_code, added.json) == (201, {"name": "Grace", "email": "g@navy.mil"})
    assert shop.json("/users/Grace")["email"] == "g@navy.mil"
    assert shop.ask("POST", "/users/", json={"name": "Grace"}).status_code == 409
    assert shop.ask("POST", "/users/", json={"nom": "Grace"}).status_code == 422

    assert shop.ask("DELETE", "/users/Grace").status_code == 200
    assert shop.get("/users/Grace").status_code == 404
    assert shop.ask("DELETE", "/users/Grace").status_code == 404


def test_only_who_may_manage_users_adds_one(shop: Lab) -> None:
    with acting_for(Caller(name="reader", grants=frozenset({"users.view"}))):
        answer = shop.ask("POST", "/users/", json={"name": "Eve"})
        assert shop.get("/users/").status_code == 200

    assert answer.status_code == 403
    assert "users.manage" in answer.text
    assert len(shop.json("/users/")) == 1


def test_orders_are_placed_listed_and_found(shop: Lab) -> None:
    shop.ask("POST", "/users/", json={"name": "Grace"})
    first = order(shop)
    order(shop, "Grace", "coffee", 420)

    ada = {"name": "Ada", "email": "ada@example.org"}
    assert first == {"number": 1, "customer": ada, "item": "tea", "total": 350}
    assert [o["number"] for o in shop.json("/orders/")] == [1, 2]
    assert [o["item"] for o in shop.json("/orders/?customer=Grace")] == ["coffee"]
    assert shop.json("/orders/2")["customer"]["name"] == "Grace"
    assert shop.get("/orders/3").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"customer": "Nobody", "item": "tea", "total": 1}, 404, "Nobody"),
        ({"customer": "Ada", "item": "tea", "total": 0}, 422, "total"),
        ({"customer": "Ada", "item": "", "total": 1}, 422, "item"),
        ({"customer": "Ada"}, 422, "item"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(
    shop: Lab, body: dict[str, Any], status: int, named: str
) -> None:
    answer = shop.ask("POST", "/orders/", json=body)

    assert answer.status_code == status
    assert named in answer.text
    assert shop.json("/orders/") == []


def test_the_report_adds_up_what_each_user_ordered(shop: Lab) -> None:
    shop.ask("POST", "/users/", json={"name": "Grace"})
    order(shop, total=100)
    order(shop, total=250)
    order(shop, "Grace", total=70)

    run = shop.running.control.run_command
    assert run("orders", "report", {}) == {"Ada": 350, "Grace": 70}
    assert run("orders", "report", {"customer": "Grace"}) == {"Grace": 70}


def test_the_mailer_writes_to_who_ordered(shop: Lab) -> None:
    order(shop)

    letter = {"to": "Ada <ada@example.org>", "subject": "Your order 1"}
    assert letters(shop, 1) == [{"sender": "shop@example.org", **letter}]


def test_the_mailer_says_how_it_is_part_by_part(shop: Lab) -> None:
    order(shop)
    letters(shop, 1)

    # An answer counts for a second before the plugin is asked again.
    ask = shop.running.control.health
    health = wait_for(lambda: (h := ask("mailer"))["metrics"] == {"letters": 1} and h)

    assert health["healthy"] is True
    assert health["components"] == {"users.directory": "1 users"}


def test_a_sender_that_is_no_address_fails_the_health_check_and_the_old_one_stays(
    shop: Lab,
) -> None:
    outcome = shop.save(("/config/plugins.yaml", "mailer: {sender: nobody}\n"))

    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    assert "no address" in (outcome.error or "")
    order(shop)
    assert letters(shop, 1)[0]["sender"] == "shop@example.org"


def test_a_new_model_of_users_comes_to_all_that_depend_on_it_and_everything_is_kept(
    shop: Lab,
) -> None:
    shop.ask("POST", "/users/", json={"name": "Grace"})
    order(shop, "Grace")
    letters(shop, 1)

    outcome = edit(shop, "users/models.py", '{self.name} <{self.email}>"', '{self.email}"')

    assert outcome.reloaded == ("users", "orders", "mailer")
    assert set(outcome.state.kept) == {"directory", "mailer.outbox", "orders.orders"}
    assert outcome.state.lost == ()
    assert [u["name"] for u in shop.json("/users/")] == ["Ada", "Grace"]
    assert shop.json("/orders/")[0]["customer"]["name"] == "Grace"
    order(shop, "Grace")
    assert [letter["to"] for letter in letters(shop, 2)] == [
        "Grace <grace@example.org>",
        "grace@example.org",
    ]


def test_kept_users_are_of_the_new_class_and_shared_with_the_orders(shop: Lab) -> None:
    shop.ask("POST", "/users/", json={"name": "Grace"})
    order(shop, "Grace")

    edit(shop, "users/models.py", '"""Somebody who may order."""', '"""A customer."""')

    users, orders = (shop.generation(name).plugin for name in ("users", "orders"))
    grace = users.directory.find("Grace")
    assert type(grace).__doc__ == "A customer."
    assert orders.orders[0].customer is grace


def test_a_save_of_orders_alone_leaves_users_alone(shop: Lab) -> None:
    order(shop)
    users = shop.generation("users")

    outcome = edit(shop, "orders/plugin.py", '"""All orders, or', '"""Orders, or')

    assert outcome.reloaded == ("orders", "mailer")
    assert shop.generation("users") is users
    customer = shop.generation("orders").plugin.orders[0].customer
    assert customer is users.plugin.directory.find("Ada")


def test_a_mailer_that_fails_keeps_all_three_as_they_were(shop: Lab) -> None:
    before = {name: shop.generation(name) for name in ("users", "orders", "mailer")}
    models = shop.path("users/models.py").read_text()
    mailer = shop.path("mailer/plugin.py").read_text()

    outcome = shop.save(
        ("users/models.py", models.replace("{self.name} <{self.email}>", "{self.email}")),
        ("mailer/plugin.py", mailer.replace('healthy="@" in sender', "healthy=False")),
    )

    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK
    assert {name: shop.generation(name) for name in before} == before
    order(shop)
    assert letters(shop, 1)[0]["to"] == "Ada <ada@example.org>"
