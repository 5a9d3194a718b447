"""Log handlers that plugins add: one stays at work as long as the code asks for one."""

from __future__ import annotations

import logging

import pytest

from tests.integration.lab import Lab, plugin, wait_for

IF_NONE = """
import logging
logger = logging.getLogger("{logger}")
if not logger.handlers:
    logger.addHandler(logging.NullHandler())
"""
OWN_CLASS = """
import logging
class Mine(logging.NullHandler):
    pass
logger = logging.getLogger("plugins.users")
if not logger.handlers:
    logger.addHandler(Mine())
"""


def handlers(name: str) -> list[logging.Handler]:
    return list(logging.getLogger(name).handlers)


@pytest.mark.parametrize("logger", ["plugins.users", "plugins.users.plugin", "elsewhere.of.users"])
def test_a_handler_that_is_added_where_there_is_none_lives_through_reloads(
    lab: Lab, logger: str
) -> None:
    top = IF_NONE.format(logger=logger)
    lab.write("users", plugin("users", top=top))
    lab.start()
    for version in range(2, 6):
        assert lab.save(("users", plugin("users", version, top=top))).success  # type: ignore[union-attr]
        wait_for(lambda v=version: lab.live("users") == [v], "the old one is gone")  # type: ignore[misc]
        assert len(handlers(logger)) == 1
    lab.running.control.unload("users")
    wait_for(lambda: handlers(logger) == [], "it goes with the plugin")


def test_it_goes_when_the_code_no_longer_adds_one(lab: Lab) -> None:
    lab.write("users", plugin("users", top=IF_NONE.format(logger="plugins.users")))
    lab.start()
    assert lab.save(("users", plugin("users", 2))).success  # type: ignore[union-attr]
    wait_for(lambda: handlers("plugins.users") == [], "it is gone")


def test_one_that_runs_the_old_code_goes_all_the_same(lab: Lab) -> None:
    lab.write("users", plugin("users", top=OWN_CLASS))
    lab.start()
    assert lab.save(("users", plugin("users", 2, top=OWN_CLASS))).success  # type: ignore[union-attr]
    wait_for(lambda: lab.live("users") == [2], "the old one is gone")
    assert handlers("plugins.users") == []


def test_a_refused_version_leaves_the_handler_where_it_was(lab: Lab) -> None:
    top = IF_NONE.format(logger="plugins.users")
    lab.write("users", plugin("users", top=top))
    lab.start()
    before = handlers("plugins.users")
    assert not lab.save(("users", plugin("users", 2, top=f"{top}\n1 / 0"))).success  # type: ignore[union-attr]
    assert handlers("plugins.users") == before
    assert len(before) == 1
