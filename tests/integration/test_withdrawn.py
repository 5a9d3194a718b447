"""Whoever waits for a plugin to leave does not keep it in memory."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, jsonify

from devserver.core.lifecycle import PluginStatus
from devserver.reload.queue import Withdraw
from devserver.web.api import PluginApi
from tests.integration.lab import Lab, plugin, wait_for


@pytest.fixture
def one(lab: Lab) -> Lab:
    lab.write("clock", plugin("clock", 1))
    lab.start()
    return lab


def is_gone(lab: Lab) -> bool:
    gc.collect()
    return not lab.running.system.live.numbers("clock")


def test_what_a_withdrawal_answers_does_not_hold_the_generation(one: Lab) -> None:
    command = Withdraw(key="clock", status=PluginStatus.DISABLED, force=False, trigger="api")
    answer = one.running.control._queue.put(command)
    withdrawn = answer.result()
    assert withdrawn.wait(20).success
    wait_for(lambda: is_gone(one), "nothing of it is left")
    assert withdrawn.wait(20).success


class Asked:
    """Stands for the group: does the word here, and waits for the others."""

    def __init__(self, act: Callable[[str], Any], gone: Callable[[], bool]) -> None:
        self._act, self._gone = act, gone

    def ask(self, name: str, action: str) -> Any:
        self._act(name)
        wait_for(self._gone, "nothing of it is left while the others are waited for")
        return jsonify({"action": action})


def test_a_request_that_waits_for_the_group_does_not_hold_the_generation(one: Lab) -> None:
    control = one.running.control
    instances: Any = Asked(control.disable, lambda: is_gone(one))
    app = Flask("asked")
    app.register_blueprint(PluginApi(control=control, instances=instances).blueprint())
    answer = app.test_client().post("/api/plugins/clock/disable?all_instances=true")
    assert answer.status_code == 200, answer.text
