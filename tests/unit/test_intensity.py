"""A and k: by hand, and that their errors are right; from market orders, and from own quotes."""

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.strategies.estimate import NoEstimate
from market_maker.strategies.intensity import Intensity, Sample, fit
from market_maker.strategies.market_orders import MarketOrders
from market_maker.strategies.own_quotes import OwnQuotes, watched

NS = 1_000_000_000
INF = math.inf


def sample(exposure: dict[float, float], reached: dict[tuple[float, float], int]) -> Sample:
    found = Sample()
    found.exposure.update(exposure)
    found.reached.update(reached)
    return found


# --- by hand --------------------------------------------------------------------------------------


def test_two_single_quotes_give_the_line_through_the_logarithms_of_their_rates() -> None:
    found = fit([sample({0.001: 100, 0.003: 100}, {(0.001, INF): 20, (0.003, INF): 5})])
    k = math.log(4) / 0.002
    assert found.k == pytest.approx(k, rel=1e-9)
    assert found.a == pytest.approx(0.2 * math.exp(k * 0.001), rel=1e-9)
    assert found.k_error == pytest.approx(math.sqrt(1 / 20 + 1 / 5) / 0.002, rel=1e-6)
    assert found.at(0.003) == pytest.approx(0.05, rel=1e-9)


def test_a_quote_at_each_tick_gives_the_geometric_estimate() -> None:
    """Of 30 orders that went 0, 1, 2 ticks deeper than the nearest quote, 16 in all."""
    tick, near = 0.0001, 0.0002
    deeper = {0: 20, 1: 4, 2: 6}
    reached = {(near + m * tick, near + (m + 1) * tick): n for m, n in deeper.items()}
    found = fit([sample({near: 600}, reached)])
    k = math.log(1 + 30 / 16) / tick
    assert found.k == pytest.approx(k, rel=1e-9)
    assert found.a == pytest.approx(30 / 600 * math.exp(k * near), rel=1e-9)
    k_error = 2 * math.sinh(k * tick / 2) / tick / math.sqrt(30)
    assert found.k_error == pytest.approx(k_error, rel=1e-6)
    a_error = found.a * math.sqrt(1 / 30 + (near * k_error) ** 2)
    assert found.a_error == pytest.approx(a_error, rel=1e-6)


def test_orders_past_the_last_quote_count_as_that_deep_or_deeper() -> None:
    tick = 0.0001
    reached = {(tick, 2 * tick): 12, (2 * tick, INF): 4}
    found = fit([sample({tick: 100}, reached)])
    assert found.k == pytest.approx(math.log(16 / 4) / tick, rel=1e-9)


@pytest.mark.parametrize(
    ("exposure", "reached", "words"),
    [
        ({}, {}, "0 market orders"),
        ({0.001: 600}, {}, "0 market orders in 300 s do not tell"),
        ({0.001: 600}, {(0.001, 0.002): 1}, "1 market orders in 300 s do not tell"),
        ({}, {(0.001, 0.002): 9}, "do not tell"),
        ({0.001: 600}, {(0.001, 0.002): 9}, "no market order went deeper"),
        ({0.001: 600}, {(0.001, INF): 9}, "reached no less often|equally deep"),
        ({0.001: 9, 0.002: 9}, {(0.001, INF): 3, (0.002, INF): 8}, "no less often"),
        ({0.001: 9, 0.002: 9}, {(0.001, INF): 3}, "no market order went deeper"),
        ({0.1: 9}, {(0.1, 0.1001): 500, (0.1001, 0.1002): 1}, "hardly any"),
    ],
)
def test_what_does_not_tell_is_no_estimate(
    exposure: dict[float, float], reached: dict[tuple[float, float], int], words: str
) -> None:
    with pytest.raises(NoEstimate, match=words):
        fit([sample(exposure, reached)])


depths = st.integers(1, 50)


@given(
    st.lists(st.tuples(depths, depths, st.integers(1, 9)), min_size=2, max_size=9),
    st.floats(1e-6, 1e6),
    st.floats(1e-3, 1e3),
)
def test_in_other_units_of_depth_and_time_it_is_the_same_intensity(
    orders: list[tuple[int, int, int]], unit: float, second: float
) -> None:
    def found(by: float, seconds: float) -> Intensity | None:
        reached = {(low * by, (low + more) * by): n for low, more, n in orders}
        try:
            return fit([sample({by: 100 * seconds, 3 * by: 50 * seconds}, reached)])
        except NoEstimate:
            return None

    one, other = found(1, 1), found(unit, second)
    if one and other:
        assert other.k * unit == pytest.approx(one.k, rel=1e-6)
        assert other.k_error * unit == pytest.approx(one.k_error, rel=1e-6)
        assert other.a * second == pytest.approx(one.a, rel=1e-6)
        assert other.a_error * second == pytest.approx(one.a_error, rel=1e-6)
    assert (one is None) == (other is None)


# --- errors that are right ------------------------------------------------------------------------

A, K = 0.8, 4000.0  # 1/s, per unit of relative depth
TICK = 0.00006


def parts_of(chance: random.Random, cluster: float) -> list[Sample]:
    """Return 40 parts of 25 s, with orders alone or in clusters, on a ladder at each tick."""
    parts = []
    for _ in range(40):
        near = TICK * chance.choice((2, 2.5))
        reached: dict[tuple[float, float], int] = {}
        left = 25.0
        while (left := left - chance.expovariate(A * math.exp(-K * near) * 2 / cluster)) > 0:
            while True:
                deeper = int(chance.expovariate(K) / TICK)
                key = near + deeper * TICK, near + (deeper + 1) * TICK
                reached[key] = reached.get(key, 0) + 1
                if chance.random() >= 1 - 1 / cluster:
                    break
        parts.append(sample({near: 50}, reached))
    return parts


def shares_within(
    draw: Callable[[random.Random], Sequence[Sample]], seeds: int
) -> dict[tuple[str, float], float]:
    """Return how often truth and estimate differ by less than 1 and 1.96 standard errors."""
    off: dict[str, list[float]] = {"k": [], "log A": []}
    for seed in range(seeds):
        found = fit(draw(random.Random(seed)))
        off["k"].append(abs(found.k - K) / found.k_error)
        off["log A"].append(abs(math.log(found.a / A)) / (found.a_error / found.a))
    return {
        (name, by): sum(each < by for each in values) / seeds
        for name, values in off.items()
        for by in (1, 1.96)
    }


def assert_within(shares: dict[tuple[str, float], float], seeds: int) -> None:
    for (name, by), share in shares.items():
        wanted = math.erf(by / math.sqrt(2))
        assert abs(share - wanted) < 3.5 * math.sqrt(wanted * (1 - wanted) / seeds), (name, by)


def test_errors_cover_the_truth_as_often_as_they_say_where_orders_come_alone() -> None:
    assert_within(shares_within(lambda chance: parts_of(chance, 1), 300), 300)


def test_errors_cover_it_as_often_where_orders_come_in_bursts() -> None:
    shares = shares_within(lambda chance: parts_of(chance, 5), 300)
    assert_within({key: share for key, share in shares.items() if key[0] == "log A"}, 300)


def test_in_bursts_the_error_of_independent_orders_would_be_far_too_small() -> None:
    parts = parts_of(random.Random(1), 5)
    whole = Sample()
    for part in parts:
        whole.add(part)
    assert fit(parts).a_error > 1.7 * fit([whole]).a_error


# --- market orders of a tape ----------------------------------------------------------------------


def test_trades_of_one_time_and_side_are_one_order_as_deep_as_the_farthest() -> None:
    orders = MarketOrders()
    orders.book(0, 100, 102)
    for sign, price in ((1, 102), (1, 104), (1, 103), (-1, 100)):
        orders.trade(NS, sign, price)
    orders.book(NS, 103, 105)  # what they left
    orders.trade(2 * NS, -1, 102)
    orders.book(2 * NS, 100, 102)
    assert orders.depths() == {6: 1, 2: 1, 4: 1}  # half ticks
    assert orders.seconds == 2


def test_the_depth_is_from_the_mid_before_the_order_never_after_it() -> None:
    orders = MarketOrders()
    orders.book(0, 100, 101)
    orders.trade(NS, 1, 101)
    orders.book(NS, 101, 109)
    orders.trade(2 * NS, 1, 109)
    assert orders.depths() == {1: 1, 8: 1}


def test_orders_that_meet_no_known_book_are_left_out_and_counted() -> None:
    orders = MarketOrders()
    orders.trade(0, 1, 101)
    orders.book(1 * NS, 100, None)
    orders.trade(2 * NS, 1, 101)
    orders.book(3 * NS, 101, 101)
    orders.trade(4 * NS, 1, 101)
    orders.book(5 * NS, 100, 101)
    orders.lose()
    orders.trade(6 * NS, 1, 101)
    orders.book(7 * NS, 100, 101)
    orders.trade(13 * NS, 1, 101)  # the book is older than 5 s
    assert orders.left_out == 5
    assert orders.depths() == {}
    assert orders.seconds == 5


def test_a_book_of_which_nothing_comes_is_not_known_however_many_trades_come() -> None:
    orders = MarketOrders()
    orders.book(0, 100, 101)
    for second in range(1, 20):
        orders.trade(second * NS, 1, 101)
    assert orders.seconds == 5
    assert orders.depths() == {1: 5}
    assert orders.left_out == 14


def test_the_usual_depth_is_half_of_the_median_spread_over_time() -> None:
    orders = MarketOrders()
    for time, spread in ((0, 1), (1, 7), (5, 3), (7, 9), (8, 1)):
        orders.book(time * NS, 100, 100 + spread)
    assert orders.usual_depth() == 7  # half ticks


def traded(seed: int, seconds: int, per_tick: float) -> MarketOrders:
    """Return a market with orders of A exp(-k depth), and a book at each tick that wanders."""
    chance, orders = random.Random(seed), MarketOrders()
    bid, ask, next_book, at = 10_000, 10_001, 0.0, 0.0
    while at < seconds:
        at += chance.expovariate(2 * A)
        while next_book < at:
            bid += chance.choice((-1, 0, 1))
            ask = bid + chance.choice((1, 2, 3))
            orders.book(round(next_book * NS), bid, ask)
            next_book += 0.7
        sign, mid = chance.choice((1, -1)), (bid + ask) / 2
        touch = ask if sign > 0 else bid
        beyond = chance.expovariate(per_tick) - abs(touch - mid)
        if beyond >= 0:
            orders.trade(round(at * NS), sign, touch + sign * int(beyond))
    return orders


def test_a_and_k_of_a_made_market_are_found_within_their_errors() -> None:
    off = []
    for seed in range(30):
        orders = traded(seed, 900, 0.3)
        found = fit(orders.samples(nearest=3))
        off += [(found.a - A) / found.a_error, (found.k / orders.mid() - 0.3) * 10_000]
        off[-1] /= found.k_error
    assert 0.75 < math.sqrt(sum(each**2 for each in off) / len(off)) < 1.25
    assert max(map(abs, off)) < 4


def test_a_ladder_that_ends_finds_them_too() -> None:
    orders = traded(1, 9000, 0.3)
    found = fit(orders.samples(nearest=4, farthest=12))
    assert found.k / orders.mid() == pytest.approx(0.3, abs=3.5 * found.k_error / orders.mid())
    assert found.a == pytest.approx(A, abs=3.5 * found.a_error)


@given(st.integers(0, 50), st.integers(-9000, 10**6))
def test_a_mirrored_market_has_the_same_intensity(seed: int, begin: int) -> None:
    chance = random.Random(seed)
    one, other = MarketOrders(), MarketOrders()
    centre = 200_000
    for second in range(300):
        bid = 100_000 + chance.randint(-2, 2)
        ask, sign, far = bid + chance.randint(1, 3), chance.choice((1, -1)), chance.randint(0, 4)
        price = ask + far if sign > 0 else bid - far
        one.book(second * NS, bid, ask)
        one.trade(second * NS + 1, sign, price)
        other.book((begin + second) * NS, centre - ask, centre - bid)
        other.trade((begin + second) * NS + 1, -sign, centre - price)
    assert one.depths() == other.depths()
    first, second_ = fit(one.samples(2)), fit(other.samples(2))
    assert first.k == pytest.approx(second_.k, rel=1e-3)
    assert first.a == pytest.approx(second_.a, rel=1e-3)


# --- own quotes of a run --------------------------------------------------------------------------


def step(ms: int, oid: str, price: float, to: str = "open", side: str = "Sell") -> dict[str, Any]:
    return {"time_ms": ms, "client_oid": oid, "step": to, "side": side, "price": str(price)}


def price(ms: int, bid: float | None, ask: float | None) -> dict[str, Any]:
    shown = [None if each is None else str(each) for each in (bid, ask)]
    return {"time_ms": ms, "bid": shown[0], "ask": shown[1]}


def fill(ms: int, oid: str, at: float | None, **about: Any) -> dict[str, Any]:
    shown = None if at is None else str(at)
    row = {"time_ms": ms, "client_oid": oid, "side": "Sell", "price": shown}
    return row | {"bid": "99", "ask": "101"} | about


PRICES = [price(ms, 99, 101) for ms in range(0, 20_000, 1000)]


def whole(quotes: OwnQuotes) -> Sample:
    found = Sample()
    for part in quotes.samples():
        found.add(part)
    return found


def rounded(found: Sample) -> tuple[dict[float, float], dict[tuple[float, float], int]]:
    exposure = {round(depth, 6): round(s, 6) for depth, s in found.exposure.items()}
    reached = {
        (round(a, 6), round(b, 6) if b < INF else b): n for (a, b), n in found.reached.items()
    }
    return exposure, reached


def test_time_counts_by_the_depth_of_the_nearest_quote_of_each_side() -> None:
    steps = [
        *(step(0, "a", 102), step(0, "b", 104), step(0, "c", 97, side="Buy")),
        *(step(5000, "a", 102, "done"), step(9000, "b", 104, "done")),
        step(10_000, "c", 97, "done", side="Buy"),
    ]
    exposure, reached = rounded(whole(watched(steps, PRICES, [])))
    assert exposure == {0.02: 5, 0.04: 4, 0.03: 10}
    assert reached == {}


def test_fills_within_a_moment_are_one_order_as_deep_as_the_deepest_of_them() -> None:
    steps = [step(0, oid, at) for oid, at in (("a", 102), ("b", 104), ("c", 106))]
    fills = [fill(5000, "a", 102), fill(5080, "b", 104), fill(7000, "a", 102)]
    quotes = watched(steps, PRICES, fills)
    assert rounded(whole(quotes))[1] == {(0.04, 0.06): 1, (0.02, 0.04): 1}
    assert quotes.left_out == 0


def test_an_order_past_the_last_quote_has_no_bound() -> None:
    quotes = watched([step(0, "a", 102)], PRICES, [fill(5000, "a", None)])
    assert rounded(whole(quotes))[1] == {(0.02, INF): 1}


def test_a_quote_that_was_filled_before_it_was_seen_open_has_stood_since_it_was_sent() -> None:
    steps = [step(1000, "a", 102, "sent"), step(1500, "a", 102, "done")]
    exposure, reached = rounded(whole(watched(steps, PRICES, [fill(1500, "a", 102)])))
    assert exposure == {0.02: 0.5}
    assert reached == {(0.02, INF): 1}


def test_a_quote_that_never_rested_has_stood_for_no_time() -> None:
    steps = [step(1000, "a", 102, "sent"), step(1500, "a", 102, "done")]
    assert rounded(whole(watched(steps, PRICES, []))) == ({}, {})


def test_while_the_mid_is_not_known_no_time_counts() -> None:
    prices = [price(0, 99, 101), price(9000, 99, 101), price(10_000, None, 101)]
    steps = [step(0, "a", 102), step(20_000, "a", 102, "done")]
    assert rounded(whole(watched(steps, prices, [])))[0] == {0.02: 3}


def test_orders_without_a_mid_or_at_a_quote_through_it_are_left_out_and_counted() -> None:
    steps = [step(0, "a", 99.5), step(0, "b", 103)]
    lone = fill(100, "a", 99.5, bid=None, ask=None)
    fills = [lone | {"time_ms": -500}, fill(5000, "a", 99.5)]
    quotes = watched(steps, PRICES, fills)
    assert whole(quotes).reached == {}
    assert quotes.left_out == 2


OWN_A = 1 / 2.1
"""One order 2.1 s after another: 0.1 s, within which fills are of one order, and 2 s by chance."""


def test_a_and_k_of_made_quotes_are_found_within_their_errors() -> None:
    off = []
    for seed in range(25):
        found = fit(quoted(random.Random(seed)).samples())
        off += [(found.k - 150) / found.k_error, (found.a - OWN_A) / found.a_error]
    assert 0.7 < math.sqrt(sum(each**2 for each in off) / len(off)) < 1.3


def quoted(chance: random.Random) -> OwnQuotes:
    """Return three quotes on a side, set anew each 20 s, that orders of A exp(-150 d) meet."""
    steps, fills, ms = [], [], 0
    for round_ in range(120):
        ladder = sorted(100 * (1 + chance.uniform(0.002, 0.02)) for _ in range(3))
        oids = {at: f"{round_}-{level}" for level, at in enumerate(ladder)}
        steps += [step(ms, oid, at) for at, oid in oids.items()]
        left = 20_000
        while (left := left - round(chance.expovariate(0.5) * 1000) - 101) > 0:
            deep = chance.expovariate(150)
            hit = [at for at in ladder if at / 100 - 1 <= deep]
            fills += [fill(ms + 20_000 - left, oids[at], at) for at in hit]
        ms += 20_000
        steps += [step(ms, oid, at, "done") for at, oid in oids.items()]
    return watched(steps, [price(at, 99, 101) for at in range(0, ms, 1000)], fills)
