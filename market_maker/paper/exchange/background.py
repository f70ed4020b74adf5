"""Background orders: what all other participants together rest in one book."""

from itertools import takewhile

from market_maker.paper.exchange.engine import Book, Fill, Order, Side

BACKGROUND = "background"
"""The owner of all orders of the other participants."""


class BackgroundOrders:
    """Keeps their size at each price at what was last set. They queue among the users' orders.

    Prices are in ticks, sizes in lots.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._last_id = 0  # negative from here on: never that of a user's order
        self._withdrawn: dict[tuple[Side, int], int] | None = None

    def rest(self, side: Side, price: int, size: int) -> list[Fill]:
        """Set the size at a price, and return the fills.

        An increase queues last and may trade with users; a decrease removes the last in the queue.
        """
        if self._withdrawn is not None:
            self._withdrawn[side, price] = size
            return []
        queue = self._book.queue(side, price)
        theirs = [order for order in queue if order.owner == BACKGROUND]
        more = size - sum(order.left for order in theirs)
        if more > 0:
            self._remove_crossed(side.other, price)
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

    def _remove_crossed(self, side: Side, limit: int) -> None:
        """Remove their orders that a newer one at `limit` would match: the newer price holds."""
        sign = 1 if side is Side.BUY else -1
        prices = self._book.prices(side)
        for price in list(takewhile(lambda price: price * sign >= limit * sign, prices)):
            self._remove(side, price)

    def _remove(self, side: Side, price: int) -> int:
        theirs = [order for order in self._book.queue(side, price) if order.owner == BACKGROUND]
        for order in theirs:
            self._book.cancel(order.order_id)
        return sum(order.left for order in theirs)

    def withdraw(self) -> None:
        """Remove all of them; from now on record sizes until `restore`."""
        if self._withdrawn is None:
            levels = [(side, price) for side in Side for price in self._book.prices(side)]
            self._withdrawn = {level: self._remove(*level) for level in levels}

    def restore(self) -> list[Fill]:
        """Rest the recorded sizes again, and return the fills."""
        sizes, self._withdrawn = self._withdrawn or {}, None
        return [fill for level, size in sizes.items() for fill in self.rest(*level, size)]
