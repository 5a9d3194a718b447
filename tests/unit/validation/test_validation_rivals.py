"""Services that two plugins register."""

from __future__ import annotations

from validation_worlds import codes, findings, sample

MAIL = '\n    def initialize(self):\n        self.register_service("mail", self)\n'


def test_both_are_told_of_the_other_unless_that_is_not_to_be_used() -> None:
    plugins = {"orders": sample("orders", MAIL), "shop": sample("shop", MAIL)}
    found = findings(plugins)
    assert codes(found) == ["STR027?", "STR027?"]
    assert {(d.plugin, d.message) for d in found} == {
        ("orders", "the service 'mail' is registered by 'shop' too"),
        ("shop", "the service 'mail' is registered by 'orders' too"),
    }
    assert found[0].hint == "give it a name of its own, such as 'orders.mail'"
    assert findings(plugins, changed=["orders"], disabled=["shop"]) == ()
