"""`sysctl dev plugin monitor`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from cli_fakes import REFUSED, FakeApi, outcome
from rich.console import Console

from devserver.cli.monitor import command as module
from devserver.cli.monitor.figures import host_row, quantile, read_figures, rows_of
from devserver.cli.monitor.screen import LiveTable

Sysctl = Callable[..., tuple[int, str, str]]
ROW = {
    "name": "users", "version": "1.0.0", "status": "active", "health": {"status": "healthy"},
    "pending": False,
}  # fmt: skip


def metrics(requests: int, *, quick: int = 0, slow: int = 0, cpu: float = 0.0) -> str:
    """As the server tells them: `quick` requests took up to 0.1 s, `slow` up to 1 s."""
    return f"""
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 9e7
# TYPE process_cpu_seconds counter
process_cpu_seconds_total {cpu}
# TYPE devserver_uptime_seconds gauge
devserver_uptime_seconds 12.5
# TYPE devserver_plugin_generation gauge
devserver_plugin_generation{{plugin="users"}} 3
# TYPE devserver_plugin_live_generations gauge
devserver_plugin_live_generations{{plugin="users"}} 1
# TYPE devserver_plugin_requests counter
devserver_plugin_requests_total{{plugin="users"}} {requests}
# TYPE devserver_plugin_reloads counter
devserver_plugin_reloads_total{{plugin="users",result="reloaded"}} 2
devserver_plugin_reloads_total{{plugin="users",result="rejected"}} 1
# TYPE devserver_reload_step_seconds summary
devserver_reload_step_seconds_count{{step="stage",result="reloaded"}} 2
devserver_reload_step_seconds_sum{{step="stage",result="reloaded"}} 0.5
# TYPE devserver_plugin_request_seconds histogram
devserver_plugin_request_seconds_bucket{{plugin="users",le="0.1"}} {quick}
devserver_plugin_request_seconds_bucket{{plugin="users",le="1.0"}} {quick + slow}
devserver_plugin_request_seconds_bucket{{plugin="users",le="+Inf"}} {quick + slow}
devserver_plugin_request_seconds_count{{plugin="users"}} {quick + slow}
devserver_plugin_request_seconds_sum{{plugin="users"}} 1
"""


def test_rates_and_latencies_are_of_the_time_between_two_looks() -> None:
    first = read_figures(metrics(10, quick=10), 100.0)
    second = read_figures(metrics(30, quick=20, slow=10), 102.0)
    (alone,) = rows_of(first, None, [ROW])
    assert (alone["requests_per_second"], alone["latency_p50_ms"]) == (None, None)
    (row,) = rows_of(second, first, [ROW])
    assert (row["requests"], row["requests_per_second"]) == (30, 10.0)
    assert (row["latency_p50_ms"], row["latency_p95_ms"]) == (100.0, 910.0)
    assert row["reloads"] == {"reloaded": 2, "rejected": 1}


def test_a_server_that_began_anew_gives_no_negative_figures() -> None:
    first = read_figures(metrics(10, quick=10, cpu=5), 100.0)
    second = read_figures(metrics(2, quick=2, cpu=1), 101.0)
    (row,) = rows_of(second, first, [ROW])
    assert (row["requests_per_second"], row["latency_p50_ms"]) == (0.0, 50.0)
    assert host_row(second, first)["cpu"] == 0.0


def test_the_process_and_the_steps_are_told() -> None:
    now, before = (read_figures(metrics(1, cpu=c), 10.0 + c * 2) for c in (1.5, 1.0))
    host = host_row(now, before)
    assert (host["memory_bytes"], host["cpu"], host["uptime_seconds"]) == (90_000_000, 0.5, 12.5)
    assert host["step_mean_ms"] == {"stage": 250.0}


def test_a_quantile_beyond_the_last_bound_is_that_bound() -> None:
    inf = float("inf")
    assert quantile({0.1: 0, inf: 4}, 0.5) == 100.0
    assert quantile({0.1: 0, inf: 0}, 0.5) is None
    assert quantile({}, 0.5) is None


@pytest.fixture
def watched(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """A server whose figures change between two looks; the third ends with Ctrl-C."""
    api.answers["GET /api/plugins"] = (200, [ROW, ROW | {"name": "orders"}])
    api.answers["GET /api/history"] = (200, [outcome(id=4).to_json()])
    api.answers["GET /metrics"] = (200, metrics(10).encode())
    looks: list[float] = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        api.answers["GET /metrics"] = (200, metrics(12).encode())
        api.answers["GET /api/history"] = (200, [REFUSED.to_json(), outcome(id=4).to_json()])
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(module.time, "sleep", pause)
    return api


def test_json_is_one_document_a_look_with_what_is_new(watched: FakeApi, sysctl: Sysctl) -> None:
    code, out, _ = sysctl("dev", "plugin", "monitor", "users", "--json")
    documents = [json.loads(line) for line in out.splitlines()]
    assert (code, len(documents)) == (130, 3)
    assert [[o["id"] for o in d["outcomes"]] for d in documents] == [[], [5], []]
    assert [[row["name"] for row in d["plugins"]] for d in documents] == [["users"]] * 3
    assert [d["plugins"][0]["requests"] for d in documents] == [10, 12, 12]


def test_lines_come_for_what_changed_alone(watched: FakeApi, sysctl: Sysctl) -> None:
    code, out, _ = sysctl("dev", "plugin", "monitor", "--metrics")
    assert code == 130
    lines = out.splitlines()
    assert sum("  users  active g3" in line for line in lines) == 2
    assert sum("  orders  " in line for line in lines) == 1
    assert any("users refused (validation)" in line for line in lines)
    assert "reloads 2 +1 ✗" in out


def test_the_table_stays_in_place_and_fits_80_columns(watched: FakeApi, sysctl: Sysctl) -> None:
    documents = [
        json.loads(line)
        for line in sysctl("dev", "plugin", "monitor", "users", "--json")[1].splitlines()
    ]
    stream = io.StringIO()
    console = Console(file=stream, width=80, force_terminal=True, color_system=None)
    with LiveTable(console, more=True) as table:
        for document in documents:
            table.show(document)
    text = stream.getvalue()
    assert "\x1b[2J" not in text  # the scrollback stays
    assert "active g3" in text
    assert "…" not in text
    assert "✗ users rejected in 41 ms" in text
    assert "stage 250" in text


def test_a_plugin_that_is_not_there_exits_with_3_no_server_with_4(
    watched: FakeApi, sysctl: Sysctl
) -> None:
    assert sysctl("dev", "plugin", "monitor", "nobody")[0] == 3
    watched.answers["GET /api/hot-reload/status"] = (200, b"no JSON")
    assert sysctl("dev", "plugin", "monitor")[0] == 4
