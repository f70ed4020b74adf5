"""The figures of a report: parts that add up, markouts by hand, and time divided."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.report.charts import WIDTH, Frame, fill_marks, line
from market_maker.report.markouts import MID_OLD_MS, Mids, markouts, move_of
from market_maker.report.parts import drawdown_of, gain, profit_of, quoted, states_of, uptime_of
from market_maker.report.tables import _cell

D = Decimal
CONTRACT = {"instrument_type": "pc", "area": "BTC", "face": D(1), "mark": D(8000)}
CONTRACT |= {"long": D(0), "short": D(0)}
PAIR = CONTRACT | {"instrument_type": "bb", "area": "USDT"}
NEAR = D("1e-24")
prices = st.integers(14_000, 20_000).map(lambda ticks: D(ticks) / 2)


def fill(side: str, qty: str, price: str, **about: Any) -> dict[str, Any]:
    found = {"side": side, "qty": D(qty), "price": D(price), "fee": D(0), "fee_currency": "BTC"}
    return found | {"bid": None, "ask": None, "time_ms": 0} | about


@pytest.mark.parametrize(
    ("qty", "before", "after", "expected"),
    [
        (10_000, "60000", "59400", "-0.0016835016835"),
        (10_000, "60000", "60600", "0.0016501650165"),
        (100, "8490", "8497.5", "0.00001039590734"),
        (100, "8448", "8539.5", "0.00012683372456"),
    ],
)
def test_what_an_inverse_contract_gains_follows_from_the_inverse_prices(
    qty: int, before: str, after: str, expected: str
) -> None:
    found = gain(D(qty), D(before), D(after), D(1))
    assert abs(found - D(expected)) < D("1e-13")


@given(
    st.lists(
        st.tuples(st.sampled_from(["Buy", "Sell"]), st.integers(1, 900), prices, prices, prices),
        max_size=8,
    ),
    prices,
    st.sampled_from([CONTRACT, PAIR]),
)
def test_the_parts_of_the_profit_add_up_to_what_the_fills_have_earned(
    traded: list[Any], mark: Decimal, run: dict[str, Any]
) -> None:
    fills = [
        fill(side, str(qty), str(price), bid=bid, ask=ask, fee=D("0.01"), fee_currency=run["area"])
        for side, qty, price, bid, ask in traded
    ]
    found = profit_of(run, fills, [{"kind": "funding", "amount": D("-0.5")}], mark)
    assert found
    face = run["face"] if run is CONTRACT else None
    earned = sum(
        (
            gain((1 if each["side"] == "Buy" else -1) * each["qty"], each["price"], mark, face)
            for each in fills
        ),
        D(0),
    )
    assert abs(found.spread + found.inventory - earned) <= D("1e-18") * (1 + abs(earned))
    assert found.fees == -D("0.01") * len(fills)
    assert found.total == found.spread + found.inventory + found.fees + D("-0.5")


def test_a_position_of_before_is_beside_the_profit_of_the_run() -> None:
    run = CONTRACT | {"long": D(15_000), "mark": D(750)}
    found = profit_of(run, [], [{"kind": "funding", "amount": D("-0.05")}], D(800))
    assert found
    assert abs(found.inherited - D("1.25")) < NEAR
    assert abs(found.total + found.inherited - D("1.20")) < NEAR


def test_fees_of_a_pair_in_base_currency_count_at_the_mark() -> None:
    bought = fill("Buy", "1", "8000", fee=D("0.001"), fee_currency="BTC")
    found = profit_of(PAIR, [bought], [], D(9000))
    assert found
    assert (found.fees, found.total) == (D(-9), D(991))


def test_markouts_by_hand() -> None:
    mids = Mids([1_500, 2_000], [D(100), D(101)])
    fills = [fill("Buy", "1", "100", time_ms=1_000), fill("Buy", "1", "101", time_ms=1_000)]
    found = {
        (each.side, each.seconds): each for each in markouts(fills, mids, 400_000, inverse=False)
    }
    first = found["Buy", 1]
    assert (first.n, first.left_out) == (2, 0)
    assert first.mean == (D(100) + D(0)) / 2
    assert first.error == D(50)
    assert [found["Buy", each].n for each in (5, 30, 60, 300)] == [0, 0, 0, 0]
    assert found["Buy", 5].left_out == 2
    assert found["Sell", 1].mean is None


@given(prices, prices, st.sampled_from(["Buy", "Sell"]))
def test_a_markout_is_what_the_fill_has_gained_in_its_own_worth(
    price: Decimal, mid: Decimal, side: str
) -> None:
    one = fill(side, "100", str(price))
    sign = 1 if side == "Buy" else -1
    worth = 100 / price
    expected = gain(D(sign * 100), price, mid, D(1)) / worth * 10_000
    assert abs(move_of(one, mid, inverse=True) - expected) < D("1e-18")


def test_a_horizon_beyond_the_end_or_over_a_hole_counts_as_left_out() -> None:
    mids = Mids([0], [D(1)])
    assert mids.at(MID_OLD_MS) == 1
    assert mids.at(MID_OLD_MS + 1) is None
    assert mids.at(-1) is None
    after = markouts([fill("Sell", "1", "1")], mids, 999, inverse=True)
    assert {each.n for each in after} == {0}


def step(time_ms: int, name: str, side: str, oid: str) -> dict[str, Any]:
    return {"time_ms": time_ms, "step": name, "side": side, "client_oid": oid}


def test_quotes_count_from_open_to_done() -> None:
    steps = [
        step(0, "sent", "Buy", "a"),
        step(100, "open", "Buy", "a"),
        step(200, "open", "Sell", "b"),
        step(300, "cancelling", "Buy", "a"),
        step(400, "done", "Buy", "a"),
        step(450, "done", "Sell", "never seen"),
    ]
    found = uptime_of(quoted(steps, 0, 1000))
    assert (found.bid, found.ask, found.both) == (D("0.3"), D("0.8"), D("0.2"))


def test_the_time_in_states_adds_up_to_the_run() -> None:
    ticks = [
        {"time_ms": 100, "state": "ACTIVE", "reason": ""},
        {"time_ms": 700, "state": "PAUSED", "reason": "no frames"},
        {"time_ms": 900, "state": "ACTIVE", "reason": ""},
    ]
    found = states_of(ticks, 0, 1000)
    assert [(each.state, each.ms) for each in found] == [("ACTIVE", 700), ("PAUSED", 300)]
    assert found[1].reasons == (("no frames", 200), ("starting", 100))


def test_the_worst_drawdown_is_from_the_highest_profit_before_it() -> None:
    profits = ["0", "3", "1", "4", "1.5", None, "5"]
    ticks = [{"time_ms": at, "profit": p and D(p)} for at, p in enumerate(profits)]
    found = drawdown_of(ticks)
    assert found
    assert (found.amount, found.time_ms) == (D("2.5"), 4)
    assert drawdown_of([]) is None
    losing = [{"time_ms": at, "profit": D(p)} for at, p in enumerate(["-9", "-10"])]
    of_run, of_restarted = drawdown_of(losing), drawdown_of(losing, is_restart=True)
    assert (of_run and of_run.amount, of_restarted and of_restarted.amount) == (D(10), D(1))


@pytest.mark.parametrize("text", ["=1+1", "@x", "+x", "-x"])
def test_no_text_of_the_venue_becomes_a_formula(text: str) -> None:
    assert _cell(text)[:2] == "\"'"


def test_a_chart_of_a_day_stays_small_and_keeps_each_extreme() -> None:
    points = [(at, D(at % 97)) for at in range(0, 86_400_000, 500)]
    frame = Frame.around(0, 86_400_000, [value for _, value in points])
    drawn = line(frame, points, "mid")
    assert len(drawn) < 30_000
    rows = {int(row) for row in re.findall(r"[V,](\d+)", drawn)}
    assert {frame.y(D(0)), frame.y(D(96))} <= rows


def test_many_fills_of_one_column_share_a_mark_with_their_number() -> None:
    frame = Frame(0, 86_400_000, D(0), D(100))
    fills = [(at, "Buy", D(at % 90)) for at in range(0, 86_400_000, 10_000)]
    drawn = fill_marks(frame, fills)
    assert drawn.count("<path") <= WIDTH + 1
    assert sum(map(int, re.findall(r"(\d+) fills", drawn))) >= len(fills) - WIDTH
    assert fill_marks(frame, fills[:900]).count("<path") > 1


def test_a_window_begins_in_the_state_of_the_tick_before_it() -> None:
    ticks = [
        {"time_ms": 500, "state": "ACTIVE", "reason": ""},
        {"time_ms": 1_600, "state": "REDUCING", "reason": "why"},
    ]
    found = states_of(ticks, 1_000, 2_000)
    assert [(each.state, each.ms) for each in found] == [("ACTIVE", 600), ("REDUCING", 400)]
    assert [each.state for each in states_of(ticks[:1], 1_000, 2_000)] == ["ACTIVE"]
    first = states_of(ticks[1:], 1_000, 2_000)
    assert [(each.state, each.ms) for each in first] == [("PAUSED", 600), ("REDUCING", 400)]
