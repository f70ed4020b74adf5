"""The default ladder, to the tick, as the sample run of 2020-02-01 printed it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.decimals import to_grid, to_lot
from market_maker.settings import defaults
from market_maker.strategy import ladder

EXAMPLE = defaults(example=True)
TICK = 0.5


def start(**changed: float | None) -> ladder.Start:
    given = {"bid": 8490.0, "ask": 8497.5, "tick": TICK, "min_spread": EXAMPLE["MIN_SPREAD"]}
    return ladder.start_prices(**(given | changed))  # type: ignore[arg-type]


def price(index: int, *, maintain_spreads: bool = True) -> float:
    return ladder.level_price(
        start().buy if index < 0 else start().sell,
        index,
        interval=EXAMPLE["INTERVAL"],
        maintain_spreads=maintain_spreads,
        tick=TICK,
    )


def qty(index: int) -> float:
    return ladder.level_qty(
        index, start_size=EXAMPLE["ORDER_START_SIZE"], step_size=EXAMPLE["ORDER_STEP_SIZE"]
    )


def test_the_golden_case_of_the_sample_run() -> None:
    assert [(qty(k), price(k)) for k in (1, 2)] == [(100, 8539.5), (273, 8582.0)]
    assert [(qty(-k), price(-k)) for k in (1, 29, 30)] == [
        (100, 8448.0),
        (4944, 7347.0),
        (5117, 7310.5),
    ]


def test_without_maintain_spreads_every_level_stands_one_interval_further_out() -> None:
    assert price(1, maintain_spreads=False) == price(2)
    assert price(-29, maintain_spreads=False) == price(-30)


def test_a_wide_market_is_joined_one_tick_inside() -> None:
    wide = start(bid=8000.0, ask=9000.0)
    assert (wide.buy, wide.sell) == (8000.5, 8999.5)


def test_where_we_are_the_best_price_already_the_start_is_that_price() -> None:
    joined = start(bid=8000.0, ask=9000.0, highest_buy=8000.0, lowest_sell=9000.0)
    assert (joined.buy, joined.sell) == (8000.0, 9000.0)


def test_a_market_too_tight_to_step_inside_is_joined_at_its_best_prices() -> None:
    one_tick = start(bid=8490.0, ask=8490.5, min_spread=0.0)
    assert (one_tick.buy, one_tick.sell) == (8490.0, 8490.5)
    two_ticks = start(bid=8490.0, ask=8491.0, min_spread=0.0)
    assert (two_ticks.buy, two_ticks.sell) == (8490.0, 8491.0)


@given(tick=st.sampled_from([0.01, 0.05, 0.1, 0.5, 1e-8]), ticks=st.integers(10**3, 10**6))
@pytest.mark.parametrize("wide", [1, 2])
def test_so_it_is_whatever_floats_lose_of_a_price(wide: int, tick: float, ticks: int) -> None:
    bid, ask = (float(n * Decimal(str(tick))) for n in (ticks, ticks + wide))
    found = ladder.start_prices(bid=bid, ask=ask, tick=tick, min_spread=0.0)
    assert (found.buy, found.sell) == (bid, ask)


@given(
    lot=st.sampled_from(["0.00000001", "0.001", "0.1", "1"]),
    sizes=st.tuples(st.integers(1, 10**6), st.integers(0, 10**6)),
    level=st.integers(1, 100),
)
def test_the_size_of_a_level_loses_no_lot(lot: str, sizes: tuple[int, int], level: int) -> None:
    start_size, step_size = (size * Decimal(lot) for size in sizes)
    found = ladder.level_qty(-level, start_size=float(start_size), step_size=float(step_size))
    assert to_lot(found, Decimal(lot)) == start_size + (level - 1) * step_size


def first_prices(bid: float, spread: int, min_spread: float, **own: float | None) -> list[float]:
    """Return the prices of level 1, on the grid, in a market so many ticks wide."""
    found = start(bid=bid, ask=bid + spread * TICK, min_spread=min_spread, **own)
    return [float(to_grid(each, Decimal("0.5"))) for each in (found.buy, found.sell)]


@pytest.mark.parametrize("rests", ["highest_buy", "lowest_sell", "both"])
@given(
    bid=st.integers(200, 20_000).map(lambda ticks: ticks * TICK),
    spread=st.integers(1, 12),
    min_spread=st.floats(0, 0.05),
)
def test_a_ladder_of_which_a_part_rests_is_wanted_where_it_rests(
    rests: str, bid: float, spread: int, min_spread: float
) -> None:
    wanted = first_prices(bid, spread, min_spread)
    own = dict(zip(("highest_buy", "lowest_sell"), wanted, strict=True))
    resting = own if rests == "both" else {rests: own[rests]}
    assert first_prices(bid, spread, min_spread, **resting) == wanted
