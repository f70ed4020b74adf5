"""The wire: which text is a number, and that a level's id and its price are one."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from conftest import account
from hypothesis import given
from hypothesis import strategies as st

from market_maker.errors import BadData
from market_maker.models import OrderRequest, OrderState, Side
from market_maker.wire import fields, protocol

GRAMMAR = re.compile(r"-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,18})?", re.ASCII)
symbols = st.text(alphabet="0123456789.-+eE_ \uff11NaInf", max_size=25)


@given(symbols | st.decimals(allow_nan=True).map(str) | st.floats().map(repr))
def test_a_text_is_a_number_when_it_fits_the_grammar_and_never_else(text: str) -> None:
    if GRAMMAR.fullmatch(text):
        number = fields.number({"qty": text}, "qty")
        assert number == Decimal(text)
        assert number.is_finite()
    else:
        with pytest.raises(BadData):
            fields.number({"qty": text}, "qty")


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.lists(st.text()))
def test_what_is_no_text_is_no_number(value: object) -> None:
    with pytest.raises(BadData):
        fields.number({"qty": value}, "qty")


@given(
    st.integers(1, 999),
    st.integers(1, 10**7),
    st.sampled_from(["0.5", "0.05", "0.01", "0.00000001", "2.5"]),
    st.integers(-3, 3),
)
def test_the_id_of_a_level_fits_its_own_price_alone(
    symbol_id: int, ticks: int, tick: str, off: int
) -> None:
    instrument = {"symbol_id": str(symbol_id), "tick_size": tick}
    price = ticks * Decimal(tick)
    row = {"id": str(10**8 * symbol_id - ticks + off), "price": f"{price:f}"}
    rule = protocol.id_rule(instrument)
    assert rule
    assert protocol.id_fits(row, rule) is (off == 0)


@pytest.mark.parametrize(
    "changed",
    [
        {"client_oid": ["x"]},
        {"client_oid": 7},
        {"close_flag": 1},
        {"close_flag": "2"},
        {"close_flag": None},
        {"filled_qty": "41"},
        {"order_id": "1x"},
    ],
)
def test_a_row_of_an_order_with_an_odd_field_is_refused(changed: dict[str, object]) -> None:
    row = {
        **{"symbol": "BTC_USD", "order_id": "1", "client_oid": None, "side": "1"},
        **{"close_flag": "0", "price": "7250.5", "qty": "40", "filled_qty": "0", "status": "2"},
    }
    assert protocol.parse_order(row).client_oid == ""
    with pytest.raises(BadData):
        protocol.parse_order(row | changed)


ORDER = {
    **{"symbol": "BTC_USD", "order_id": "1", "price": "7250.5", "qty": "40"},
    **{"filled_qty": "0", "status": "2"},
}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *(("1", OrderState.OPEN), ("2", OrderState.OPEN), ("4", OrderState.CANCELLING)),
        *(("8", OrderState.DONE), ("16", OrderState.OPEN), ("32", OrderState.DONE)),
        *(("64", OrderState.OPEN), ("x", OrderState.OPEN)),
    ],
)
def test_an_order_has_ended_only_by_a_status_that_says_so(status: str, state: OrderState) -> None:
    assert protocol.parse_order(ORDER | {"side": "1", "status": status}).state is state


@pytest.mark.parametrize("name", ["side", "bid_flag"])
def test_a_side_is_known_by_either_name(name: str) -> None:
    assert protocol.parse_order(ORDER | {name: "1"}).side is Side.BUY
    assert protocol.parse_order(ORDER | {name: "0"}).side is Side.SELL
    for odd in (ORDER, ORDER | {name: "2"}):
        with pytest.raises(BadData):
            protocol.parse_order(odd)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("reduce_only", [False, True])
def test_an_order_asks_for_its_side_and_its_leg(side: Side, close: bool, reduce_only: bool) -> None:
    request = OrderRequest(
        side=side, price=Decimal(8000), qty=Decimal(1), close=close, reduce_only=reduce_only
    )
    contract = account(base_url="", symbol="BTC_USD", settle_currency="BTC")
    params = protocol.order_params(request, contract)
    assert params["side"] == {Side.BUY: "1", Side.SELL: "0"}[side]
    assert params["close_flag"] == {True: "1", False: "0"}[close]
    pair = replace(contract, symbol="BTC/USDT", settle_currency="USDT", instrument_type="bb")
    assert "close_flag" not in protocol.order_params(request, pair)


NO_PRICE = pytest.mark.parametrize("value", [None, "", "0", "-1", 8000, "NaN", "1E-7"])
INSTRUMENT = {"settle_currency": "BTC", "symbol": "BTC_USD", "tick_size": "0.5", "lot_size": "1"}


@pytest.mark.parametrize("name", ["tick_size", "lot_size"])
@NO_PRICE
def test_an_instrument_with_a_grid_that_is_none_is_refused(name: str, value: object) -> None:
    assert protocol.parse_instrument(INSTRUMENT, "pc").tick == Decimal("0.5")
    with pytest.raises(BadData):
        protocol.parse_instrument(INSTRUMENT | {name: value}, "pc")


@pytest.mark.parametrize("name", protocol.PRICES)
@NO_PRICE
def test_a_price_that_is_none_is_unknown_and_spoils_no_other(name: str, value: object) -> None:
    row = INSTRUMENT | dict.fromkeys(protocol.PRICES, "8000")
    parsed = protocol.parse_instrument(row | {name: value, "funding_rate": value}, "pc")
    shown = {price: getattr(parsed, price) for price in protocol.PRICES}
    assert shown == dict.fromkeys(protocol.PRICES, 8000) | {name: None}


# --- text that is not what it seems -------------------------------------------------------------

EVIL = ["\x1b[31mred", "a\nb", "a\r\x00", "x" * 500, "\u202egnp", "\x9b2J"]
ROW = {
    **{"symbol": "BTC_USD", "asset": "BTC", "side": "1", "status": "2", "order_id": "1"},
    **{"price": "8000", "qty": "1", "filled_qty": "0", "client_oid": "mm_1"},
}


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("name", ["status", "order_id", "client_oid", "price", "side"])
def test_no_row_of_an_order_brings_control_characters_in(name: str, evil: str) -> None:
    try:
        order = protocol.parse_order(ROW | {name: evil})
    except BadData as error:
        shown = str(error)
    else:
        shown = f"{order.full} {order}"
    assert shown.isprintable()
    assert shown.isascii()
    assert len(shown) <= 400


@pytest.mark.parametrize("evil", EVIL)
def test_an_odd_client_oid_is_nobody_s(evil: object) -> None:
    order = protocol.parse_order(ROW | {"client_oid": evil})
    assert order.client_oid
    assert not order.client_oid.startswith("mm_")


@pytest.mark.parametrize("evil", EVIL)
def test_no_account_or_instrument_brings_control_characters_in(evil: str) -> None:
    margin = {"asset": evil, "total": "1", "available": "1"}
    with pytest.raises(BadData) as raised:
        protocol.parse_margin(margin)
    assert str(raised.value).isprintable()
    row = {"symbol": evil, "asset": "BTC", "tick_size": "0.5"}
    with pytest.raises(BadData) as raised:
        protocol.parse_instrument(row, "pc")
    assert str(raised.value).isprintable()
