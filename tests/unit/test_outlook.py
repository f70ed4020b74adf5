"""An outlook: its figures by hand, and its requests against a market that moves by chance."""

import math
import random
from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.decimals import to_grid
from market_maker.models import (
    Exposure,
    Instrument,
    Leg,
    Margin,
    OpenOrder,
    OrderRequest,
    Position,
    Side,
    Snapshot,
    Ticker,
)
from market_maker.money import Leverage, Rates
from market_maker.outlook import (
    Basis,
    Outlook,
    Rules,
    Volatility,
    compared,
    in_text,
    outlook_of,
    realised,
)
from market_maker.outlook.requests import expected
from market_maker.strategy import Decided, Limits, decide

TICK = Decimal("0.5")
CONTRACT = Instrument(
    instrument_type="pc",
    settle_currency="BTC",
    symbol="BTC_USD",
    tick=TICK,
    mark_price=Decimal("8493.5"),
)
PAIR = replace(
    CONTRACT,
    instrument_type="bb",
    settle_currency="USDT",
    symbol="BTC/USDT",
    lot=Decimal("0.0001"),
    mark_price=None,
    mid_price=Decimal("8493.5"),
)
LIMITS = Limits(check=True, min_position=Decimal(-1000), max_position=Decimal(1000))


def basis(
    instrument: Instrument = CONTRACT,
    *,
    long: int = 0,
    balance: str = "1",
    leverage: int = 10,
    cross: bool = False,
) -> Basis:
    leg = Leg(qty=Decimal(long), available=Decimal(long), entry_price=Decimal(8000))
    snapshot = Snapshot(
        instrument=instrument,
        ticker=Ticker(bid=Decimal(8490), ask=Decimal("8497.5")),
        orders=(),
        position=Position(long=leg),
        exposure=Exposure.of((Decimal(long), Decimal(0))),
        margin=Margin(currency="BTC", total=Decimal(balance), available=Decimal(balance)),
    )
    each = Decimal(leverage)
    usual = Volatility.of_hour(0.006, "assumed")
    return Basis(snapshot=snapshot, leverage=Leverage(each, each, cross), volatility=usual)


def rules(**changed: object) -> Rules:
    given: dict[str, object] = {
        "strategy": "the ladder",
        "rates": Rates(Decimal("0.00025"), Decimal("0.00075")),
        "relist": Decimal("0.002"),
        "seconds": 5.0,
        "max_loss": None,
        "move": Decimal("0.2"),
    }
    return Rules(**(given | changed))  # type: ignore[arg-type]


def order(side: Side, qty: object, price: object) -> OrderRequest:
    return OrderRequest(side=side, price=Decimal(str(price)), qty=Decimal(str(qty)))


def looked(found: Basis, *wanted: OrderRequest, limits: Limits = LIMITS, **rule: object) -> Outlook:
    inputs = (wanted, found.snapshot, limits, Decimal("0.002"))
    decided = Decided(*inputs, decide(*inputs[:3], relist=inputs[3]))
    return outlook_of([decided], found, rules(**rule), partial(random.Random(1).gauss, 0, 1))


BUYS = (order(Side.BUY, 100, 8448), order(Side.BUY, 200, 8400))
SELLS = (order(Side.SELL, 100, "8539.5"), order(Side.SELL, 200, 8600))


# --- the ends -----------------------------------------------------------------------------------


def test_the_result_at_the_last_level_by_hand() -> None:
    """300 bought: 100/8448 + 200/8400 coins; worth 300/8400 there; fees 0.025 % of what was bought.

    The inverse contract loses in coins what 1/8400 is more than 1/8448: 100 * (1/8448 - 1/8400).
    """
    found = looked(basis(), *BUYS, *SELLS)
    falls = next(end for end in found.ends if end.name == "falls to the last level")
    paid = Decimal(100) / 8448 + Decimal(200) / 8400
    lost = Decimal(100) / 8448 - Decimal(100) / 8400
    assert (falls.fills, falls.position, falls.price) == (2, 300, 8400)
    assert abs(falls.result - (lost - paid * Decimal("0.00025"))) < Decimal("1e-24")
    assert abs(falls.fees - paid * Decimal("0.00025")) < Decimal("1e-24")


def test_a_position_of_now_counts_from_now_and_closing_orders_close_it() -> None:
    found = looked(basis(long=250), *BUYS, *SELLS)
    ends = {end.name: end for end in found.ends}
    fall = ends["falls by 20 %"]
    mark, there = Decimal("8493.5"), Decimal("6794.8")
    fills = sum(q * (1 / Decimal(p) - 1 / there) for q, p in ((100, 8448), (200, 8400)))
    fees = (Decimal(100) / 8448 + Decimal(200) / 8400) * Decimal("0.00025")
    assert abs(fall.result - (250 * (1 / mark - 1 / there) + fills - fees)) < Decimal("1e-20")
    assert ends["rises by 20 %"].position == -50
    assert [level.order.close for level in found.of(Side.SELL)] == [True, False]
    assert found.of(Side.SELL)[0].margin == 0


def test_on_the_way_fills_only_what_the_price_reaches() -> None:
    found = looked(basis(), *BUYS, *SELLS, move=Decimal("0.006"))
    fills = {end.name: end.fills for end in found.ends}
    assert fills == {
        "stays": 0,
        "falls to the last level": 2,
        "falls by 0.6 %": 1,
        "rises to the last level": 2,
        "rises by 0.6 %": 1,
    }


def test_on_spot_a_fee_is_paid_and_coins_of_the_account_are_left_out() -> None:
    found = looked(
        basis(PAIR, balance="10000"), order(Side.BUY, "0.2", 8448), order(Side.SELL, "0.1", 8600)
    )
    ends = {end.name: end for end in found.ends}
    lost = Decimal("0.2") * (Decimal("6794.8") - 8448) - Decimal("0.2") * Decimal("6794.8") / 4000
    assert ends["falls by 20 %"].result == lost
    assert ends["falls by 20 %"].liquidation is None
    gained = Decimal("0.1") * (8600 - Decimal("10192.2")) - Decimal("0.1") * 8600 / 4000
    assert ends["rises by 20 %"].result == gained
    assert found.bound == {"USDT": Decimal("1689.6"), "BTC": Decimal("0.1")}


# --- the requests -------------------------------------------------------------------------------


def ladder(mid: float, *, pairs: int, interval: float, step: int) -> list[OrderRequest]:
    return [
        OrderRequest(
            side=side,
            price=to_grid(mid * (1 - side.sign * (0.004 + interval * level)), TICK),
            qty=Decimal(100 + step * level),
        )
        for side in Side
        for level in range(pairs)
    ]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("relist", "interval", "step", "looks"),
    [
        ("0.004", 0.005, 10, 3500),  # each order serves its own level alone
        ("0.001", 0.005, 0, 1500),  # equal sizes, too far from each other's places
        ("0.004", 0.005, 0, 3500),  # equal sizes take over each other's places
        ("0.004", 0.002, 0, 2000),  # even those of several levels on
        ("0.0005", 0.005, 10, 1000),  # at nearly every look
    ],
)
def test_as_many_requests_are_expected_as_a_market_by_chance_causes(
    relist: str, interval: float, step: int, looks: int
) -> None:
    chance, sigma, seconds = random.Random(7), 0.0006, 5.0
    shape = {"pairs": 4, "interval": interval, "step": step}
    mid, requests = 8493.75, 0
    snapshot = replace(basis().snapshot, ticker=Ticker(bid=None, ask=None))
    snapshot = replace(snapshot, instrument=replace(CONTRACT, mark_price=None))
    resting: tuple[OpenOrder, ...] = ()
    free = Limits(check=False, min_position=Decimal(0), max_position=Decimal(0))
    for look in range(looks):
        mid *= math.exp(chance.gauss(0, sigma * math.sqrt(seconds)))
        wanted = ladder(mid, **shape)  # type: ignore[arg-type]
        now = replace(snapshot, orders=resting)
        plan = decide(wanted, now, free, relist=Decimal(relist)).plan
        new = plan.create + plan.deferred
        requests += len(plan.cancel) + len(new) if look else 0
        resting = plan.keep + tuple(
            each.accepted(f"{look}-{n}") for n, each in enumerate(new, start=1)
        )
    found = expected(
        ladder(8493.75, **shape),  # type: ignore[arg-type]
        snapshot,
        relist=Decimal(relist),
        seconds=seconds,
        volatility=Volatility(sigma, "made"),
        draw=partial(random.Random(1).gauss, 0, 1),
    )
    seen = requests / (looks * seconds / 60)
    assert found.per_minute == pytest.approx(seen, rel=0.15)


@given(st.floats(1e-5, 1e-2), st.floats(0.001, 3600))
def test_steps_of_one_size_have_that_volatility(step: float, seconds: float) -> None:
    """Log returns of +-x each t seconds are x / sqrt(t)."""
    times = [round(n * seconds * 1000) for n in range(30)]
    closes = [(time, 8500 * math.exp(step * (n % 2))) for n, time in enumerate(times)]
    found = realised(closes)
    assert found
    measured = found.per_root_second * math.sqrt(times[-1] / 1000 / 29)
    assert measured == pytest.approx(step, rel=1e-9)


def test_few_candles_are_no_estimate_and_a_still_market_moves_nothing() -> None:
    assert realised([(n * 60_000, 8500.0) for n in range(10)]) is None
    still = realised([(n * 60_000, 8500.0) for n in range(11)])
    assert still
    found = looked(replace(basis(), volatility=still), *BUYS, *SELLS)
    assert found.requests.per_minute == 0
    assert "0 a minute: no order has to move" in in_text(found)


# --- doubts and text ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_basis", "wanted", "rule", "words"),
    [
        (basis(balance="0.002"), BUYS, {}, "the orders bind 0.003617 BTC, 0.002 is available"),
        (basis(), BUYS, {"max_loss": Decimal("0.00007")}, "MAX_LOSS 0.00007 halts the bot"),
        (
            basis(leverage=50),
            (*BUYS[:1], order(Side.BUY, 1, 7000)),
            {},
            "the position of 101 is liquidated on the way",
        ),
        (
            basis(),
            (order(Side.BUY, 9, 8490), order(Side.SELL, 9, 8491)),
            {"move": Decimal("0.01")},
            "a buy and a sell of the first levels earn less than their fees",
        ),
        (
            replace(basis(), volatility=Volatility.of_hour(0.2, "made")),
            (*BUYS, *SELLS),
            {"move": Decimal("0.01")},
            "in LOOP_INTERVAL 5 s the price moves 0.75%",
        ),
        (basis(), (), {}, "the strategy wants no orders now"),
    ],
)
def test_what_is_doubtful_about_market_and_account_is_said(
    given_basis: Basis, wanted: tuple[OrderRequest, ...], rule: dict[str, object], words: str
) -> None:
    found = looked(given_basis, *wanted, **rule)
    assert any(words in doubt for doubt in found.doubts), found.doubts


def test_nothing_is_doubtful_about_a_small_ladder() -> None:
    found = looked(basis(), *BUYS, *SELLS, move=Decimal("0.05"))
    assert found.doubts == ()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 900)), max_size=30),
    st.integers(1, 10**7),
    st.sampled_from([CONTRACT, PAIR]),
)
def test_the_text_has_80_columns_whatever_the_ladder(
    levels: list[tuple[Side, int]], qty: int, instrument: Instrument
) -> None:
    free = replace(LIMITS, check=False)
    wanted = [
        order(side, qty, Decimal("8490.5") - side.sign * level * Decimal("4.5"))
        for side, level in levels
    ]
    rich = replace(basis(instrument, balance="123456.789012"), volatility=Volatility(0.0, "made"))
    found = looked(rich, *wanted, limits=free)
    text = in_text(found) + compared(found, found, "NOTHING = 0")
    assert max(len(line) for line in text.splitlines()) <= 80
    assert len(in_text(found).splitlines()) < 60


def test_what_limits_trim_is_told_with_the_reason() -> None:
    narrow = replace(LIMITS, max_position=Decimal(150), max_order_qty=Decimal(150))
    found = looked(basis(), *BUYS, *SELLS, order(Side.BUY, 60, 8300), limits=narrow)
    text = in_text(found)
    assert "Not placed Buy 60 @ 8300: position limit" in text
    assert "Not placed Buy 200 @ 8400: larger than MAX_ORDER_QTY 150" in text
    assert "1 buy of 100, 1 sell of 100 contracts, 3 not placed" in text


def test_two_outlooks_stand_beside_each_other() -> None:
    before = looked(basis(), *BUYS, *SELLS, max_loss=Decimal("0.00007"))
    after = looked(basis(), *BUYS[:1], *SELLS[:1], max_loss=Decimal("0.00007"))
    text = compared(before, after, "ORDER_PAIRS = 1")
    rows = {line[:24].strip(): line[24:].split("  ") for line in text.splitlines()}
    cells = {name: [cell.strip() for cell in row if cell.strip()] for name, row in rows.items()}
    assert "Changed    ORDER_PAIRS = 1" in text
    assert cells["buys"] == ["2 of 300", "1 of 100", "*"]
    assert cells["first of buys"] == ["8448", "8448"]
    assert cells["bound by orders, BTC"] == ["0.007165", "0.002389", "*"]
    assert "GONE       if the price falls to the last level, MAX_LOSS 0.00007 halts" in text
    assert "NEW " not in text


def test_a_pair_without_sells_can_be_compared_with_one_that_has_some() -> None:
    rich = basis(PAIR, balance="10000")
    buy, sell = order(Side.BUY, "0.2", 8448), order(Side.SELL, "0.1", 8600)
    text = compared(looked(rich, buy, sell), looked(rich, buy), "MIN_POSITION = 0")
    (row,) = (line for line in text.splitlines() if line.startswith("bound by orders, BTC"))
    assert row.split()[-3:] == ["0.1", "0", "*"]
