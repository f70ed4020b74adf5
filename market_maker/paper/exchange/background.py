"""The others: what all other participants together rest in one book."""

from itertools import takewhile

from market_maker.paper.exchange.engine import Book, Fill, Order, Side

BACKGROUND = "background"


class BackgroundOrders:
    """Keeps their quantity at each price what it was said to be; it queues among the users'."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._last_id = 0  # negative from here on: never that of a user's order
        self._away: dict[tuple[Side, int], int] | None = None

    def rest(self, side: Side, price: int, size: int) -> list[Fill]:
        """Let them rest this quantity at a price; an increase queues, and may trade with users.

        A decrease takes from those who came last.
        """
        if self._away is not None:
            self._away[side, price] = size
            return []
        queue = self._book.queue(side, price)
        theirs = [order for order in queue if order.owner == BACKGROUND]
        more = size - sum(order.left for order in theirs)
        if more > 0:
            self._retreat(side.other, price)
            if queue and queue[-1].owner == BACKGROUND:
                self._book.resize(queue[-1].order_id, queue[-1].left + more)
                return []
            self._last_id -= 1
            return self._book.place(Order(self._last_id, BACKGROUND, side, price, more))
        while more < 0:
            last = theirs.pop()
            if last.left <= -more:
                more += last.left
                self._book.cancel(last.order_id)
            else:
                self._book.resize(last.order_id, last.left + more)
                more = 0
        return []

    def _retreat(self, side: Side, limit: int) -> None:
        """They do not trade with themselves by resting: the newer price is the right one."""
        sign = 1 if side is Side.BUY else -1
        prices = self._book.prices(side)
        for price in list(takewhile(lambda price: price * sign >= limit * sign, prices)):
            self._withdraw(side, price)

    def _withdraw(self, side: Side, price: int) -> int:
        theirs = [order for order in self._book.queue(side, price) if order.owner == BACKGROUND]
        for order in theirs:
            self._book.cancel(order.order_id)
        return sum(order.left for order in theirs)

    def leave(self) -> None:
        """Let them withdraw everything, and do what they would rest only when they are back."""
        if self._away is None:
            levels = [(side, price) for side in Side for price in self._book.prices(side)]
            self._away = {level: self._withdraw(*level) for level in levels}

    def come_back(self) -> list[Fill]:
        """Let them rest again what they would by now."""
        away, self._away = self._away or {}, None
        return [fill for level, size in away.items() for fill in self.rest(*level, size)]
