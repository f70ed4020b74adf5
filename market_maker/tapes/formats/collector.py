"""hftbacktest's collector: a receive time in ns, a space, and the venue's JSON.

The JSON is of a futures feed: depthUpdate (`b` and `a` hold `[price, size]`, final sizes), trade,
aggTrade, or an image with lastUpdateId. `T` in it is the venue's matching time, `E` of its sending.
Other JSON is ignored.
"""

from market_maker.tapes.formats.rows import Reading, Row, field, level_of, pairs_of, split, whole
from market_maker.tapes.records import Image, Level, Numbered, TapeError, Trades, Update
from market_maker.tapes.stamps import nanoseconds, unit_of

VENUE = "binance"
EVENTS = ("depthUpdate", "trade", "aggTrade")


def fits(_line: str, content: Row) -> bool:
    """Return whether a line is of this format."""
    data = content.get("data", content)
    return isinstance(data, dict) and ("lastUpdateId" in data or data.get("e") in EVENTS)


class Collector(Reading):
    """Reads one file of a collector."""

    _latest = 0

    def parse(self, line: str) -> Numbered | None:
        """Return the record of a line, None for what is no record of our market."""
        stamp, content = split(line)
        data = content.get("data", content)
        if not isinstance(data, dict):
            return None
        event = data.get("e")
        is_image = "lastUpdateId" in data
        if not is_image and event not in EVENTS:
            return None
        name = data.get("s") or data.get("symbol") or ""
        if not self.subject.is_ours(str(name), VENUE):
            return None
        times = self._times(stamp, content, data)
        if is_image:
            image = Image(*times, pairs_of(data, self.subject, bids="bids", asks="asks"))
            return Numbered(image, None, whole(data, "lastUpdateId"))
        if event == "depthUpdate":
            update = Update(*times, pairs_of(data, self.subject, bids="b", asks="a"))
            return Numbered(update, _after(data), whole(data, "u"))
        return Numbered(Trades(*times, [self._trade(data)]))

    def _trade(self, data: Row) -> Level:
        side = "sell" if field(data, "m") else "buy"
        return level_of({**data, "side": side}, self.subject, price="p", size="q")

    def _times(self, stamp: str, content: Row, data: Row) -> tuple[int, int | None]:
        """Return the venue's time and the receive time; one alone is taken for the venue's."""
        given = data.get("T") or data.get("E") or content.get("time")
        if not given and not stamp:
            raise TapeError("time: none before the JSON, nor as `T`, `E` or `time` in it")
        self.unit = self.unit or unit_of(stamp or str(given))
        received = nanoseconds(stamp) if stamp else None
        if given:
            self._latest = nanoseconds(str(given))
            return self._latest, received
        # the one message without the venue's time is of an image that was asked for
        return (self._latest, received) if self._latest else (received or 0, None)


def _after(data: Row) -> int | None:
    """Return the number that the update before this one ends with."""
    if data.get("pu") is not None:
        return whole(data, "pu")
    return whole(data, "U") - 1 if data.get("U") is not None else None
