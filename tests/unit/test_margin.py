"""What orders bind, and where positions are liquidated: to the unit as on the paper exchange."""

from decimal import ROUND_DOWN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.models import Instrument, OrderRequest, Side
from market_maker.money import (
    Leverage,
    Stake,
    bound,
    liquidation_price,
    margin_left,
    order_margin,
    value,
)
from market_maker.paper.exchange import account as paper
from market_maker.paper.exchange.ledger import Ledger

QTY = st.integers(1, 10**7)
PRICE = st.integers(1, 10**8).map(lambda ticks: ticks * Decimal("0.05"))
FACE = st.sampled_from([Decimal(1), Decimal(10), Decimal("0.1")])
LEVERAGE = st.integers(100, 10_000).map(lambda hundredths: Decimal(hundredths) / 100)


def contract(face: Decimal = Decimal(1)) -> Instrument:
    return Instrument(
        instrument_type="pc",
        settle_currency="BTC",
        symbol="BTC_USD",
        tick=Decimal("0.05"),
        face_value=face,
    )


def an_order(side: Side, qty: Decimal, price: Decimal, *, close: bool = False) -> OrderRequest:
    return OrderRequest(side=side, price=price, qty=qty, close=close)


@given(QTY, PRICE, FACE, LEVERAGE, st.sampled_from(Side))
def test_an_opening_order_binds_what_the_paper_exchange_binds(
    qty: int, price: Decimal, face: Decimal, leverage: Decimal, side: Side
) -> None:
    order, other = an_order(side, Decimal(qty), price), Decimal(7)
    is_buy = side is Side.BUY
    of_both = Leverage(leverage, other) if is_buy else Leverage(other, leverage)
    ours = order_margin(contract(face), order, of_both)
    assert ours == paper.order_margin(qty=qty, face=face, price=price, leverage=leverage)


def test_a_closing_order_binds_nothing_and_a_pair_binds_what_it_pays_with() -> None:
    leverage = Leverage(Decimal(10), Decimal(10))
    order = an_order(Side.SELL, Decimal(100), Decimal(8500), close=True)
    assert order_margin(contract(), order, leverage) == 0
    pair = Instrument(
        instrument_type="bb", settle_currency="USDT", symbol="BTC/USDT", tick=Decimal("0.01")
    )
    buy = an_order(Side.BUY, Decimal("0.3"), Decimal("8500.01"))
    sell = an_order(Side.SELL, Decimal("0.2"), Decimal("8600"))
    assert bound(pair, [buy, sell], leverage) == {
        "USDT": Decimal("2550.003"),
        "BTC": Decimal("0.2"),
    }


@pytest.mark.parametrize(
    ("qty", "price", "leverage", "margin"),
    [(100, "8448", 10, "0.001201"), (1, "8500", 100, "0.000001"), (5117, "7310.5", 1, "0.701002")],
)
def test_the_margin_by_hand(qty: int, price: str, leverage: int, margin: str) -> None:
    """For instance 100 / 8448 * (1 / 10 + 0.0015) = 0.00120147, cut down."""
    of_both = Leverage(Decimal(leverage), Decimal(leverage))
    order = an_order(Side.BUY, Decimal(qty), Decimal(price))
    assert order_margin(contract(), order, of_both) == Decimal(margin)


@given(QTY, PRICE, LEVERAGE, st.booleans())
def test_a_leg_is_liquidated_where_the_paper_exchange_does_it(
    qty: int, price: Decimal, leverage: Decimal, is_long: bool
) -> None:
    cost = value(contract(), Decimal(qty), price)
    leg = Stake(is_long=is_long, qty=Decimal(qty), cost=cost, margin=cost / leverage)
    theirs = paper.Leg(long=is_long, qty=qty, cost=cost, margin=cost / leverage)
    there = theirs.price_at(face=Decimal(1), ratio=paper.LIQUIDATION)
    here = liquidation_price(contract(), [leg])
    if not there:
        assert here is None
        return
    assert here is not None
    assert abs(here / there - 1) < Decimal("1e-20")
    assert abs(margin_left(contract(), leg, here) - leg.margin) <= leg.margin * Decimal("1e-15")


@given(
    st.integers(0, 10**5),
    st.integers(0, 10**5),
    st.integers(2000, 20_000).map(Decimal),
    st.integers(2000, 20_000).map(Decimal),
    st.decimals("0.5", "50", places=4),
)
def test_crossed_legs_are_liquidated_together_where_the_paper_exchange_does_it(
    long: int, short: int, bought: Decimal, sold: Decimal, balance: Decimal
) -> None:
    legs = [
        Stake(is_long=True, qty=Decimal(long), cost=value(contract(), Decimal(long), bought)),
        Stake(is_long=False, qty=Decimal(short), cost=value(contract(), Decimal(short), sold)),
    ]
    found = liquidation_price(contract(), legs, balance)
    if found is None or not Decimal(1) < found < Decimal(10**6):
        return
    ledger = Ledger()
    account = ledger.open_account("somebody", paper.Mode.CROSS)
    ledger.deposit("somebody", paper.Wallet.CONTRACT, "BTC", balance)
    for leg in legs:
        theirs = account.leg(paper.LegKey("BTC", "BTC_USD", leg.is_long))
        theirs.qty, theirs.cost = int(leg.qty), leg.cost
    name = paper.Contract("BTC", "BTC_USD")
    is_due = [
        bool(account.liquidatable({name: 1 / (found * factor)}))
        for factor in (Decimal("0.99999"), Decimal("1.00001"))
    ]
    assert sorted(is_due) == [False, True]


def test_the_price_by_hand() -> None:
    """1000 at 8000, 10 times: (0.125 + 0.0125) / 1000 a contract less 0.575 % is 7314.5...

    1000 * 1.00575 / (0.125 + 0.0125).
    """
    leg = Stake(is_long=True, qty=Decimal(1000), cost=Decimal("0.125"), margin=Decimal("0.0125"))
    found = liquidation_price(contract(), [leg])
    assert found is not None
    assert found.quantize(Decimal("0.01"), ROUND_DOWN) == Decimal("7314.54")
    short = Stake(is_long=False, qty=Decimal(1000), cost=Decimal("0.125"), margin=Decimal("0.125"))
    assert liquidation_price(contract(), [short]) is None, "at leverage 1 a short cannot be"
