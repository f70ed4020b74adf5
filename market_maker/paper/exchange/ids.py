"""Ids of orders, trades and reports: they grow, and show the time as GTE's do."""

EPOCH = 1_546_272_000_000  # of ids, seen in the capture: 2019-01-01 in Beijing
BASE = 32_768  # in the low 22 bits of the documented ids


class Ids:
    """One counter for everything at the venue. It never gives the same id twice."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, now: int) -> int:
        """Return an id larger than all before; `now` is ms UTC."""
        self._last = max(self._last + 1, ((now - EPOCH) << 22) + BASE)
        return self._last

    def next_order(self, now: int, *, grow: bool) -> int:
        """Return an id for a new order; without `grow` later ids may be smaller."""
        number = self.next(now)
        return number if grow else int(f"1{number % 10**17:017d}"[::-1])
