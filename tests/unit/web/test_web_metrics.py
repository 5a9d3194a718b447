"""/metrics, read by Prometheus' own parser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from web_fakes import FakeControl, outcome, record

from devserver.core.lifecycle import PluginStatus
from devserver.core.outcome import Result


def samples(client: FlaskClient, **options: Any) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics", **options)
    assert answer.status_code == 200
    return dict(_read(answer.text))


def _read(text: str) -> Iterator[tuple[tuple[str, ...], float]]:
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            yield (sample.name, *sample.labels.values()), sample.value


def test_every_plugin_has_its_figures(client: FlaskClient, control: FakeControl) -> None:
    control.add(record("orders"), record("my-users", PluginStatus.FAILED, pending=True))
    found = samples(client)
    assert found["devserver_plugin_live_generations", "orders"] == 1
    assert found["devserver_plugin_generation", "orders"] == 3
    assert found["devserver_plugin_requests_total", "orders"] == 7
    assert found["devserver_plugin_active_requests", "orders"] == 1
    assert found["devserver_plugin_routes", "orders"] == 2
    assert found["devserver_plugin_pending", "orders"] == 0
    assert found["devserver_plugin_pending", "my-users"] == 1
    assert found["devserver_plugins", "failed"] == 1
    assert found["devserver_plugins", "active"] == 1
    assert found["devserver_plugins", "disabled"] == 0
    assert found["devserver_reload_queue_length",] == 0
    assert found["devserver_uptime_seconds",] > 0


def test_outcomes_are_counted_by_plugin_and_result(
    client: FlaskClient, control: FakeControl
) -> None:
    for _ in range(1100):  # more than the journal keeps
        control.journal.record(outcome("orders", plugins=("orders", "mailer")))
    control.journal.record(outcome("orders", Result.REJECTED))
    found = samples(client)
    assert found["devserver_plugin_reloads_total", "orders", "reloaded"] == 1100
    assert found["devserver_plugin_reloads_total", "mailer", "reloaded"] == 1100
    assert found["devserver_plugin_reloads_total", "orders", "rejected"] == 1
    assert found["devserver_reload_seconds_total", "reloaded"] == pytest.approx(1100 * 0.04125)


def test_the_scraper_chooses_the_format(client: FlaskClient) -> None:
    plain = client.get("/metrics")
    assert plain.content_type.startswith("text/plain")
    assert plain.headers["Cache-Control"] == "no-store"
    modern = client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert modern.content_type.startswith("application/openmetrics-text")
    assert modern.text.endswith("# EOF\n")


def test_a_name_cannot_break_the_format(client: FlaskClient, control: FakeControl) -> None:
    control.add(record("a_b"), record("c-d"))
    assert {key[1] for key in samples(client) if key[0] == "devserver_plugin_active"} == {
        "a_b",
        "c-d",
    }


def test_it_is_read_and_nothing_else(client: FlaskClient) -> None:
    assert client.post("/metrics").status_code == 405
