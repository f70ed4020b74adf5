"""Background orders: what all other participants together rest in one book."""

from itertools import takewhile

from market_maker.paper.exchange.engine import BACKGROUND, Book, Fill, Order, Side
from market_maker.paper.exchange.fill_models import FillModel
from market_maker.paper.exchange.moves import Depth, Depths, Take


class BackgroundOrders:
    """Keeps their size at each price at what was last set. They queue among the users' orders.

    Prices are in ticks, sizes in lots. With a fill model they are a recorded market, whose trades
    have happened at their price whatever rests here, and which has no place in its queues for ours.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self.model: FillModel | None = None
        self.crossed = 0
        """How often a new size crossed others on the other side, which then went."""
        self._withdrawn: dict[tuple[Side, int], int] | None = None

    def play(self, move: Depth | Depths | Take) -> list[Fill]:
        """Carry out a move of the other participants, and return the fills."""
        if isinstance(move, Depths):
            return self.rest_all(*move)
        return self.rest(*move) if isinstance(move, Depth) else self.trade(*move)

    def rest(self, side: Side, price: int, size: int) -> list[Fill]:
        """Set the size at a price, and return the fills.

        An increase queues last and may trade with users; a decrease removes the last in the queue,
        or with a fill model those that it says.
        """
        return self.rest_all([(side, price, size)], is_whole=False)

    def rest_all(self, levels: list[tuple[Side, int, int]], is_whole: bool) -> list[Fill]:
        """Set the sizes at these prices, and return the fills; `is_whole`: none rest elsewhere."""
        if is_whole:
            self._remove_others(levels)
        if self._withdrawn is not None:
            self._withdrawn |= {(side, price): size for side, price, size in levels}
            return []
        set_background, fills = self._book.set_background, []
        for side, price, size in levels:
            if not set_background(side, price, size):  # at few levels
                fills += self._change_queue(side, price, size)
        return fills

    def trade(self, side: Side, price: int, qty: int) -> list[Fill]:
        """Let somebody take up to `qty` at this price, or better; return the fills.

        With a fill model somebody has taken it at this price.
        """
        taker = Order(0, BACKGROUND, side, price, qty)
        if not self.model:
            return self._book.take(taker)
        fills = self._fill_passed(side, price, is_reached=False)
        if self.model.needs_through:
            queue = self._book.queue(side.other, price)
            taker.left = min(qty, sum(o.left for o in queue if o.owner == BACKGROUND))
        return fills + self._book.take_at(taker, price)

    def queue_up(self, order: Order) -> None:
        """Give an order of a user, which rests since now, its place among the others."""
        if self.model and self.model.is_first:
            self._own_first(order.side, order.price)

    # --- inside ---------------------------------------------------------------------------------

    def _change_queue(self, side: Side, price: int, size: int) -> list[Fill]:
        """Set the size where others rest, too, or where it reaches the other side."""
        queue = self._book.queue(side, price)
        if not queue:
            return self._cross(side, price, size)
        theirs = [order for order in queue if order.owner == BACKGROUND]
        more = size - sum(order.left for order in theirs)
        if more > 0:
            return self._add(side, price, queue, more)
        if self.model and len(queue) > len(theirs):
            self._leave(self.model, queue, -more)
        else:
            self._leave_last(theirs, -more)
        return []

    def _remove_others(self, levels: list[tuple[Side, int, int]]) -> None:
        """Remove those that rest at none of these levels."""
        kept = {(side, price) for side, price, _ in levels}
        rested = [(side, price) for side in Side for price in self._book.prices(side)]
        for place in rested if self._withdrawn is None else list(self._withdrawn):
            if place not in kept:
                self.rest(*place, 0)

    def _cross(self, side: Side, price: int, size: int) -> list[Fill]:
        """Rest at a price where nobody does, and which reaches the other side."""
        order = self._book.of_background(side, price, size)
        fills = self._fill_passed(side, price, is_reached=True) if self.model else []
        self._remove_crossed(side.other, price)
        return fills + self._book.place(order)

    def _add(self, side: Side, price: int, queue: list[Order], more: int) -> list[Fill]:
        """Queue up behind others."""
        if queue[-1].owner == BACKGROUND:
            self._book.resize(queue[-1].order_id, queue[-1].left + more)
            return []
        fills = self._book.place(self._book.of_background(side, price, more))
        if self.model and self.model.needs_through:
            self._own_last(side, price)
        return fills

    def _leave(self, model: FillModel, queue: list[Order], less: int) -> None:
        """Let `less` lots leave a queue in which users' orders stand."""
        others = sum(order.left for order in queue if order.owner == BACKGROUND)
        before, places = 0, []
        for order in queue:
            if order.owner == BACKGROUND:
                before += order.left
                self._book.cancel(order.order_id)
                continue
            after = model.place(min(before + order.fraction, others), others, less)
            order.fraction = after % 1
            places.append((int(after), order))
        self._line_up(places, others - less)

    def _line_up(self, places: list[tuple[int, Order]], others: int) -> None:
        """Queue others' lots among users' orders, so many before each, and the rest behind."""
        side, price = places[0][1].side, places[0][1].price
        line, placed = [], 0
        for front, order in [*places, (others, None)]:
            if front > placed:
                theirs = self._book.of_background(side, price, front - placed)
                self._book.rest(theirs)
                line.append(theirs)
                placed = front
            line += [order] if order else []
        self._book.requeue(side, price, line)

    def _leave_last(self, theirs: list[Order], less: int) -> None:
        while less > 0:
            last = theirs.pop()
            if last.left <= less:
                less -= last.left
                self._book.cancel(last.order_id)
            else:
                self._book.resize(last.order_id, last.left - less)
                less = 0

    def _own_first(self, side: Side, price: int) -> None:
        queue = self._book.queue(side, price)
        self._book.requeue(side, price, sorted(queue, key=lambda o: o.owner == BACKGROUND))

    def _own_last(self, side: Side, price: int) -> None:
        queue = self._book.queue(side, price)
        self._book.requeue(side, price, sorted(queue, key=lambda o: o.owner != BACKGROUND))

    def _fill_passed(self, side: Side, price: int, *, is_reached: bool) -> list[Fill]:
        """Fill users' orders wholly that somebody of this side has passed at this price.

        `is_reached`: those at the price, too.
        """
        fills = []
        for each in list(
            takewhile(lambda each: _reaches(side, price, each), self._book.prices(side.other))
        ):
            for order in self._book.queue(side.other, each) if each != price or is_reached else ():
                if order.owner != BACKGROUND:
                    self._book.cancel(order.order_id)
                    qty, order.left = order.left, 0
                    fills.append(Fill(order, Order(0, BACKGROUND, side, price, 0), each, qty))
        return fills

    def _remove_crossed(self, side: Side, limit: int) -> None:
        """Remove their orders that a newer one at `limit` would match: the newer price holds."""
        prices = self._book.prices(side)
        gone = 0
        for price in list(takewhile(lambda each: _reaches(side.other, limit, each), prices)):
            gone += self._remove(side, price)
        self.crossed += bool(gone)

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
        """Rest the recorded sizes again, the best prices first, and return the fills."""
        sizes, self._withdrawn = self._withdrawn or {}, None
        fills = []
        for side in Side:
            prices = sorted(price for each, price in sizes if each is side)
            for price in reversed(prices) if side is Side.BUY else prices:
                fills += self.rest(side, price, sizes[side, price])
        return fills


def _reaches(side: Side, price: int, other: int) -> bool:
    """Return whether an order of this side and price trades with one at the other price."""
    return price >= other if side is Side.BUY else price <= other
