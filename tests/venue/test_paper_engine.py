"""The matching engine: price before time, against a slow model that is plainly right."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from market_maker.paper.exchange.engine import Book, Changes, Order, Side

BUY, SELL = Side.BUY, Side.SELL


def order(number: int, side: Side, price: int, qty: int) -> Order:
    return Order(number, "someone", side, price, qty)


def book_of(*orders: Order) -> Book:
    book = Book()
    for resting in orders:
        book.place(resting)
    return book


def fills_of(book: Book, taker: Order) -> list[tuple[int, int, int]]:
    return [(fill.maker.order_id, fill.price, fill.qty) for fill in book.place(taker)]


def test_the_better_price_trades_first_and_at_one_price_the_older_order() -> None:
    asks = [(1, 102, 5), (2, 101, 5), (3, 101, 5), (4, 103, 5)]
    book = book_of(*[order(number, SELL, price, qty) for number, price, qty in asks])
    assert fills_of(book, order(5, BUY, 102, 12)) == [(2, 101, 5), (3, 101, 5), (1, 102, 2)]
    assert (book.best(SELL), book.size(SELL, 102), book.best(BUY)) == (102, 3, None)


def test_what_is_left_of_an_order_rests_at_its_price() -> None:
    book = book_of(order(1, SELL, 100, 5))
    assert fills_of(book, order(2, BUY, 100, 8)) == [(1, 100, 5)]
    assert (book.best(BUY), book.size(BUY, 100), book.best(SELL)) == (100, 3, None)


def test_what_is_left_of_a_take_does_not_rest() -> None:
    book = book_of(order(1, SELL, 100, 5))
    taker = order(2, BUY, 100, 8)
    assert len(book.take(taker)) == 1
    assert (taker.left, book.best(BUY)) == (3, None)


def test_reach_tells_what_would_trade_and_changes_nothing() -> None:
    book = book_of(order(1, BUY, 100, 5), order(2, BUY, 99, 5), order(3, BUY, 97, 5))
    assert book.reach(side=SELL, price=98, qty=20) == [(100, 5), (99, 5)]
    assert book.reach(side=SELL, price=98, qty=7) == [(100, 5), (99, 2)]
    assert [book.size(BUY, price) for price in (100, 99, 97)] == [5, 5, 5]


def test_a_resized_order_keeps_its_place() -> None:
    book = book_of(order(1, BUY, 100, 5), order(2, BUY, 100, 5))
    book.resize(1, 9)
    assert [(resting.order_id, resting.left) for resting in book.queue(BUY, 100)] == [
        (1, 9),
        (2, 5),
    ]
    assert book.size(BUY, 100) == 14


def test_changes_are_told_once_with_what_has_become_of_each_level() -> None:
    book = book_of(order(1, BUY, 100, 5), order(2, SELL, 101, 5))
    assert book.drain() == Changes(gone=[], resized=[], new=[(BUY, 100, 5), (SELL, 101, 5)])
    assert not any(book.drain())
    book.cancel(1)
    book.resize(2, 7)
    assert book.drain() == Changes(gone=[(BUY, 100, 0)], resized=[(SELL, 101, 7)], new=[])
    book.place(order(3, BUY, 102, 9))
    assert book.drain() == Changes(gone=[(SELL, 101, 0)], resized=[], new=[(BUY, 102, 2)])


def test_a_level_that_is_again_what_it_was_has_not_changed() -> None:
    book = book_of(order(1, BUY, 100, 5))
    book.drain()
    book.cancel(1)
    book.place(order(2, BUY, 100, 5))
    book.place(order(3, BUY, 99, 5))
    book.cancel(3)
    assert not any(book.drain())


class Model:
    """The same book as one list, sorted anew for every order."""

    def __init__(self) -> None:
        self.resting: list[Order] = []

    def place(self, taker: Order) -> list[tuple[int, int, int]]:
        fills = []
        sign = 1 if taker.side is BUY else -1
        others = [resting for resting in self.resting if resting.side is not taker.side]
        for maker in sorted(others, key=lambda resting: resting.price * sign):
            if taker.left and maker.price * sign <= taker.price * sign:
                qty = min(taker.left, maker.left)
                maker.left -= qty
                taker.left -= qty
                fills.append((maker.order_id, maker.price, qty))
        self.resting = [resting for resting in [*self.resting, taker] if resting.left]
        return fills

    def levels(self, side: Side) -> dict[int, int]:
        prices = {resting.price for resting in self.resting if resting.side is side}
        return {price: self.size(side, price) for price in sorted(prices)}

    def size(self, side: Side, price: int) -> int:
        at = (resting for resting in self.resting if (resting.side, resting.price) == (side, price))
        return sum(resting.left for resting in at)


ACTS = st.one_of(
    st.tuples(st.sampled_from(list(Side)), st.integers(1, 9), st.integers(1, 9)),
    st.integers(0, 30),
)


@given(st.lists(ACTS, max_size=60))
def test_the_book_does_what_the_model_does(acts: Iterable[tuple[Side, int, int] | int]) -> None:
    book, model = Book(), Model()
    for number, act in enumerate(acts):
        if isinstance(act, int):
            live = [resting for resting in model.resting if resting.order_id == act]
            for resting in live:
                model.resting.remove(resting)
                assert book.cancel(act).left == resting.left
        else:
            assert fills_of(book, order(number, *act)) == model.place(order(number, *act))
        for side in Side:
            levels = {price: book.size(side, price) for price in book.prices(side)}
            assert dict(sorted(levels.items())) == model.levels(side)
            assert list(levels) == sorted(levels, reverse=side is BUY)
