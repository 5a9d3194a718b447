"""Tables and pages of facts: drawn on a terminal, aligned text elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from devserver.cli.commands import is_terminal
from devserver.cli.output import console_for
from devserver.cli.text import one_line

Cell = str | tuple[str, str]
"""A text, or a text and its style."""

_GAP = "  "


def draw_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """A table on stdout. Texts are cleaned here."""
    if not is_terminal():
        _print_aligned([[c.upper() for c in columns], *rows])
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns, 1):
        table.add_column(column, no_wrap=number < len(columns), overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line(_text(c)), style=_style(c)) for c in row))
    console_for().print(table)


def draw_facts(facts: Iterable[tuple[str, Cell]]) -> None:
    """Names and values, one pair a line; pairs without a value are left out."""
    shown = [(name, cell) for name, cell in facts if _text(cell)]
    width = max((len(name) for name, _ in shown), default=0)
    from rich.text import Text

    console = console_for()
    for name, cell in shown:
        label = (f"  {name:<{width}}{_GAP}", "dim")
        value = (one_line(_text(cell)), _style(cell))
        console.print(Text.assemble(label, value), soft_wrap=True)


def draw_heading(*parts: Cell) -> None:
    """One line of styled text."""
    from rich.text import Text

    texts = [(one_line(_text(part)), _style(part)) for part in parts]
    console_for().print(Text.assemble(*texts), soft_wrap=True)


def _print_aligned(rows: Sequence[Sequence[Cell]]) -> None:
    texts = [[one_line(_text(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(_GAP.join(cells).rstrip())


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell[0]


def _style(cell: Cell) -> str:
    return "" if isinstance(cell, str) else cell[1]
