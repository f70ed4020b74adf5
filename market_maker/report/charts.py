"""Charts of a run as inline SVG: series as the lowest and highest value of each pixel column."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from market_maker.report.parts import Quoted

WIDTH, HEIGHT = 800, 150
"""Pixels of the area of a chart; its labels stand at the right."""
LABELS = 110
MARKS = 1_000
"""With more fills than this, those of one column and side share a mark."""

Point = tuple[int, Decimal]


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
        """Return the row of a value."""
        return round(HEIGHT * (self.high - value) / (self.high - self.low))


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


def strip(times: Iterable[Quoted], begun_ms: int, ended_ms: int) -> str:
    """Return the times with both sides quoted, one of them, and none, as one coloured strip."""
    frame = Frame(begun_ms, ended_ms, Decimal(0), Decimal(1))
    columns = ["none"] * WIDTH
    rank = {"both": 0, "one": 1, "none": 2}
    worst: dict[int, str] = {}
    for each in times:
        name = "both" if each.bid and each.ask else "one" if each.bid or each.ask else "none"
        for x in range(frame.x(each.begun_ms), min(frame.x(each.ended_ms) + 1, WIDTH)):
            worst[x] = max(worst.get(x, "both"), name, key=rank.__getitem__)
    for x, name in worst.items():
        columns[x] = name
    found, start = [], 0
    for x in range(1, WIDTH + 1):
        if x == WIDTH or columns[x] != columns[start]:
            found.append(
                f'<rect class="{columns[start]}" x="{start}" width="{x - start}" height="20"/>'
            )
            start = x
    return "".join(found)


def chart(frame: Frame, content: str, labels: Sequence[tuple[Decimal, str]]) -> str:
    """Return a whole chart; `labels` stand at the right of their values."""
    texts = "".join(
        f'<text x="{WIDTH + 6}" y="{min(max(frame.y(value) + 4, 10), HEIGHT)}">{text}</text>'
        for value, text in labels
    )
    box = f'<rect class="frame" width="{WIDTH}" height="{HEIGHT}"/>'
    size = f'viewBox="0 0 {WIDTH + LABELS} {HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{box}{content}{texts}</svg>'
