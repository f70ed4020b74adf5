"""Fill models: what a recorded market would have filled of orders that were not there."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.paper.exchange.background import BackgroundOrders
from market_maker.paper.exchange.engine import BACKGROUND, Book, Fill, Order, Side
from market_maker.paper.exchange.fill_models import fill_model
from market_maker.paper.exchange.moves import Depths

BUY, SELL = Side.BUY, Side.SELL
MODELS = ("through", "safe", "power:3", "power:2", "power:1", "log", "touch")
OWNER = "paper"


class Recorded:
    """A recorded market in which own orders rest."""

    def __init__(self, model: str) -> None:
        self.book = Book()
        self.others = BackgroundOrders(self.book)
        self.others.model = None if model == "none" else fill_model(model)
        self.filled: Counter[int] = Counter()
        """By id of an own order, how many lots of it were filled."""

    def own(self, number: int, side: Side, price: int, qty: int) -> None:
        order = Order(number, OWNER, side, price, qty)
        self._note(self.book.place(order))
        if order.left:
            self.others.queue_up(order)

    def cancel(self, number: int) -> None:
        self.book.cancel(number)

    def depth(self, side: Side, price: int, size: int) -> None:
        self._note(self.others.rest(side, price, size))

    def trade(self, side: Side, price: int, qty: int) -> list[Fill]:
        fills = self.others.trade(side, price, qty)
        self._note(fills)
        return fills

    def _note(self, fills: list[Fill]) -> None:
        for fill in fills:
            for order in (fill.maker, fill.taker):
                if order.owner == OWNER:
                    self.filled[order.order_id] += fill.qty


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("safe", 30),
        ("power:1", 24),
        ("power:2", 26.896552),
        ("power:3", 28.540541),
        ("log", 21.076690),
    ],
)
def test_the_place_after_a_decrease_is_that_of_the_published_formula(
    model: str, expected: float
) -> None:
    assert fill_model(model).place(30, 100, 20) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("model", MODELS)
@given(st.floats(0, 1), st.integers(0, 1000), st.floats(0, 1))
def test_a_place_stays_within_what_is_left(
    model: str, front: float, others: int, less: float
) -> None:
    gone = int(less * others)
    after = fill_model(model).place(front * others, others, gone)
    assert 0 <= after <= others - gone
    assert after <= front * others


@pytest.mark.parametrize("name", ["", "power", "power:0", "power:x", "safe:2", "Touch", "power:10"])
def test_a_model_that_there_is_not_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(ValueError, match="touch, power:N, log, safe or through"):
        fill_model(name)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("through", {2: 10}),
        ("safe", {1: 2, 2: 10}),
        ("power:3", {1: 4, 2: 10}),
        ("power:2", {1: 6, 2: 10}),
        ("power:1", {1: 8, 2: 10}),
        ("log", {1: 10, 2: 10}),
        ("touch", {1: 10, 2: 10, 3: 5}),
    ],
)
def test_a_tape_by_hand(model: str, expected: dict[int, int]) -> None:
    market = Recorded(model)
    market.depth(BUY, 100, 30)
    market.depth(SELL, 102, 20)
    market.own(1, BUY, 100, 10)  # behind 30
    market.own(2, SELL, 102, 10)  # behind 20
    market.depth(BUY, 100, 100)  # 70 more come behind
    market.own(3, BUY, 100, 5)  # behind 100, and behind own 1
    market.depth(BUY, 100, 80)  # 20 leave without a trade: 21 to 30 are left before own 1
    market.depth(SELL, 102, 5)  # 15 leave, and those left all stand before own 2 or none
    market.trade(SELL, 100, 32)  # beyond those before own 1, but with touch
    market.depth(BUY, 100, 130)  # new others come, behind all own
    market.trade(BUY, 103, 1)  # beyond 102: own 2 is filled in any model
    market.trade(SELL, 101, 9)  # above 100: it touches nobody of ours
    assert market.filled == expected


def test_what_is_less_than_a_lot_is_kept_beside_the_queue() -> None:
    market = Recorded("power:1")
    market.depth(BUY, 100, 1)
    market.own(1, BUY, 100, 1)
    market.depth(BUY, 100, 4)  # 1 before own 1, 3 behind
    market.depth(BUY, 100, 3)  # 3/4 of a lot is left before it: place 0, not yet served
    market.depth(BUY, 100, 4)
    market.depth(BUY, 100, 3)  # by 3/4 and 3 1/4, not by 0 and 4
    (own,) = [order for order in market.book.queue(BUY, 100) if order.owner == OWNER]
    assert own.fraction == pytest.approx(0.75 - 0.75 / 4)


actions = st.one_of(
    st.tuples(st.just("trade"), st.sampled_from(Side), st.integers(-3, 3), st.integers(1, 30)),
    st.tuples(st.just("depth"), st.sampled_from(Side), st.integers(1, 3), st.integers(0, 60)),
    st.tuples(st.just("own"), st.sampled_from(Side), st.integers(1, 3), st.integers(1, 20)),
    st.tuples(st.just("move"), st.sampled_from(Side), st.integers(-2, 2), st.just(0)),
)


def play(model: str, tape: list[tuple[str, Side, int, int]]) -> Recorded:
    """Play actions whose prices are counted from a mid that moves."""
    market, mid, number = Recorded(model), 100, 0
    for what, side, far, qty in tape:
        sign = 1 if side is BUY else -1
        if what == "trade":
            market.trade(side, mid + far, qty)
        elif what == "depth":
            market.depth(side, mid - sign * far, qty)
        elif what == "own":
            number += 1
            market.own(number, side, mid - sign * far, qty)
        else:
            mid += far
    return market


@given(st.lists(actions, max_size=60))
def test_what_a_conservative_model_fills_a_more_optimistic_one_fills_too(
    tape: list[tuple[str, Side, int, int]],
) -> None:
    filled = {model: set(play(model, tape).filled) for model in MODELS}
    assert filled["through"] <= filled["safe"]
    for queued in ("power:1", "power:2", "power:3", "log"):
        assert filled["safe"] <= filled[queued] <= filled["touch"]


@pytest.mark.parametrize("model", [model for model in MODELS if model != "through"])
@given(tape=st.lists(actions, max_size=60), qty=st.integers(1, 30), side=st.sampled_from(Side))
def test_a_trade_fills_no_more_at_its_price_than_was_traded(
    model: str, tape: list[tuple[str, Side, int, int]], qty: int, side: Side
) -> None:
    market = play(model, tape)
    for price in range(95, 106):
        fills = market.trade(side, price, qty)
        assert sum(fill.qty for fill in fills if fill.price == price) <= qty


@pytest.mark.parametrize("model", MODELS)
@given(st.lists(actions, max_size=60))
def test_the_others_have_what_the_tape_shows(
    model: str, tape: list[tuple[str, Side, int, int]]
) -> None:
    market = play(model, tape)
    for side, price in ((BUY, 80), (SELL, 120), (BUY, 80)):
        market.depth(side, price, 7)
        queue = market.book.queue(side, price)
        assert sum(order.left for order in queue if order.owner == BACKGROUND) == 7
    best = market.book.best(BUY), market.book.best(SELL)
    assert best[0] is None or best[1] is None or best[0] < best[1]


images = st.lists(
    st.tuples(st.sampled_from([BUY]), st.integers(80, 89), st.integers(1, 60))
    | st.tuples(st.sampled_from([SELL]), st.integers(111, 120), st.integers(1, 60)),
    max_size=8,
    unique_by=lambda level: level[:2],
)


@pytest.mark.parametrize("model", ["none", *MODELS])
@given(tape=st.lists(actions, max_size=60), image=images, is_withdrawn=st.booleans())
def test_after_an_image_the_others_rest_where_it_says_and_own_orders_stay(
    model: str,
    tape: list[tuple[str, Side, int, int]],
    image: list[tuple[Side, int, int]],
    is_withdrawn: bool,
) -> None:
    market = play(model, [action for action in tape if action[0] != "move"])
    own = rested(market, OWNER)
    if is_withdrawn:
        market.others.withdraw()
    market.others.rest_all([*image], is_whole=True)
    if is_withdrawn:
        assert rested(market, BACKGROUND) == {}
        market.others.restore()
    assert rested(market, BACKGROUND) == {(side, price): size for side, price, size in image}
    assert rested(market, OWNER) == own


levels = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(95, 105), st.integers(0, 40)),
    max_size=8,
    unique_by=lambda level: level[:2],
)


@pytest.mark.parametrize("model", ["none", *MODELS])
@given(tape=st.lists(actions, max_size=40), updates=st.lists(levels, max_size=8))
def test_levels_that_change_together_fill_what_they_would_one_by_one(
    model: str, tape: list[tuple[str, Side, int, int]], updates: list[list[tuple[Side, int, int]]]
) -> None:
    together, singly = play(model, tape), play(model, tape)
    for update in updates:
        together._note(together.others.play(Depths(update)))
        for level in update:
            singly.depth(*level)
    assert together.filled == singly.filled
    assert queues(together) == queues(singly)


def queues(market: Recorded) -> list[tuple[Side, int, list[tuple[str, int]]]]:
    """Return what rests at each price, in order of arrival: owners and lots."""
    return [
        (side, price, [(order.owner, order.left) for order in market.book.queue(side, price)])
        for side in Side
        for price in market.book.prices(side)
    ]


def test_a_book_that_comes_back_trades_its_best_prices_first() -> None:
    market = Recorded("none")
    market.others.withdraw()
    market.depth(BUY, 101, 5)
    market.depth(BUY, 103, 5)
    market.own(1, SELL, 101, 6)
    market.others.restore()
    assert rested(market, BACKGROUND) == {(BUY, 101): 4}


def rested(market: Recorded, owner: str) -> Counter[tuple[Side, int]]:
    """Return the lots that an owner has at each price."""
    sizes: Counter[tuple[Side, int]] = Counter()
    for side in Side:
        for price in market.book.prices(side):
            for order in market.book.queue(side, price):
                if order.owner == owner:
                    sizes[side, price] += order.left
    return sizes
