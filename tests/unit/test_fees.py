"""Fees against printed digits, and the balance against what explains it."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.models import ZERO, Fill, Instrument, Leg, OpenOrder, Position, Side
from market_maker.money.balance import (
    FUNDING_SECONDS,
    LAG_SECONDS,
    LASTING_SECONDS,
    WALLETS_SECONDS,
    BalanceLedger,
    Explained,
    Step,
    StepKind,
)
from market_maker.money.fees import REMEMBER, FeeLedger, Rates
from market_maker.money.realised import Realised
from market_maker.paper.api.encoding import cut

D = Decimal
MAKER, TAKER = Rates()
INVERSE = Instrument(
    instrument_type="pc", settle_currency="BTC", symbol="BTC_USD", tick=Decimal("0.5")
)
PAIR = Instrument(
    instrument_type="bb", settle_currency="USDT", symbol="BTC/USDT", tick=Decimal("0.5")
)


def fill(
    qty: str,
    fee: Decimal | None,
    side: Side = Side.BUY,
    *,
    close: bool = False,
    taker: bool = False,
) -> Fill:
    order = OpenOrder(
        side=side,
        price=D(8000),
        qty=D(qty),
        filled=D(qty),
        client_oid="a",
        close=close,
        fee=fee,
        is_taker=taker,
    )
    before = replace(order, filled=D(0), fee=None)
    return Fill(side=side, qty=D(qty), before=before, order=order)


values = st.decimals("0.0001", "50", places=8)


@given(st.lists(st.tuples(values, st.sampled_from([MAKER, TAKER])), min_size=1, max_size=6))
def test_printed_digits_keep_the_fees_of_an_order_within_one_printed_unit_for_each_fill(
    fills: list[tuple[Decimal, Decimal]],
) -> None:
    ledger, true = FeeLedger(), D(0)
    for value, rate in fills:
        true += value * rate
        ledger.book(fill("1", cut(true)), value, INVERSE)
    assert abs(ledger.paid - true) < len(fills) * D("0.000001")
    assert ledger.contradiction == ""


@given(st.lists(values, min_size=1, max_size=6), st.booleans())
def test_fees_of_one_rate_are_exact(fills: list[Decimal], is_told: bool) -> None:
    ledger = FeeLedger()
    for done, value in enumerate(fills, start=1):
        printed = cut(sum(fills[:done], D(0)) * MAKER) if is_told else None
        ledger.book(fill("1", printed), value, INVERSE)
    assert ledger.paid == sum(fills, D(0)) * MAKER


def test_a_fill_that_took_liquidity_is_charged_as_such_whatever_is_printed() -> None:
    ledger = FeeLedger()
    assert ledger.book(fill("1", None, taker=True), D(1), INVERSE) == (TAKER, "BTC")
    assert FeeLedger().book(fill("1", D("0.00075")), D(1), INVERSE) == (TAKER, "BTC")


def test_a_buy_of_a_pair_pays_in_what_it_receives() -> None:
    ledger = FeeLedger()
    assert ledger.book(fill("2", None), D(16_000), PAIR) == (2 * MAKER, "BTC")
    assert ledger.book(fill("2", None, Side.SELL), D(16_000), PAIR) == (16_000 * MAKER, "USDT")
    assert ledger.worth(D(9000)) == 16_000 * MAKER + 2 * MAKER * 9000


@given(
    st.lists(st.tuples(values, st.booleans()), min_size=1, max_size=6),
    st.sampled_from([Rates(D("-0.00025"), D("0.00075")), Rates(D(0), D("0.0005"))]),
)
def test_fees_of_any_sign_are_booked_as_the_venue_charges_them(
    fills: list[tuple[Decimal, bool]], rates: Rates
) -> None:
    ledger, true = FeeLedger(), D(0)
    ledger.rates = rates
    for value, took in fills:
        true += value * (rates.taker if took else rates.maker)
        ledger.book(fill("1", cut(true), taker=took), value, INVERSE)
    assert ledger.paid == true
    assert ledger.contradiction == ""


def test_a_charge_is_no_rebate_of_the_same_size() -> None:
    ledger = FeeLedger()
    ledger.rates = Rates(D("-0.00025"), D("0.00075"))
    ledger.book(fill("1", D("0.00025")), D(1), INVERSE)
    assert ledger.paid == D("0.00025")


def test_of_more_orders_than_are_remembered_the_latest_goes_on() -> None:
    """What it was charged before, which no row has told, is not charged again."""
    ledger = FeeLedger()
    for number in range(REMEMBER + 1):
        each = fill("1", None)
        order = replace(each.order, client_oid=str(number))
        ledger.book(replace(each, order=order), D(1), INVERSE)
    paid = ledger.paid
    more = replace(order, filled=D(2), fee=D("0.0005"))
    ledger.book(Fill(side=Side.BUY, qty=D(1), before=order, order=more), D(1), INVERSE)
    assert ledger.paid - paid == D("0.00025")


def test_where_no_rate_is_a_rebate_the_sign_of_a_fee_tells_nothing() -> None:
    ledger = FeeLedger()
    ledger.book(fill("1", D("-0.01")), D(1), INVERSE)
    assert ledger.paid == D("0.01")


@pytest.mark.parametrize("printed", ["0.01", "0.0001", "0"])
def test_what_no_rate_explains_is_counted_as_printed(printed: str) -> None:
    ledger = FeeLedger()
    ledger.book(fill("1", D(printed)), D(1), INVERSE)
    assert ledger.paid == D(printed)
    assert "was expected" in ledger.contradiction


@pytest.mark.parametrize(
    ("instrument", "side", "before", "both"),
    [
        (INVERSE, Side.BUY, "80", "0.02"),
        (INVERSE, Side.SELL, "80", "0.02"),
        (PAIR, Side.BUY, "3", "5"),
        (PAIR, Side.SELL, "3", "40000"),
    ],
)
def test_an_order_that_had_filled_before_is_charged_on_all_of_it(
    instrument: Instrument, side: Side, before: str, both: str
) -> None:
    ledger = FeeLedger()
    each = fill("2", D(50_000), side)
    worth = D(16_000) if instrument is PAIR else D("0.01")
    had = replace(each.order, filled=D(before), fee=D("0.0001"))
    fee, _ = ledger.book(replace(each, before=had), worth, instrument)
    assert fee == D("49999.9999")
    shown = f"was charged 50000 on {D(both):.8f}, {50_000 / D(both):.6%}; 0.025% was expected"
    assert ledger.contradiction.endswith(shown)


@pytest.mark.parametrize("rate", ["0.00025", "-0.00025"])
def test_an_order_that_had_filled_before_is_charged_or_paid_a_rebate_for_the_rest(
    rate: str,
) -> None:
    ledger, each = FeeLedger(), fill("2", D(rate) * 2, Side.BUY)
    ledger.rates = Rates(D(rate), D("0.00075"))
    had = replace(each.order, filled=each.qty, fee=D(rate))
    fee, _ = ledger.book(replace(each, before=had), D(1), INVERSE)
    assert (fee, ledger.contradiction) == (D(rate), "")


# --- the balance ----------------------------------------------------------------------------------


def settle(
    ledger: BalanceLedger, total: str, at: float, *, realised: str = "0", fees: str = "0"
) -> list[Step]:
    """Show a balance once a second for 20 seconds; return what was booked."""
    found = [
        ledger.see(D(total), at + second, Explained(D(realised), D(fees))) for second in range(20)
    ]
    return [step for step in found if step]


@pytest.mark.parametrize(
    ("due", "change", "kind", "amount"),
    [
        ("-0.001", "-0.001", "funding", "-0.001"),
        ("-0.0010004", "-0.001001", "funding", "-0.0010004"),
        ("-0.001", "0.001", "funding", "0.001"),
        ("-0.001", "-0.00098", "funding", "-0.00098"),
        ("-0.001", "0.5", "unexplained", "0.5"),
    ],
)
def test_what_changes_the_balance_is_funding_where_it_was_due(
    due: str, change: str, kind: str, amount: str
) -> None:
    ledger = BalanceLedger()
    assert settle(ledger, "10", 0) == []
    ledger.predict((D(due),), 20)
    (step,) = settle(ledger, str(10 + D(change)), 20)
    assert (step.kind, step.amount) == (kind, D(amount))
    assert bool(step.detail) == (step.kind == "funding" and step.amount == -D(due))
    assert abs(ledger.residual) < D("0.000001")


@pytest.mark.parametrize("due", ["-0.001", "-0.000002"])
@pytest.mark.parametrize("paid_at", [20, 22, 27, 30])
@pytest.mark.parametrize("moved", [None, D(0)])
def test_funding_is_booked_once_the_balance_has_stayed_so_for_a_while(
    paid_at: int, due: str, moved: Decimal | None
) -> None:
    ledger = BalanceLedger()
    settle(ledger, "10", 0)
    ledger.predict((D(due),), 20)
    booked = []
    for now in range(20, 40):
        total = D(10) if now < paid_at else D(10) + D(due)
        if step := ledger.see(total, now, Explained(), moved):
            booked.append((now, step.kind))
    lasted = max(paid_at, 20 + LASTING_SECONDS) + LASTING_SECONDS
    assert booked == [(lasted, StepKind.FUNDING)]


@pytest.mark.parametrize("moved", ["0", "0.25"])
def test_what_is_no_funding_though_some_is_due_is_told_once_it_has_lasted(moved: str) -> None:
    ledger = BalanceLedger()
    settle(ledger, "10", 0)
    ledger.predict((D("-0.001"),), 20)
    steps = [(now, ledger.see(D("10.5"), now, Explained(), D(moved))) for now in range(20, 40)]
    ((booked_at, found),) = [(now, step) for now, step in steps if step]
    assert booked_at == 20 + 2 * LASTING_SECONDS + 1, "a look after the funding was given up"
    assert (found.kind, found.amount) == (StepKind.UNEXPLAINED, D("0.5"))


def test_funding_that_is_due_and_does_not_come_is_not_booked() -> None:
    ledger = BalanceLedger()
    settle(ledger, "10", 0)
    ledger.predict((D("-0.001"),), 20)
    assert settle(ledger, "10", 20) == []
    assert ledger.steps[StepKind.FUNDING] == 0


@pytest.mark.parametrize("realised", ["0.5", "-0.5"])
def test_a_balance_that_lags_behind_its_fill_is_no_step(realised: str) -> None:
    ledger = BalanceLedger()
    settle(ledger, "10", 0)
    fills = Explained(D(realised), D("0.1"))
    for second in range(3):
        assert ledger.see(D(10), 20 + second, fills) is None
        assert ledger.is_behind is (second < LAG_SECONDS)
    assert settle(ledger, str(10 + fills.total), 23, realised=realised, fees="0.1") == []
    assert (ledger.change, ledger.fills) == (fills.total, fills)
    assert ledger.residual == 0


def test_funding_is_booked_once_and_the_same_step_again_is_none() -> None:
    ledger = BalanceLedger()
    settle(ledger, "10", 0)
    ledger.predict((D("-0.001"),), 20)
    (first,) = settle(ledger, "9.999", 20)
    (second,) = settle(ledger, "9.998", 40)
    assert (first.kind, second.kind) == (StepKind.FUNDING, StepKind.UNEXPLAINED)


def test_a_transfer_while_funding_is_due_leaves_the_funding_to_be_booked() -> None:
    ledger = BalanceLedger()
    settle(ledger, "10", 0)
    ledger.predict((D("-0.001"),), 20)
    seen = [
        ledger.see(D("10.249"), 20 + second, Explained(), moved)
        for second, moved in enumerate([D("-0.25")] * 9 + [ZERO] * 15)
    ]
    kinds = [(step.kind, step.amount) for step in seen if step]
    assert kinds == [(StepKind.TRANSFERRED, D("0.25")), (StepKind.FUNDING, D("-0.001"))]


def test_a_balance_of_before_is_not_compared_again() -> None:
    ledger = BalanceLedger()
    settle(ledger, "10", 0)
    (step,) = settle(ledger, "11", 20)
    assert settle(ledger, "10", 0) == []
    assert (step.amount, ledger.total, ledger.residual) == (1, 11, 0)


@pytest.mark.parametrize(
    ("moved", "kind", "booked_at"),
    [
        ("-0.25", "transfer", 24),
        ("-0.2500009", "transfer", 24),
        ("-0.25001", "unexplained", 24),
        ("0.25", "unexplained", 24),
        ("0", "unexplained", 24),
        (None, "unexplained", 50),
    ],
)
def test_a_step_is_a_transfer_where_other_wallets_have_moved_as_much_the_other_way(
    moved: str | None, kind: str, booked_at: int
) -> None:
    ledger = BalanceLedger()
    settle(ledger, "10", 0)
    booked = []
    for now in range(20, 60):
        others = None if moved is None else D(moved)
        if step := ledger.see(D("10.25"), now, Explained(), others):
            booked.append((now, step.kind.value))
    assert booked == [(booked_at, kind)]
    assert abs(ledger.residual) < D("0.000002")


@pytest.mark.parametrize("are_wallets_known", [True, False])
@pytest.mark.parametrize(("shown_at", "lost"), [(20, "-0.4"), (23, "-0.4"), (20, "0")])
def test_what_a_liquidation_has_cost_is_booked_once_the_balance_shows_it(
    shown_at: int, lost: str, *, are_wallets_known: bool
) -> None:
    ledger = BalanceLedger()
    settle(ledger, "10", 0)
    ledger.expect_liquidation(20)
    moved = ZERO if are_wallets_known else None
    steps = [
        ledger.see(D(10) + (D(lost) if now >= shown_at else 0), now, Explained(), moved)
        for now in range(20, 60)
    ]
    (found,) = [step for step in steps if step]
    assert (found.kind, found.amount) == (StepKind.LIQUIDATION, D(lost))
    assert ledger.residual == 0
    after = FUNDING_SECONDS if lost == "0" else 2 * LASTING_SECONDS
    assert steps.index(found) == (after if are_wallets_known else max(after, WALLETS_SECONDS))


@pytest.mark.parametrize("is_long", [True, False])
def test_of_what_goes_without_a_fill_contracts_of_others_go_first(is_long: bool) -> None:
    """How much of a liquidation is this run's follows from it."""
    realised, leg = Realised(), Leg(qty=D(100), entry_price=D(8000))
    realised.begin(Position(long=leg) if is_long else Position(short=leg), INVERSE)
    side = Side.BUY if is_long else Side.SELL
    realised.book(fill("50", None, side), 50 / D(8000))
    for left, own in ((110, 0), (60, 0), (45, 5), (0, 45)):
        leg = Leg(qty=D(left), entry_price=D(8000))
        shown = Position(long=leg) if is_long else Position(short=leg)
        (change,) = realised.see(shown, INVERSE, D(8000))
        assert change.own == own


@pytest.mark.parametrize(("entry", "price"), [(8080, 8080), (80000, 8000), (800, 8000)])
def test_what_came_without_a_fill_is_valued_by_an_entry_price_only_if_that_can_be(
    entry: int, price: int
) -> None:
    """Else at the mark: an entry price ten times off would make a profit of nine tenths."""
    realised, mark = Realised(), D(8000)
    shown = Position(long=Leg(qty=D(100), entry_price=D(entry)))
    (came,) = realised.see(shown, INVERSE, mark)
    assert came.worth == 100 / D(price)
    realised.see(Position(), INVERSE, mark)
    assert realised.total == came.worth - 100 / mark


def test_without_a_mark_what_came_is_valued_by_its_entry_price_and_what_went_by_its_cost() -> None:
    realised = Realised()
    held = Position(long=Leg(qty=D(100), entry_price=D(8080)))
    (came,) = realised.see(held, INVERSE, None)
    assert came.worth == 100 / D(8080)
    (went,) = realised.see(Position(long=Leg(qty=D(75))), INVERSE, None)
    assert (went.qty, went.worth, realised.total) == (-25, came.worth / 4, 0)


@pytest.mark.parametrize("qty", [1, 2])
def test_a_single_contract_that_came_has_been_opened(qty: int) -> None:
    realised = Realised()
    (came,) = realised.see(Position(long=Leg(qty=D(qty))), INVERSE, D(8000))
    assert (came.qty, came.own, realised.net, realised.total) == (qty, 0, qty, 0)


def test_a_leg_of_before_without_an_entry_price_may_be_worth_anything() -> None:
    realised = Realised()
    realised.begin(Position(long=Leg(qty=D(100))), replace(INVERSE, mark_price=D(8000)))
    assert realised.unrealised(is_long=True, worth=100 / D(8000)) == (0, 100 / D(8000))


@pytest.mark.parametrize(("entry", "step"), [("8000", "1"), ("8000.00", "0.01"), ("8E+3", "1000")])
def test_a_leg_of_before_may_be_off_by_the_last_digit_of_its_entry_price(
    entry: str, step: str
) -> None:
    realised = Realised()
    realised.begin(Position(long=Leg(qty=D(100), entry_price=D(entry))), INVERSE)
    cost = 100 / D(8000)
    assert realised.unrealised(is_long=True, worth=cost) == (0, cost * D(step) / 8000)


@pytest.mark.parametrize("is_long", [True, False])
def test_what_is_closed_by_hand_takes_contracts_of_others_first(is_long: bool) -> None:
    realised, leg = Realised(), Leg(qty=D(100), entry_price=D(8000))
    realised.begin(Position(long=leg) if is_long else Position(short=leg), INVERSE)
    opening, closing = (Side.BUY, Side.SELL) if is_long else (Side.SELL, Side.BUY)
    realised.book(fill("50", None, opening), 50 / D(8000))
    for qty, own, left in (("90", 0, 60), ("20", 10, 40), ("70", 40, 0)):
        change = realised.book_by_hand(fill(qty, None, closing, close=True), D(qty) / 10_000)
        signed = -D(qty) if is_long else D(qty)
        assert (change.own, change.signed) == (own, signed)
        assert change.own_part == ((-own if is_long else own), own / D(10_000))
        assert realised.qty(is_long) == left
    gained = 150 / D(8000) - 150 / D(10_000)
    assert realised.by_hand == (gained if is_long else -gained)
    assert realised.total == 0


@pytest.mark.parametrize("is_long", [True, False])
def test_closing_a_part_of_an_earlier_position_realises_by_its_entry_price(is_long: bool) -> None:
    realised, leg = Realised(), Leg(qty=D(300), entry_price=D(8000))
    shown = Position(long=leg) if is_long else Position(short=leg)
    realised.begin(shown, INVERSE)
    side = Side.SELL if is_long else Side.BUY
    realised.book(fill("100", None, side, close=True), 100 / D(8400))
    gained = 100 / D(8000) - 100 / D(8400)
    assert abs(realised.total - (gained if is_long else -gained)) < D("1e-24")
    assert realised.net == (200 if is_long else -200)
