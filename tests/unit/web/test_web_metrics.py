"""/metrics, read by Prometheus' own parser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from web_fakes import FakeControl, outcome, record

from devserver.core.lifecycle import PluginStatus
from devserver.core.outcome import Result, Step
from devserver.runtime.event_log import Delivery
from devserver.sdk.context import Event


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


def test_latencies_are_a_histogram(client: FlaskClient, control: FakeControl) -> None:
    control.add(record("orders"))
    found = samples(client)
    place = "devserver_plugin_request_seconds"
    assert found[f"{place}_bucket", "0.001", "orders"] == 1
    assert found[f"{place}_bucket", "0.025", "orders"] == 3
    assert found[f"{place}_bucket", "10.0", "orders"] == 3
    assert found[f"{place}_bucket", "+Inf", "orders"] == 4
    assert found[f"{place}_count", "orders"] == 4
    assert found[f"{place}_sum", "orders"] == pytest.approx(60.0405)


def test_steps_are_timed_by_result_and_an_outcome_counts_once(
    client: FlaskClient, control: FakeControl
) -> None:
    first = control.journal.record(outcome("orders"))
    control.journal.amend(first.with_steps(Step(name="dispose", ms=5)), tell=True)
    control.journal.record(outcome("orders", Result.ROLLED_BACK))
    found = samples(client)
    assert found["devserver_plugin_reloads_total", "orders", "reloaded"] == 1
    place = "devserver_reload_step_seconds"
    assert found[f"{place}_count", "reloaded", "validate"] == 1
    assert found[f"{place}_sum", "rolled_back", "validate"] == pytest.approx(0.006)


def test_health_and_events_have_figures(client: FlaskClient, control: FakeControl) -> None:
    control.add(record("my-users"), record("orders"), record("idle"))
    control.healths = {"my-users": "degraded", "orders": "unhealthy", "idle": "unknown"}
    event = Event(topic="a", plugin="my_users", id=1)
    control.events.published(event, None, listeners=1)
    for result in ("delivered", "delivered", "hung"):
        control.events.delivered(event, Delivery(plugin="my_users", listener="x", result=result))
    found = samples(client)
    assert found["devserver_plugin_health", "my-users"] == 0.5
    assert found["devserver_plugin_health", "orders"] == 0
    assert ("devserver_plugin_health", "idle") not in found
    assert found["devserver_plugin_health_metric", "jobs", "orders"] == 2
    assert found["devserver_plugin_events_published_total", "my-users"] == 1
    assert found["devserver_plugin_events_published_total", "orders"] == 0
    assert found["devserver_plugin_events_heard_total", "my-users", "delivered"] == 2
    assert found["devserver_plugin_events_heard_total", "my-users", "hung"] == 1
    assert found["devserver_plugin_event_queue_length", "orders"] == 5
