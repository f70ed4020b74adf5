"""Frames of tables: GTE's own, our own tapes of them, and BitMEX's.

A line is a receive time (if there is one), a space, and
`{"table": ..., "action": ..., "data": [...]}`. A partial is the whole book; rows of update and
delete may name a level by its id alone.

A tape of our own begins with a header, `{"tape": {...}}`, which says which market it is; the rows
need not then. `{"gap": ...}` tells of something missing, `{"clock": ...}` how two clocks stood.
"""

from abc import abstractmethod
from decimal import Decimal, InvalidOperation

from market_maker.models import Side
from market_maker.tapes.formats.rows import (
    Reading,
    Row,
    field,
    level_of,
    rows_of,
    side_of,
    split,
    steps_of,
)
from market_maker.tapes.market import Market, checked
from market_maker.tapes.records import Gap, Image, Level, Numbered, TapeError, Trades, Update
from market_maker.tapes.stamps import nanoseconds, unit_of
from market_maker.tapes.subject import SHOWN, Subject

BOOKS = ("orderBookL2", "orderBookL2_25")
HEADER = "tape"


def fits_gte(_line: str, content: Row) -> bool:
    """Return whether a line is of GTE's own tables, or the header of a tape of ours."""
    rows = content.get("data")
    is_trade = content.get("table") == "trade" and bool(rows) and "qty" in str(rows)
    return HEADER in content or content.get("table") == "order_book" or is_trade


def fits_bitmex(_line: str, content: Row) -> bool:
    """Return whether a line is of BitMEX's tables."""
    rows = content.get("data")
    is_trade = content.get("table") == "trade" and bool(rows) and "trdMatchID" in str(rows)
    return content.get("table") in BOOKS or is_trade


class Frames(Reading):
    """Reads frames of tables; a venue's spelling of them is a subclass."""

    books: tuple[str, ...]
    traded: str
    """The field of a trade's size."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self.ids: dict[str, tuple[Side, int]] = {}
        """The side and the price of each id that has been seen with them."""
        self._has_image = False

    def parse(self, line: str) -> Numbered | None:
        """Return the record of a frame, None for what is no record of our market."""
        stamp, content = split(line)
        table = content.get("table")
        if table not in self.books and table != "trade":
            return self.other(stamp, content)
        action = field(content, "action") if table != "trade" else content.get("action")
        rows = [row for row in rows_of(content) if self.is_ours(row)]
        if not rows or not self.counts(table, action):
            return None
        times = self._times(stamp, content, rows)
        if table == "trade":
            trades = [level_of(row, self.subject, price="price", size=self.traded) for row in rows]
            return Numbered(Trades(*times, trades))
        if action == "partial":
            self._has_image = True
        levels = [self._level(row, is_gone=action == "delete") for row in rows]
        made = Image if action == "partial" else Update
        known = [level for level in levels if level]
        return Numbered(made(*times, known)) if known else None

    @abstractmethod
    def is_ours(self, row: Row) -> bool:
        """Return whether a row is of our market."""

    @abstractmethod
    def time_of(self, content: Row, rows: list[Row]) -> str:
        """Return the venue's time of a frame, or empty text."""

    def counts(self, _table: str, _action: str | None) -> bool:
        """Return whether a frame of this table and action tells something new."""
        return True

    def other(self, _stamp: str, _content: Row) -> Numbered | None:
        """Return the record of a line that is of none of the tables."""
        return None

    def _level(self, row: Row, *, is_gone: bool) -> Level | None:
        """Return the level of a row; None for an id from before the tape began."""
        number = str(row.get("id", ""))
        if "price" in row:
            side, price = side_of(row), steps_of(self.subject.prices, row, "price")
            if number:
                self.ids[number] = side, price
        elif number in self.ids:
            side, price = self.ids[number]
            side = side_of(row) if "side" in row else side
        elif self._has_image:
            raise TapeError(f"id: {number[:SHOWN]!r} has not been seen with a price before")
        else:
            return None
        return Level(side, price, 0 if is_gone else steps_of(self.subject.sizes, row, "size"))

    def _times(self, stamp: str, content: Row, rows: list[Row]) -> tuple[int, int | None]:
        given = self.time_of(content, rows)
        if not given and not stamp:
            raise TapeError("time: none before the JSON, nor in it")
        self.unit = self.unit or unit_of(given or stamp)
        received = nanoseconds(stamp) if stamp else None
        return (nanoseconds(given), received) if given else (received or 0, None)


class GteFrames(Frames):
    """GTE's own frames, and the tapes that we write."""

    books = ("order_book",)
    traded = "qty"
    _has_header = False

    def is_ours(self, row: Row) -> bool:
        """Return whether a row is of our market; under a header it need not say."""
        if self._has_header and "symbol" not in row:
            return True
        names = "instrument_type", "settle_currency", "symbol"
        return self.subject.is_ours("/".join([str(field(row, name)) for name in names]), "gte")

    def time_of(self, content: Row, _rows: list[Row]) -> str:
        """Return the venue's time of a frame."""
        return str(content.get("time") or "")

    def other(self, stamp: str, content: Row) -> Numbered | None:
        """Take a header, and return the record of a gap."""
        if HEADER in content:
            header = content[HEADER]
            if not isinstance(header, dict):
                raise TapeError("tape: expected an object")
            self.is_cut_gracefully = "clock" in header
            self._has_header = True
            market, known = market_of_header(header), self.subject.market
            if known and (market.place, market.grid) != (known.place, known.grid):
                raise TapeError(f"tape: it is of {market}, another file of {known}")
            self.subject.settle_by_header(market)
        elif "gap" in content:
            time, _ = self._times(stamp, content, [])
            return Numbered(Gap(time, str(content["gap"]), content.get("is_clock") is True))
        return None


def market_of_header(header: Row) -> Market:
    """Return the market of a tape of our own. Raises TapeError, naming the field."""
    name, kind, area, symbol = (
        str(field(header, each)) for each in ("name", "kind", "area", "symbol")
    )
    tick, lot, face = (_figure(header, each) for each in ("tick", "lot", "face"))
    known = "from the tape's header"
    is_level_1 = header.get("is_level_1") is True
    return checked(Market(name, kind, area, symbol, tick, lot, face, known, is_level_1))


def _figure(header: Row, name: str) -> Decimal:
    try:
        return Decimal(str(field(header, name)))
    except InvalidOperation:
        raise TapeError(f"{name}: {str(header[name])[:SHOWN]!r} is no number") from None


class BitmexFrames(Frames):
    """BitMEX's frames, with the times of their rows."""

    books = BOOKS
    traded = "size"

    def is_ours(self, row: Row) -> bool:
        """Return whether a row is of our market."""
        return self.subject.is_ours(str(field(row, "symbol")), "bitmex")

    def time_of(self, _content: Row, rows: list[Row]) -> str:
        """Return the latest time of a row; older recordings of books have none."""
        return max(str(row.get("timestamp") or "") for row in rows)

    def counts(self, table: str, action: str | None) -> bool:
        """Return whether a frame tells something new: the partial of trades holds old ones."""
        return table != "trade" or action != "partial"
