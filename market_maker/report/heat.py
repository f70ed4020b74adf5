"""A sweep as one HTML file: its table, and heat maps of two settings; no script, light and dark."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Any

from market_maker.report.page import STYLE
from market_maker.report.sweep import Row, Table, cells_of, head_of, heads_of, notes_of

MOST = 12
"""So many values of a number have a column each; more are put together in BINS."""
BINS = 8
CELL, HIGH, LEFT, TOP = 92, 30, 190, 22
"""Pixels: of a cell, and before the first."""
LETTERS = 15
"""Of the name of a column or row at most."""
ZERO = Decimal(0)
OWN_STYLE = """
table { border-collapse: collapse; font-size: 12px; } .wide { overflow-x: auto; }
td, th { padding: .15em .7em; text-align: right; border-bottom: 1px solid var(--soft);
  white-space: nowrap; }
.heat { max-width: 100%; } .heat text { text-anchor: middle; } .heat .row { text-anchor: end; }
.heat rect { stroke: var(--soft); fill: none; } .heat .gain { fill: var(--bid); }
.heat .loss { fill: var(--ask); }
.notes { white-space: pre-wrap; }
"""


def sweep_html(table: Table, axes: Sequence[str]) -> str:
    """Return the whole page; `axes` are the settings of the heat maps, x and y, or x alone."""
    title = f"Sweep of {len(table.rows)} combinations"
    head = "".join(f"<th>{escape(each)}</th>" for each in heads_of(table))
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in cells_of(table)
    )
    body = f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'
    if axes:
        words = f"mean profit by {table.models[-1]}, {table.currency}"
        body += f"<h2>In sample: {escape(words)}</h2>{_heat(table, axes, table.inside)}"
        body += f"<h2>Out of sample: {escape(words)}</h2>{_heat(table, axes, table.outside)}"
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}{OWN_STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f"<pre>{escape(_lines(head_of(table)))}</pre>{body}"
        f'<pre class="notes">{escape(_lines(notes_of(table)))}</pre></body></html>\n'
    )


@dataclass(frozen=True, slots=True)
class Axis:
    """The columns or rows of a heat map: their names, and which one a value is in."""

    name: str
    labels: tuple[str, ...]
    place: Callable[[Any], int]


def axis_of(name: str, values: Sequence[Any]) -> Axis:
    """Return the axis of a setting with these values, in order; many numbers share BINS."""
    are_numbers = all(isinstance(each, int | float) for each in values)
    distinct: list[Any] = sorted(set(values)) if are_numbers else _once(values)
    if len(distinct) <= MOST or not are_numbers:
        return Axis(name, tuple(map(_words, distinct)), distinct.index)
    low, width = distinct[0], (distinct[-1] - distinct[0]) / BINS
    edges = [low + width * number for number in range(BINS)]
    labels = tuple(f"from {edge:.3g}" for edge in edges)
    return Axis(name, labels, lambda value: min(int((value - low) / width), BINS - 1))


def means_of(
    table: Table, x: Axis, y: Axis | None, parts: Sequence[int]
) -> dict[tuple[int, int], Decimal]:
    """Return the mean profit of the rows in each cell, by column and row, of the strictest model.

    Rows whose profit is not known are left out.
    """
    found: dict[tuple[int, int], list[Decimal]] = {}
    for row in table.rows:
        profit = row.profit(parts, table.models[-1])
        if profit is not None:
            found.setdefault(_cell(row, x, y), []).append(profit)
    return {cell: sum(profits, ZERO) / len(profits) for cell, profits in found.items()}


def _heat(table: Table, axes: Sequence[str], parts: Sequence[int]) -> str:
    axis = [axis_of(name, [row.settings[name] for row in table.rows]) for name in axes]
    x, y = axis[0], axis[1] if len(axis) > 1 else None
    means = means_of(table, x, y, parts)
    most = max((abs(mean) for mean in means.values()), default=ZERO) or Decimal(1)
    rows = y.labels if y else ("",)
    width, height = LEFT + CELL * len(x.labels), TOP * 2 + HIGH * len(rows)
    parts_of_svg = [
        _text(LEFT + CELL * len(x.labels) // 2, TOP - 8, x.name),
        *(
            _text(LEFT + CELL * column + CELL // 2, height - 6, label)
            for column, label in enumerate(x.labels)
        ),
        *(
            _text(LEFT - 6, TOP + HIGH * place + 19, f"{y.name} {label}" if y else "", "row")
            for place, label in enumerate(rows)
        ),
    ]
    for column in range(len(x.labels)):
        for place in range(len(rows)):
            parts_of_svg.append(_square(column, place, means.get((column, place)), most))
    style = f'viewBox="0 0 {width} {height}" style="max-width: {width}px"'
    return f'<svg class="heat" {style} role="img">{"".join(parts_of_svg)}</svg>'


def _square(column: int, place: int, mean: Decimal | None, most: Decimal) -> str:
    left, top = LEFT + CELL * column, TOP + HIGH * place
    kind = "" if mean is None else "gain" if mean >= 0 else "loss"
    depth = ZERO if mean is None else abs(mean) / most * Decimal("0.8")
    words = "" if mean is None else f"{mean:+.3g}"
    return (
        f'<rect class="{kind}" x="{left}" y="{top}" width="{CELL}" height="{HIGH}" '
        f'fill-opacity="{depth:.2f}"/>{_text(left + CELL // 2, top + 19, words)}'
    )


def _text(x: int, y: int, words: str, kind: str = "") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(words)}</text>'


def _cell(row: Row, x: Axis, y: Axis | None) -> tuple[int, int]:
    return x.place(row.settings[x.name]), y.place(row.settings[y.name]) if y else 0


def _once(values: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _words(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 3]}..."


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(lines)
