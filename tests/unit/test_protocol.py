"""The wire: which text is a number, and that a level's id and its price are one."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.errors import BadData
from market_maker.wire import protocol

GRAMMAR = re.compile(r"-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,18})?", re.ASCII)
symbols = st.text(alphabet="0123456789.-+eE_ \uff11NaInf", max_size=25)


@given(symbols | st.decimals(allow_nan=True).map(str) | st.floats().map(repr))
def test_a_text_is_a_number_when_it_fits_the_grammar_and_never_else(text: str) -> None:
    if GRAMMAR.fullmatch(text):
        number = protocol.number({"qty": text}, "qty")
        assert number == Decimal(text)
        assert number.is_finite()
    else:
        with pytest.raises(BadData):
            protocol.number({"qty": text}, "qty")


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.lists(st.text()))
def test_what_is_no_text_is_no_number(value: object) -> None:
    with pytest.raises(BadData):
        protocol.number({"qty": value}, "qty")


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
