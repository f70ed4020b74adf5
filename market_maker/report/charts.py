"""Charts of a run as inline SVG: series as the lowest and highest value of each pixel column."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

WIDTH, HEIGHT = 800, 150
"""Pixels of the area of a chart; its labels stand at the right."""
LABELS = 110
ZERO = Decimal(0)
MARKS = 1_000
"""With more fills than this, those of one column and side share a mark."""

Point = tuple[int, Decimal]
Column = tuple[int, float, float]
"""The place of a column of pixels, and the lowest and highest value in it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The area of a chart: times in ms from left to right, values from bottom to top."""

    begun_ms: int
    ended_ms: int
    low: Decimal
    high: Decimal

    @classmethod
    def around(cls, begun_ms: int, ended_ms: int, values: Iterable[Decimal]) -> "Frame":
        """Return a frame that shows all these values."""
        shown = list(values) or [Decimal(0)]
        low, high = min(shown), max(shown)
        margin = (high - low) / 20 or abs(high) / 1000 or Decimal(1)
        return cls(begun_ms, ended_ms, low - margin, high + margin)

    def x(self, time_ms: int) -> int:
        """Return the column of a time."""
        return (time_ms - self.begun_ms) * WIDTH // max(self.ended_ms - self.begun_ms, 1)

    def y(self, value: Decimal) -> int:
        """Return the row of a value; one outside is at the edge."""
        row = round(HEIGHT * (self.high - value) / (self.high - self.low))
        return min(max(row, 0), HEIGHT)


def line(frame: Frame, points: Sequence[Point], name: str, *, stepped: bool = False) -> str:
    """Return a series of points, in the order of time, as a path of this class."""
    columns: dict[int, list[int]] = {}
    for time_ms, value in points:
        columns.setdefault(frame.x(time_ms), []).append(frame.y(value))
    path: list[str] = []
    last = 0
    for x, rows in columns.items():
        if path and stepped:
            path.append(f"L{x},{last}")
        first, last = rows[0], rows[-1]
        path.append(f"{'L' if path else 'M'}{x},{first}")
        if min(rows) != max(rows):
            path.append(f"V{min(rows)}V{max(rows)}V{last}")
    if path and stepped:
        path.append(f"H{WIDTH}")
    return f'<path class="{name}" d="{"".join(path)}"/>' if path else ""


def band(frame: Frame, columns: Iterable[Column], name: str, *, broken: bool = False) -> str:
    """Return a series of columns as a path; `broken` where a column is missing."""
    path: list[str] = []
    last_x, last_y = 0, 0
    for x, low, high in columns:
        ends = [frame.y(Decimal(repr(value))) for value in (low, high)]
        near, far = sorted(ends, key=lambda y: abs(y - last_y))
        begins = not path or (broken and x > last_x + 1)
        path.append(f"{'M' if begins else 'L'}{x},{near}" + (f"V{far}" if far != near else ""))
        last_x, last_y = x, far
    if broken:  # a column of its own is a dot, not nothing
        path = [f"{part}h1" if part.startswith("M") else part for part in path]
    return f'<path class="{name}" d="{"".join(path)}"/>' if path else ""


def columns_of(frame: Frame, quotes: Iterable[tuple[int, int, float | None]]) -> list[Column]:
    """Return the extremes in each column of prices that held from one time to another."""
    found: dict[int, tuple[float, float]] = {}
    for begun_ms, ended_ms, price in quotes:
        if price is None:
            continue
        for x in range(frame.x(begun_ms), min(frame.x(ended_ms), WIDTH - 1) + 1):
            low, high = found.get(x, (price, price))
            found[x] = min(low, price), max(high, price)
    return [(x, *found[x]) for x in sorted(found)]


def level(frame: Frame, value: Decimal, name: str) -> str:
    """Return a line across the chart, where the value is inside it."""
    if not frame.low <= value <= frame.high:
        return ""
    return f'<path class="{name}" d="M0,{frame.y(value)}H{WIDTH}"/>'


def fill_marks(frame: Frame, fills: Sequence[tuple[int, str, Decimal]]) -> str:
    """Return a mark for each fill (time, side, price): below the price for buys, above for sells.

    Above MARKS fills, those of one column and side share one, with their number as its title.
    """
    places = [(frame.x(time_ms), side, frame.y(price)) for time_ms, side, price in fills]
    counted: Counter[tuple[int, str]] = Counter()
    shown: dict[tuple[int, str, int], int] = {}
    for x, side, y in places:
        counted[x, side] += 1
        shown.setdefault((x, side, y if len(fills) <= MARKS else 0), y)
    marks, seen = [], set()
    for (x, side, _), y in shown.items():
        down = 6 if side == "Buy" else -6
        many = counted[x, side]
        title = f"<title>{many} fills</title>" if many > 1 and (x, side) not in seen else ""
        seen.add((x, side))
        path = f"M{x},{y}l-4,{down}h8z"
        marks.append(f'<path class="{side.lower()}" d="{path}">{title}</path>')
    return "".join(marks)


def strip(
    spans: Iterable[tuple[int, int, str]], ranked: Sequence[str], begun_ms: int, ended_ms: int
) -> str:
    """Return spans (begun, ended, name) as a strip; of those in a column the last in `ranked`."""
    frame = Frame(begun_ms, ended_ms, Decimal(0), Decimal(1))
    columns = [""] * WIDTH
    for begun, ended, name in spans:
        for x in range(frame.x(begun), min(frame.x(ended) + 1, WIDTH)):
            columns[x] = max(columns[x] or name, name, key=ranked.index)
    found, start = [], 0
    for x in range(1, WIDTH + 1):
        if x == WIDTH or columns[x] != columns[start]:
            if name := columns[start]:
                width = x - start
                found.append(f'<rect class="{name}" x="{start}" width="{width}" height="20"/>')
            start = x
    size = f'viewBox="0 0 {WIDTH + LABELS} 20"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{"".join(found)}</svg>'


def curve(
    series: Sequence[tuple[str, Sequence[tuple[Decimal, Decimal] | None]]], names: Sequence[str]
) -> str:
    """Return series (class, points), each point a value and its error, over named places."""
    points = [point for _, each in series for point in each if point]
    ends = [value + sign * error for value, error in points for sign in (-1, 1)]
    frame = Frame.around(0, len(names), [*ends, ZERO])
    content = level(frame, ZERO, "zero")
    for place, (name, each) in enumerate(series):
        path: list[str] = []
        for index, point in enumerate(each):
            if point:
                value, error = point
                x = (2 * index + 1) * WIDTH // (2 * len(names)) + 6 * place
                path.append(f"{'L' if path else 'M'}{x},{frame.y(value)}")
                low, high = frame.y(value - error), frame.y(value + error)
                content += f'<path class="{name} error" d="M{x},{low}V{high}"/>'
        content += f'<path class="{name} line" d="{"".join(path)}"/>' if path else ""
    for index, name in enumerate(names):
        x = (2 * index + 1) * WIDTH // (2 * len(names))
        content += f'<text x="{x}" y="{HEIGHT - 4}" text-anchor="middle">{name}</text>'
    labels = [(each, f"{each:+.1f}") for each in (min([*ends, ZERO]), max([*ends, ZERO]))]
    return chart(frame, content, labels)


def chart(frame: Frame, content: str, labels: Sequence[tuple[Decimal, str]]) -> str:
    """Return a whole chart; `labels` stand at the right of their values."""
    texts = "".join(
        f'<text x="{WIDTH + 6}" y="{min(max(frame.y(value) + 4, 15), HEIGHT - 1)}">{text}</text>'
        for value, text in labels
    )
    box = f'<rect class="frame" width="{WIDTH}" height="{HEIGHT}"/>'
    size = f'viewBox="0 0 {WIDTH + LABELS} {HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{box}{content}{texts}</svg>'
