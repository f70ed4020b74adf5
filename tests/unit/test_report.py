"""The figures of a report: parts that add up, markouts by hand, and time divided."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.report.budget import requests_of
from market_maker.report.charts import (
    WIDTH,
    Frame,
    band,
    columns_of,
    curve,
    fill_marks,
    line,
    strip,
)
from market_maker.report.levels import levels_of
from market_maker.report.markouts import (
    HORIZONS,
    REALISED,
    half_spread_of,
    markouts,
    move_of,
    times_of,
)
from market_maker.report.parts import (
    drawdown_of,
    earned_over_time,
    gain,
    inventory_of,
    positions_of,
    profit_of,
)
from market_maker.report.quoting import WITHIN, quoted, spans_of, states_of, uptimes_of
from market_maker.report.tables import _cell

D = Decimal
CONTRACT = {"instrument_type": "pc", "area": "BTC", "face": D(1), "mark": D(8000)}
CONTRACT |= {"long": D(0), "short": D(0)}
PAIR = CONTRACT | {"instrument_type": "bb", "area": "USDT"}
NEAR = D("1e-24")
prices = st.integers(14_000, 20_000).map(lambda ticks: D(ticks) / 2)


def fill(side: str, qty: str, price: str, **about: Any) -> dict[str, Any]:
    found = {"side": side, "qty": D(qty), "price": D(price), "fee": D(0), "fee_currency": "BTC"}
    return (
        found
        | {"bid": None, "ask": None, "time_ms": 0, "level": 1, "model": "", "own": D(0)}
        | about
    )


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
    found = profit_of(run, fills, [{"kind": "funding", "amount": D("-0.5"), "currency": ""}], mark)
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
    found = profit_of(run, [], [{"kind": "funding", "amount": D("-0.05"), "currency": ""}], D(800))
    assert found
    assert abs(found.inherited - D("1.25")) < NEAR
    assert abs(found.total + found.inherited - D("1.20")) < NEAR


def test_fees_of_a_pair_in_base_currency_count_at_the_mark() -> None:
    bought = fill("Buy", "1", "8000", fee=D("0.001"), fee_currency="BTC")
    found = profit_of(PAIR, [bought], [], D(9000))
    assert found
    assert (found.fees, found.total) == (D(-9), D(991))


def test_markouts_by_hand() -> None:
    mids = {2_000: D(101), 6_000: D(101)}
    fills = [fill("Buy", "1", "100", time_ms=1_000), fill("Buy", "1", "101", time_ms=1_000)]
    found = {
        (each.side, each.level, each.seconds): each for each in markouts(fills, mids, inverse=False)
    }
    first = found["Buy", None, 1]
    assert (first.n, first.left_out) == (2, 0)
    assert first.mean == (D(100) + D(0)) / 2
    assert first.error == D(50)
    assert [found["Buy", None, each].n for each in (5, 30, 60, 300)] == [2, 0, 0, 0]
    assert found["Buy", None, 30].left_out == 2
    assert found["Sell", None, 1].mean is None


def test_markouts_are_told_for_each_level_too() -> None:
    fills = [fill("Sell", "1", "100", level=1), fill("Sell", "1", "110", level=2)]
    fills.append(fill("Sell", "1", "100", level=None))
    found = markouts(fills, {1_000: D(100)}, inverse=False)
    by_level = {each.level: each.n for each in found if (each.side, each.seconds) == ("Sell", 1)}
    assert by_level == {None: 3, 1: 1, 2: 1}


@given(st.lists(st.tuples(st.sampled_from(["Buy", "Sell"]), prices, prices, prices), min_size=1))
def test_the_effective_half_spread_is_realised_or_lost_to_impact(traded: list[Any]) -> None:
    fills, mids = [], {}
    for place, (side, price, before, after) in enumerate(traded):
        fills.append(fill(side, "1", str(price), bid=before, ask=before, time_ms=place))
        mids[place + 1000 * REALISED] = after
    found = half_spread_of(fills, mids, inverse=True)
    assert found
    assert found.n == len(traded)
    mean = sum((move_of(each, each["bid"], inverse=True) for each in fills), D(0)) / len(fills)
    assert abs(found.effective - mean) < NEAR * 10**6
    assert abs(found.realised + found.impact - found.effective) < NEAR * 10**6
    assert half_spread_of(fills, {}, inverse=True) is None


@given(prices, prices, st.sampled_from(["Buy", "Sell"]))
def test_a_markout_is_what_the_fill_has_gained_in_its_own_worth(
    price: Decimal, mid: Decimal, side: str
) -> None:
    one = fill(side, "100", str(price))
    sign = 1 if side == "Buy" else -1
    worth = 100 / price
    expected = gain(D(sign * 100), price, mid, D(1)) / worth * 10_000
    assert abs(move_of(one, mid, inverse=True) - expected) < D("1e-18")


def test_a_horizon_beyond_the_end_is_not_asked_for() -> None:
    found = times_of([fill("Sell", "1", "1", time_ms=500)], 30_500)
    assert found == {500 + 1000 * seconds for seconds in HORIZONS if seconds <= 30}


def step(time_ms: int, name: str, side: str, oid: str, price: str = "100") -> dict[str, Any]:
    about = {"qty": "10", "filled": "0", "level": None}
    found = {"time_ms": time_ms, "step": name, "side": side, "client_oid": oid, "price": price}
    return found | about


def ticks_of(*states: tuple[int, str, str]) -> list[dict[str, Any]]:
    return [{"time_ms": at, "state": state, "reason": reason} for at, state, reason in states]


def test_quotes_count_from_open_to_done() -> None:
    steps = [
        step(100, "open", "Buy", "a"),
        step(200, "open", "Sell", "b"),
        step(400, "done", "Buy", "a"),
        step(450, "done", "Sell", "never seen"),
    ]
    spans = spans_of(ticks_of((0, "ACTIVE", "")), 0, 1000)
    found = uptimes_of(quoted(steps, 0, 1000), spans, [])[""]
    assert (found.bid, found.ask, found.both) == (D("0.3"), D("0.8"), D("0.2"))


def test_the_best_of_several_own_quotes_counts_and_the_next_one_when_it_ends() -> None:
    steps = [
        step(0, "open", "Buy", "a", "98"),
        step(100, "open", "Buy", "b", "99"),
        step(300, "done", "Buy", "b", "99"),
    ]
    found = [(each.begun_ms, each.ended_ms, each.bid) for each in quoted(steps, 0, 1000)]
    assert found == [(0, 100, 98.0), (100, 300, 99.0), (300, 1000, 98.0)]


def test_quotes_are_near_the_mid_as_long_as_both_are_and_a_mid_is_known() -> None:
    steps = [step(0, "open", "Buy", "a", "9990"), step(0, "open", "Sell", "b", "10010")]
    spans = spans_of(ticks_of((0, "ACTIVE", ""), (8_000, "PAUSED", "why")), 0, 10_000)
    mids = [(0, 10_000.0), (1_000, 9_996.0), (7_000, 10_000.0), (9_000, 10_500.0)]
    found = uptimes_of(quoted(steps, 0, 10_000), spans, mids)
    assert found[""].within == {5: D(0), 10: D("0.3")} | dict.fromkeys(WITHIN[2:], D("0.5"))
    assert (found["ACTIVE"].ms, found["PAUSED"].ms) == (8_000, 2_000)
    assert found["PAUSED"].within[10] == D("0.5")
    assert set(found[""].within) == set(WITHIN)


@given(
    st.lists(st.tuples(st.integers(0, 999), st.sampled_from(["ACTIVE", "PAUSED"])), max_size=6),
    st.lists(st.tuples(st.integers(0, 999), st.booleans(), st.sampled_from("ab")), max_size=8),
)
def test_the_uptimes_of_the_states_add_up_to_that_of_the_run(
    states: list[Any], changes: list[Any]
) -> None:
    ticks = ticks_of(*sorted((at, state, "") for at, state in states))
    steps = [
        step(at, "open" if opens else "done", "Buy" if oid == "a" else "Sell", oid)
        for at, opens, oid in sorted(changes)
    ]
    found = uptimes_of(quoted(steps, 0, 1000), spans_of(ticks, 0, 1000), [(0, 100.0)])
    whole = found.pop("")
    assert whole.ms == sum(each.ms for each in found.values()) == 1000
    for name in ("bid", "ask", "both"):
        parts = sum((getattr(each, name) * each.ms for each in found.values()), D(0))
        assert abs(getattr(whole, name) * 1000 - parts) < D("1e-9")


def test_levels_tell_how_much_was_filled_and_after_which_wait() -> None:
    steps = [
        step(0, "open", "Buy", "a"),
        step(0, "open", "Buy", "b"),
        step(0, "open", "Sell", "c"),
        step(900, "done", "Buy", "a") | {"filled": "10", "level": 1},
        step(900, "done", "Buy", "b") | {"filled": "5", "level": 1},
        step(950, "done", "Sell", "c") | {"level": 2},
        step(955, "done", "Sell", "never sent"),
        step(960, "done", "Sell", "filled at once") | {"filled": "10"},
    ]
    fills = [{"client_oid": "a", "time_ms": 400}, {"client_oid": "b", "time_ms": 600}]
    fills.append({"client_oid": "a", "time_ms": 900})
    found = levels_of(steps, fills)
    assert [(each.level, each.orders) for each in found] == [(1, 2), (2, 1), (None, 1)]
    assert (found[0].fill_ratio, found[0].wait_seconds) == (D("0.75"), D("0.5"))
    assert (found[1].fill_ratio, found[1].wait_seconds) == (D(0), None)
    assert (found[2].fill_ratio, found[2].wait_seconds) == (D(1), None)


def test_the_busiest_second_slides_and_counts_when_requests_left() -> None:
    about = {"path": "create", "calls": 20, "seconds": 1.0, "outcome": "done"}
    rows = [about | {"time_ms": at, "took_ms": took} for at, took in [(1_300, 400), (1_950, 50)]]
    rows += [about | {"time_ms": 1_899, "took_ms": 0, "outcome": "HTTP 503"}]
    rows += [about | {"path": "query", "time_ms": 5, "took_ms": 5}]
    create, query = requests_of(rows)
    assert (create.count, create.failed, create.busiest, create.mean_ms) == (3, 1, 2, 150)
    assert (query.count, query.busiest, query.calls) == (1, 1, 20)


def test_the_inventory_counts_its_size_over_time() -> None:
    run = CONTRACT | {"begun_ms": 0, "long": D(10), "short": D(0)}
    positions = positions_of(run, [fill("Sell", "30", "1", time_ms=500)])
    assert positions == [(0, D(10)), (500, D(-20))]
    found = inventory_of(positions, 1000)
    assert (found.highest, found.lowest, found.mean_size) == (D(10), D(-20), D(15))


def test_spread_and_fees_over_time_end_at_their_sums() -> None:
    run = CONTRACT | {"begun_ms": 0}
    fills = [
        fill("Buy", "10", "8000", time_ms=5, bid=D(8000), ask=D(8001), fee=D("0.001")),
        fill("Sell", "10", "8002", time_ms=9, bid=D(8000), ask=D(8001), fee=D("0.002")),
    ]
    spread, fees = earned_over_time(run, fills, D(8000))
    whole = profit_of(run, fills, [], D(8000))
    assert whole
    assert (spread[-1], fees[-1]) == ((9, whole.spread), (9, whole.fees))
    assert [at for at, _ in spread] == [0, 5, 9]


def test_the_time_in_states_adds_up_to_the_run() -> None:
    ticks = ticks_of((100, "ACTIVE", ""), (700, "PAUSED", "no frames"), (900, "ACTIVE", ""))
    found = states_of(spans_of(ticks, 0, 1000))
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
    ticks = ticks_of((500, "ACTIVE", ""), (1_600, "REDUCING", "why"))
    found = states_of(spans_of(ticks, 1_000, 2_000))
    assert [(each.state, each.ms) for each in found] == [("ACTIVE", 600), ("REDUCING", 400)]
    assert [each.state for each in states_of(spans_of(ticks[:1], 1_000, 2_000))] == ["ACTIVE"]
    first = states_of(spans_of(ticks[1:], 1_000, 2_000))
    assert [(each.state, each.ms) for each in first] == [("PAUSED", 600), ("REDUCING", 400)]


def test_a_strip_shows_the_worst_of_each_column() -> None:
    day = 86_400_000
    drawn = strip([(0, day, "good"), (1_000, 1_001, "bad")], ("good", "bad"), 0, day)
    assert re.findall(r'class="(\w+)" x="(\d+)"', drawn) == [("bad", "0"), ("good", "1")]


def test_quotes_leave_a_gap_where_none_rested() -> None:
    frame = Frame(0, 800, D(0), D(100))
    columns = columns_of(frame, [(0, 99, 50.0), (100, 199, None), (200, 300, 60.0)])
    assert [x for x, _, _ in columns] == [*range(100), *range(200, 301)]
    assert band(frame, columns, "bid", broken=True).count("M") == 2
    assert band(frame, columns, "bid").count("M") == 1


def test_a_curve_has_a_place_for_each_name_and_a_bar_for_each_error() -> None:
    drawn = curve([("buy", [(D(1), D("0.5")), None]), ("sell", [None, (D(-2), D(1))])], ["a", "b"])
    assert drawn.count("error") == 2
    assert re.findall(r">(a|b|\+1\.5|-3\.0)<", drawn) == ["a", "b", "-3.0", "+1.5"]
