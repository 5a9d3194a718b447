"""How the figures are shown: a table that stays in place, or lines."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from devserver.cli.outcomes import outcome_of
from devserver.cli.output import console_for
from devserver.cli.rich_view import RichView
from devserver.cli.text import milliseconds, one_line

_OUTCOMES = 8
_STATUS = {"active": "green", "reloading": "yellow", "failed": "bold red", "disabled": "dim"}
_HEALTH = {"healthy": "green", "degraded": "yellow", "unhealthy": "red"}
_COLUMNS = (
    "plugin", "status", "health", "req/s", "errors", "p50 ms", "p95 ms", "reloads", "live",
)  # fmt: skip
_MORE = ("plugin", "inside", "requests", "routes", "events", "queue")
Document = Mapping[str, Any]


class LiveTable:
    """Draws on a terminal, in place; a context manager."""

    def __init__(self, console: Console, *, more: bool) -> None:
        self._more = more
        self._live = Live(console=console, auto_refresh=False)
        self._outcomes: deque[Document] = deque(maxlen=_OUTCOMES)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, document: Document) -> None:
        """In place of what was there."""
        self._outcomes.extend(document["outcomes"])
        self._live.update(self._drawn(document), refresh=True)

    def _drawn(self, document: Document) -> Group:
        rows = document["plugins"]
        parts: list[Any] = [_of_host(document), _table(_COLUMNS, map(_cells, rows), left=3)]
        if self._more:
            parts += [_table(_MORE, map(_more_cells, rows), left=1), _steps(document)]
        lines = [_outcome_line(outcome) for outcome in self._outcomes]
        return Group(*parts, *lines, Text("Ctrl-C ends it", style="dim"))


def _table(titles: Iterable[str], rows: Iterable[Iterable[Text]], *, left: int) -> Table:
    """The first `left` columns hold words, the others numbers."""
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, collapse_padding=True)
    for number, title in enumerate(titles):
        table.add_column(title, no_wrap=True, justify="left" if number < left else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _cells(row: Document) -> list[Text]:
    leaked = row["leaked_generations"]
    waits = " !" if row["pending"] else ""
    status = f"{row['status']} g{row['generation']}{waits}"
    return [
        Text(one_line(row["name"]), style="bold"),
        Text(status, style="yellow" if waits else _STATUS.get(row["status"], "")),
        Text(row["health"], style=_HEALTH.get(row["health"], "dim")),
        Text(_number(row["requests_per_second"])),
        Text(str(row["errors"]), style="red" if row["errors_per_second"] else ""),
        Text(_ms(row["latency_p50_ms"])),
        Text(_ms(row["latency_p95_ms"])),
        Text(_reloads(row)),
        Text(_live(row), style="yellow" if leaked else ""),
    ]


def _more_cells(row: Document) -> list[Text]:
    counts = (
        "active_requests", "requests", "routes", "events_published", "event_queue_length",
    )  # fmt: skip
    return [Text(one_line(row["name"]), style="bold"), *(Text(str(row[name])) for name in counts)]


class Lines:
    """Prints a line for each plugin that something changed about, and reloads as they come."""

    def __init__(self, *, more: bool) -> None:
        self._more = more
        self._seen: dict[str, tuple[Any, ...]] = {}
        self._view = RichView(console_for())

    def show(self, document: Document) -> None:
        """What is new."""
        if not self._seen:
            print(_of_host(document).plain, flush=True)
        for outcome in document["outcomes"]:
            self._view.outcome(outcome_of(outcome))
        for row in document["plugins"]:
            facts = tuple(row[n] for n in ("status", "health", "pending", "generation", "requests",
                                           "errors", "live_generations"))  # fmt: skip
            if self._seen.get(row["name"]) != facts:
                self._seen[row["name"]] = facts
                print(f"{_clock(document['time'])}  {self._line(row)}", flush=True)

    def _line(self, row: Document) -> str:
        parts = [
            one_line(row["name"]), f"{row['status']} g{row['generation']}", row["health"],
            f"{_number(row['requests_per_second'])} req/s", f"{row['errors']} errors",
            f"p50 {_ms(row['latency_p50_ms'])} ms", f"p95 {_ms(row['latency_p95_ms'])} ms",
            f"reloads {_reloads(row)}", f"live {_live(row)}",
        ]  # fmt: skip
        if self._more:
            parts += [
                f"inside {row['active_requests']}", f"requests {row['requests']}",
                f"routes {row['routes']}", f"events {row['events_published']}",
                f"queue {row['event_queue_length']}",
            ]  # fmt: skip
        return "  ".join(parts)


def _of_host(document: Document) -> Text:
    host = document["host"]
    memory, cpu = host["memory_bytes"], host["cpu"]
    parts = [
        f"{document['url']}  {_clock(document['time'])}",
        "" if memory is None else f"{memory / 1e6:.0f} MB",
        "" if cpu is None else f"{cpu * 100:.0f} % of a processor",
        f"up {host['uptime_seconds']:.0f} s",
        f"{host['queued_reloads']} reloads waiting" if host["queued_reloads"] else "",
    ]
    return Text(" · ".join(filter(None, parts)))


def _steps(document: Document) -> Text:
    steps = document["host"]["step_mean_ms"]
    told = " · ".join(f"{one_line(name)} {milliseconds(ms)}" for name, ms in steps.items())
    return Text(f"mean ms of a reload's steps: {told or 'no reload yet'}", style="dim")


def _outcome_line(outcome: Document) -> Text:
    good = bool(outcome["success"])
    word = outcome["deed"] or outcome["result"].replace("_", " ")
    what = "" if outcome["error"] is None else f"  {one_line(outcome['error'])}"
    return Text.assemble(
        (f"{_clock(outcome['time'])} ", "dim"),
        ("✓ " if good else "✗ ", "green" if good else "red"),
        f"{one_line(outcome['plugin'])} {word} in {outcome['duration_ms']:.0f} ms{what}",
    )


def _reloads(row: Document) -> str:
    """How many went live, and how many did not."""
    done = row["reloads"]
    bad = done.get("rejected", 0) + done.get("rolled_back", 0)
    return f"{done.get('reloaded', 0)}" + (f" +{bad} ✗" if bad else "")


def _live(row: Document) -> str:
    """How many versions are in memory, and how many of these somebody holds."""
    held = row["leaked_generations"]
    return str(row["live_generations"]) + (f" ({held} held)" if held else "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _ms(value: float | None) -> str:
    return "-" if value is None else milliseconds(value)


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%H:%M:%S}"
