"""The models of the ready strategies: published numbers, hand cases, and what always holds."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from market_maker.strategies import glft_model, microprice_model, models
from market_maker.strategies.glft_model import Parameters, asymptote, before_end, closed_form
from market_maker.strategies.microprice_model import Top
from market_maker.strategies.models import Quotes

# --- Avellaneda and Stoikov 2008: their simulation ------------------------------------------------

SIGMA, HORIZON, DT, K, A, START = 2.0, 1.0, 0.005, 1.5, 140.0, 100.0
"""The parameters of their section 3.3, in price units; orders of size 1."""
LEFT = [HORIZON - step * DT for step in range(round(HORIZON / DT))]
"""The time left at the beginning of each step."""
MOST = 100
"""More orders than any of the runs holds."""
Chance = Callable[[np.ndarray], np.ndarray]


def as_they_say(rate: np.ndarray) -> np.ndarray:
    """Return the probability of a fill in one step, taken literally: lambda dt."""
    return rate * DT


def of_poisson(rate: np.ndarray) -> np.ndarray:
    """Return the probability that a Poisson process has at least one event in the step."""
    return 1 - np.exp(-rate * DT)


def depths_at(left: float, gamma: float, *, is_symmetric: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the depths of bid and ask by our functions, for positions of -MOST to MOST.

    The symmetric strategy has the average spread of the other one, around the mid.
    """
    about = {"risk_aversion": gamma, "sigma": SIGMA}
    if is_symmetric:
        half = (
            np.mean(
                [models.optimal_spread(**about, horizon=t, fill_decay=K, size=1.0) for t in LEFT]
            )
            / 2
        )
        return np.full(2 * MOST + 1, half), np.full(2 * MOST + 1, half)
    half = models.optimal_spread(**about, horizon=left, fill_decay=K, size=1.0) / 2
    shifts = np.array(
        [models.reservation_shift(float(q), **about, horizon=left) for q in range(-MOST, MOST + 1)]
    )
    return half - shifts, half + shifts


def simulated(
    gamma: float, *, is_symmetric: bool, chance: Chance = as_they_say, runs: int = 4000
) -> dict[str, float]:
    """Return spread, profit, its deviation, and that of the final position, over many runs."""
    draw = np.random.default_rng(20080401)
    price, cash = np.full(runs, START), np.zeros(runs)
    held = np.zeros(runs, dtype=int)
    spreads = []
    for left in LEFT:
        bids, asks = depths_at(left, gamma, is_symmetric=is_symmetric)
        bid, ask = bids[held + MOST], asks[held + MOST]
        spreads.append(bids[MOST] + asks[MOST])
        bought = draw.random(runs) < chance(A * np.exp(-K * bid))
        sold = draw.random(runs) < chance(A * np.exp(-K * ask))
        cash += sold * (price + ask) - bought * (price - bid)
        held += bought.astype(int) - sold
        price += np.where(draw.random(runs) < 0.5, 1, -1) * SIGMA * math.sqrt(DT)
    profit = cash + held * price
    return {
        "spread": float(np.mean(spreads)),
        "profit": float(profit.mean()),
        "deviation": float(profit.std()),
        "held": float(held.std()),
    }


PUBLISHED = [
    # gamma, symmetric, spread, profit, its standard deviation, that of q; the standard deviation
    # of the mean profit of 1000 runs over seeds, and the profit with Poisson fills
    (0.1, False, 1.49, 65.0, 6.6, 2.9, 0.20, 57.19),
    (0.1, True, 1.49, 68.4, 12.7, 8.4, 0.48, 60.98),
    (0.01, False, 1.35, 68.6, 8.7, 5.1, 0.32, 60.32),
    (0.01, True, 1.35, 68.8, 12.8, 8.7, 0.47, 60.58),
    (1.0, False, 3.02, 31.4, 5.0, 1.7, 0.14, 28.23),
    (1.0, True, 3.02, 44.0, 11.0, 5.1, 0.35, 42.19),
]
"""The tables of Avellaneda and Stoikov 2008."""


@pytest.mark.parametrize(
    ("gamma", "is_symmetric", "spread", "profit", "deviation", "held", "error", "poisson"),
    PUBLISHED,
)
def test_the_simulation_of_avellaneda_and_stoikov_comes_out_as_published(
    *,
    gamma: float,
    is_symmetric: bool,
    spread: float,
    profit: float,
    deviation: float,
    held: float,
    error: float,
    poisson: float,
) -> None:
    found = simulated(gamma, is_symmetric=is_symmetric)
    assert found["spread"] == pytest.approx(spread, abs=0.02)
    assert found["profit"] == pytest.approx(profit, abs=4 * error)
    assert found["deviation"] == pytest.approx(deviation, rel=0.15)
    assert found["held"] == pytest.approx(held, rel=0.15)
    assert abs(found["profit"] - poisson) > 4 * error, "the fills are taken literally"


def test_poisson_fills_are_told_apart_from_the_published_ones() -> None:
    found = simulated(0.1, is_symmetric=False, chance=of_poisson)
    assert found["profit"] == pytest.approx(57.19, abs=0.8)


# --- Gueant, Lehalle and Fernandez-Tapia ----------------------------------------------------------

FAR = (-20, -10, -5, 0, 1, 5, 10, 20)
FIGURES: list[tuple[float, float, float, list[float]]] = [
    # sigma, A, lambda_0, the depth of the bid at each of FAR
    (0.3, 0.9, -0.644734430, [1.9592, 2.6328, 2.9725, 3.3130, 3.3812, 3.6535, 3.9929, 4.6655]),
    (0.4, 0.9, -0.642530764, [1.5259, 2.4174, 2.8700, 3.3245, 3.4154, 3.7787, 4.2307, 5.1197]),
    # at 20 a solver of general matrices gives 11.2452: with 60 digits it is 11.24544405263389
    (1.0, 0.2, -0.134421366, [-4.4149, -1.0722, 1.1002, 3.5257, 4.0175, 5.9185, 8.0227, 11.2454]),
]
"""The parameters of the figures of arXiv 1105.3115, evaluated with Q = 60."""


def of_figures(sigma: float, fill_rate: float) -> Parameters:
    return Parameters(sigma=sigma, fill_rate=fill_rate, fill_decay=0.3, risk_aversion=0.01)


@pytest.mark.parametrize(("sigma", "fill_rate", "eigenvalue", "bids"), FIGURES)
def test_the_exact_depths_are_those_of_the_papers_figures(
    sigma: float, fill_rate: float, eigenvalue: float, bids: list[float]
) -> None:
    p = of_figures(sigma, fill_rate)
    exact = asymptote(p, 60)
    assert round(exact.eigenvalue or 0, 9) == eigenvalue
    assert [round(exact.bid(q), 4) for q in FAR] == bids
    assert [round(exact.ask(-q), 4) for q in FAR] == bids
    assert round(p.half_spread, 6) == 3.278982


@pytest.mark.parametrize(("sigma", "fill_rate"), [row[:2] for row in FIGURES])
def test_ten_minutes_before_the_end_the_depths_are_the_asymptote(
    sigma: float, fill_rate: float
) -> None:
    p = of_figures(sigma, fill_rate)
    exact, then = asymptote(p, 60), before_end(p, 60, 600)
    assert [then.bid(q) for q in FAR] == pytest.approx([exact.bid(q) for q in FAR], abs=5e-5)


def test_at_the_end_nobody_fears_a_position() -> None:
    p = of_figures(0.3, 0.9)
    assert before_end(p, 60, 0).bid(7) == p.half_spread
    near = before_end(p, 60, 1).bid(7)
    assert p.half_spread < near < asymptote(p, 60).bid(7)


@pytest.mark.parametrize(
    ("sigma", "fill_rate", "eta", "c2"),
    [(0.3, 0.9, 0.325678, 0.067866), (0.4, 0.9, 0.325678, 0.090488), (1, 0.2, 0.072373, 0.479884)],
)
def test_the_constants_of_the_closed_form(
    sigma: float, fill_rate: float, eta: float, c2: float
) -> None:
    p = of_figures(sigma, fill_rate)
    assert round(p.eta, 6) == eta
    assert round(closed_form(p).skew, 6) == c2


def test_the_closed_form_is_near_where_it_bends_little_and_bad_far_out_where_it_bends_much() -> (
    None
):
    near, far = (closed_form(of_figures(*given)) for given in ((0.3, 0.9), (1.0, 0.2)))
    assert [round(near.bid(q), 4) for q in (0, 10, -10, 20, -20)] == [
        *(3.3129, 3.9916, 2.6343, 4.6702, 1.9556)
    ]
    assert [round(far.bid(q), 4) for q in (10, 20)] == [8.3178, 13.1166]


def test_with_a_limit_of_five_the_depths_of_the_parameters_of_2008() -> None:
    p = Parameters(sigma=2, fill_rate=140, fill_decay=1.5, risk_aversion=0.1)
    exact = asymptote(p, 5)
    assert exact.eigenvalue == pytest.approx(-94.9897720745, rel=1e-11)
    assert p.half_spread == pytest.approx(0.6453852113757117, rel=1e-13)
    assert closed_form(p).skew == pytest.approx(0.051717216121965996, rel=1e-13)
    assert [round(exact.bid(q), 6) for q in range(-5, 5)] == [
        *(0.164894, 0.368269, 0.470597, 0.546324, 0.613116),
        *(0.677655, 0.744446, 0.820174, 0.922501, 1.125876),
    ]
    assert exact.bid(5) == math.inf
    with pytest.raises(ValueError, match="beyond the limit of 5"):
        exact.bid(6)


def test_the_published_output_of_the_general_size_form() -> None:
    p = Parameters(
        sigma=10.69,
        fill_rate=2.986162360812285,
        fill_decay=0.04235741115084049,
        risk_aversion=0.05,
        size=1.0,
    )
    form = closed_form(p)
    assert form.half_spread == pytest.approx(20.47208533844371, rel=1e-13)
    assert form.skew == pytest.approx(9.76326865029227, rel=1e-13)


parameters = st.builds(
    Parameters,
    sigma=st.floats(0.05, 3),
    fill_rate=st.floats(0.05, 10),
    fill_decay=st.floats(0.05, 3),
    risk_aversion=st.floats(1e-4, 1),
    size=st.floats(0.1, 10),
)


@settings(max_examples=60)
@given(p=parameters, q=st.floats(-40, 40), states=st.integers(45, 90))
def test_the_bound_on_the_error_of_the_closed_form_holds(
    p: Parameters, q: float, states: int
) -> None:
    error = abs(closed_form(p).bid(q) - asymptote(p, states).bid(q))
    assert error <= glft_model.closed_form_error(p, q, states=states) + 1e-9 * p.half_spread


@settings(max_examples=20)
@given(p=parameters, q=st.integers(-40, 40))
def test_states_far_out_are_left_out_and_nothing_changes(p: Parameters, q: int) -> None:
    whole = asymptote(p, 400)
    bid, ask = glft_model.depths(p, position=q * p.size, limit=398.5 * p.size)
    assert bid == pytest.approx(whole.bid(q), rel=1e-9, abs=1e-9)
    assert ask == pytest.approx(whole.ask(q), rel=1e-9, abs=1e-9)


def test_between_whole_orders_a_depth_lies_between_theirs() -> None:
    exact = asymptote(of_figures(0.3, 0.9), 60)
    assert exact.bid(4.25) == pytest.approx(0.75 * exact.bid(4) + 0.25 * exact.bid(5))


@pytest.mark.parametrize(
    ("size", "limit", "position"), [(1, 1e5, 3), (1, 1e5, -900), (0.001, 50, 0.5), (1, 0, 0)]
)
def test_a_position_may_be_of_many_small_orders(size: float, limit: float, position: float) -> None:
    """The closed form stands in, or the matrix is large: bid and ask are where they should be."""
    p = Parameters(sigma=1e-4, fill_rate=100.0, fill_decay=1e4, risk_aversion=1e-6, size=size)
    bid, ask = glft_model.depths(p, position=position, limit=limit)
    lean = closed_form(p).skew * position
    assert bid - ask == pytest.approx(2 * lean, rel=0.01, abs=1e-9)


# --- the micro-price ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bid_size", "ask_size", "share", "mid"),
    [
        (20, 471, 0.040733, 14.330407),
        (25, 148, 0.144509, 14.331445),
        (31, 95, 0.246032, 14.332460),
        (29, 92, 0.239669, 14.332397),
        (21, 65, 0.244186, 14.332442),
    ],
)
def test_imbalance_and_weighted_mid(
    bid_size: float, ask_size: float, share: float, mid: float
) -> None:
    sizes = {"bid_size": bid_size, "ask_size": ask_size}
    assert round(microprice_model.imbalance(**sizes), 6) == share
    assert round(microprice_model.weighted_mid(bid=14.33, ask=14.34, **sizes), 6) == mid


def test_the_order_flow_of_each_change_of_the_top_of_the_book() -> None:
    tops = [
        Top(bid=bid, bid_size=bid_size, ask=ask, ask_size=ask_size)
        for bid, bid_size, ask, ask_size in (
            *((100, 5, 101, 4), (100, 8, 101, 4), (100.5, 2, 101, 4), (100, 8, 101, 4)),
            *((100, 8, 101, 1), (100, 8, 101.5, 6), (100, 8, 101, 2)),
        )
    ]
    flows = [microprice_model.order_flow(before, now) for before, now in itertools.pairwise(tops)]
    assert flows == [3, 2, -2, 3, 1, -2]


# --- the table of the micro-price -----------------------------------------------------------------

TABLE = '{"symbol": "BTC_USD", "tick": 0.5, "buckets": 2, "spreads": [1, 4], '


@pytest.mark.parametrize(
    ("spread", "bid_size", "adjusted"),
    [
        (0.5, 0, 99.9),
        (0.5, 49, 99.9),
        (0.5, 50, 100.1),
        (0.5, 100, 100.1),
        (1.5, 100, 100.1),
        (2.0, 100, 100.3),
        (9.0, 10, 99.7),
        (0.25, 10, 99.9),
    ],
)
def test_the_table_is_looked_up_by_spread_and_bucket(
    spread: float, bid_size: float, adjusted: float
) -> None:
    table = microprice_model.table_of(TABLE + '"adjustment": [[-0.2, 0.2], [-0.6, 0.6]], "n": 7}')
    sizes = {"bid_size": bid_size, "ask_size": 100 - bid_size}
    assert table.adjusted(100, spread=spread, **sizes) == pytest.approx(adjusted)


GOOD = TABLE + '"adjustment": [[-0.2, 0.2], [-0.6, 0.6]]}'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("}", "", "not JSON"),
        (GOOD, "[]", "not an object with"),
        ('"BTC_USD"', "7", "symbol must be text"),
        ("0.5", "0", "tick must be a number above zero"),
        ("0.5", "NaN", "tick must be a number above zero"),
        ('"buckets": 2', '"buckets": true', "buckets must be a whole number above zero"),
        ('"buckets": 2', '"buckets": 3', "adjustment must hold 3 numbers for each of the spreads"),
        ("[1, 4]", "[1.5, 4]", "spreads must be a list of whole numbers of ticks"),
        ("[1, 4]", "[4, 1]", "spreads must ascend from 1 or above"),
        ("[1, 4]", "[1, 4, 5]", "adjustment must hold 3 lists"),
        ("-0.6", '"a"', "adjustment must hold numbers of ticks alone"),
        ("-0.6", "1e999", "adjustment must hold numbers of ticks alone"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(old: str, new: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        microprice_model.table_of(GOOD.replace(old, new))


# --- skew, volatility, funding --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lean", "strength", "buy", "sell"),
    [
        (0, 1, 99, 101),
        (1, 1, 98, 100),
        (-1, 1, 100, 102),
        (0.5, 1, 98.5, 100.5),
        (1, 0.5, 98.5, 100.5),
        (1, 0, 99, 101),
        (1, 2, 97, 99),
    ],
)
def test_both_quotes_move_against_the_position(
    lean: float, strength: float, buy: float, sell: float
) -> None:
    found = models.skewed(Quotes.around(100, half=1), lean=lean, strength=strength)
    assert found == Quotes(buy=buy, sell=sell)


def test_at_the_limit_one_side_is_two_half_spreads_away_and_the_other_held_off_the_market() -> None:
    found = models.skewed(Quotes.around(100, half=1), lean=1, strength=1)
    on_ticks = models.on_ticks(found, bid=99.5, ask=100.5, tick=0.5)
    assert on_ticks == Quotes(buy=98, sell=100)
    on_ticks = models.on_ticks(found, bid=100, ask=100.5, tick=0.5)
    assert on_ticks == Quotes(buy=98, sell=100.5)


@pytest.mark.parametrize(
    ("sign", "lean", "strength", "qty"),
    [
        (1, 0, 1, 100),
        (1, 0.3, 1, 70),
        (-1, 0.3, 1, 100),
        (-1, -0.3, 1, 70),
        (1, -0.3, 1, 100),
        (1, 1, 0.5, 50),
        (1, 1, 1, 5),
    ],
)
def test_the_side_that_adds_is_smaller(sign: int, lean: float, strength: float, qty: float) -> None:
    found = models.skewed_size(100, sign=sign, lean=lean, strength=strength, lot=5)
    assert found == pytest.approx(qty)


@pytest.mark.parametrize(
    ("position", "lean"), [(0, 0), (50, 0.5), (100, 1), (130, 1), (-50, -0.25), (-500, -1)]
)
def test_the_position_is_told_as_a_part_of_the_limit_on_its_side(
    position: float, lean: float
) -> None:
    assert models.lean_of(position, lowest=-200, highest=100) == lean


def test_where_no_position_is_allowed_any_is_full() -> None:
    found = [models.lean_of(qty, lowest=0, highest=0) for qty in (-1, 0, 1)]
    assert found == [-1, 0, 1]


@pytest.mark.parametrize(
    ("quotes", "bid", "ask", "expected"),
    [
        ((99.7, 100.3), 99, 101, (99.5, 100.5)),
        ((99.5, 100.5), 99, 101, (99.5, 100.5)),
        ((101.2, 102), 99, 101, (100.5, 102)),
        ((98, 98.2), 99, 101, (98, 99.5)),
        ((100, 100), 99, 101, (99.5, 100.5)),
        ((105, 95), 99, 101, (99.5, 100.5)),
        ((-3, 500), 99, 101, (-3, 500)),
    ],
)
def test_prices_go_away_from_the_market_and_stay_off_the_other_side(
    quotes: tuple[float, float], bid: float, ask: float, expected: tuple[float, float]
) -> None:
    wanted = Quotes(buy=quotes[0], sell=quotes[1])
    found = models.on_ticks(wanted, bid=bid, ask=ask, tick=0.5)
    assert (found.buy, found.sell) == expected


ticks = st.sampled_from([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 1e-4])


@given(
    tick=ticks,
    bid=st.integers(10, 10**6),
    spread=st.integers(1, 40),
    buy=st.floats(-2, 2),
    sell=st.floats(-2, 2),
)
def test_no_quote_reaches_the_other_side_or_the_other_quote(
    tick: float, bid: int, spread: int, buy: float, sell: float
) -> None:
    low, high = bid * tick, (bid + spread) * tick
    wanted = Quotes(buy=low * (1 + buy), sell=high * (1 + sell))
    found = models.on_ticks(wanted, bid=low, ask=high, tick=tick)
    first_buy, first_sell = round(found.buy / tick), round(found.sell / tick)
    assert first_buy < min(bid + spread, first_sell)
    assert first_sell > bid
    assert found.buy <= max(wanted.buy, wanted.sell) + tick * 1e-3


@pytest.mark.parametrize(("sigma", "half"), [(0.0001, 3.2), (0.00001, 1.0), (0.01, 50), (0, 1.0)])
def test_the_half_spread_follows_the_volatility_between_floor_and_cap(
    sigma: float, half: float
) -> None:
    """2 standard deviations of a price of 4000 in 16 s: 2 * 0.0001 * 4 * 4000."""
    found = models.volatility_half_spread(
        sigma=sigma, horizon=16, factor=2, mid=4000, tick=0.5, floor=2, cap=100
    )
    assert found == pytest.approx(half)


@pytest.mark.parametrize(
    ("hours", "minute", "seconds"),
    [(1, 0, 3600), (1, 59, 60), (3, 15, 2 * 3600 + 45 * 60), (0, 30, 0), (0.5, 10, 1800)],
)
def test_funding_is_due_on_a_full_hour(hours: float, minute: int, seconds: float) -> None:
    at = 1_577_836_800_000 + minute * 60_000
    assert models.seconds_to_funding(hours, time_ms=at) == seconds


@pytest.mark.parametrize(
    ("rate", "seconds", "holding", "shift"),
    [
        (0.0001, 5, 600, -0.0001),
        (0.0001, 0, 600, -0.0001),
        (-0.0003, 3, 600, 0.0003),
        (0.0001, 605, 600, -0.0001 / math.e),
        (0.0001, 28_000, 600, 0.0),
        (0.0001, 1, 0, 0.0),
    ],
)
def test_quotes_lean_by_the_rate_times_the_chance_to_pay_it(
    rate: float, seconds: float, holding: float, shift: float
) -> None:
    found = models.funding_shift(rate=rate, seconds=seconds, loop=5, holding=holding)
    assert found == pytest.approx(shift, abs=1e-15)


# --- units ----------------------------------------------------------------------------------------


def quoted(
    *,
    qty: float,
    per_level: float,
    limit: float,
    price: float,
    tick: float,
    face: float,
    gamma: float,
    coin: float = 1.0,
) -> list[Quotes]:
    """Return the quotes of both models, on the tick grid; `coin` is how many units make one."""
    position, size, most = (
        coin * models.coins(each, face=face, price=price, is_inverse=True)
        for each in (qty, per_level, limit)
    )
    about = {"risk_aversion": gamma / coin, "sigma": 1e-4}
    shift = models.reservation_shift(position, **about, horizon=600)
    spread = models.optimal_spread(**about, horizon=600, fill_decay=1e4, size=size)
    p = Parameters(**about, fill_rate=0.1, fill_decay=1e4, size=size)
    bid, ask = glft_model.depths(p, position=position, limit=most)
    return [
        models.on_ticks(each, bid=price - tick, ask=price + tick, tick=tick)
        for each in (
            Quotes.around(price * (1 + shift), half=price * spread / 2),
            Quotes(buy=price * (1 - bid), sell=price * (1 + ask)),
        )
    ]


@given(
    orders=st.floats(-15, 15),
    per_level=st.floats(1, 500),
    price=st.floats(1000, 90_000),
    gamma=st.floats(1, 2000),
    face=st.sampled_from([1.0, 10.0, 100.0]),
    tick=ticks,
)
@example(orders=0.0, per_level=1.0, price=8494.0, gamma=200.0, face=10.0, tick=0.5)
def test_quotes_are_the_same_whatever_the_units(
    orders: float, per_level: float, price: float, gamma: float, face: float, tick: float
) -> None:
    """Coin or 1e-8 of it; contracts of 1 or of `face`; another tick: but for the rounding."""
    plain = {
        "qty": orders * per_level,
        "per_level": per_level,
        "limit": 20 * per_level,
        "price": price,
        "tick": 0.01,
        "face": 1.0,
        "gamma": gamma,
    }
    larger = {name: plain[name] / face for name in ("qty", "per_level", "limit")}
    first = quoted(**plain)
    in_small_units = quoted(**plain, coin=1e8)
    with_face = quoted(**{**plain, **larger, "face": face})
    with_tick = quoted(**{**plain, "tick": tick})
    for a, b, c, d in zip(first, in_small_units, with_face, with_tick, strict=True):
        for side in ("buy", "sell"):
            here = getattr(a, side)
            assert getattr(b, side) == pytest.approx(here, abs=0.0101)
            assert getattr(c, side) == pytest.approx(here, abs=0.0101)
            assert getattr(d, side) == pytest.approx(here, abs=2 * tick + 0.0201)
