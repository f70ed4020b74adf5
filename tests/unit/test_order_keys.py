"""The keys of a strategy's order: obeyed, harmless, or refused with the reason and the way out."""

import re
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

import pytest

from market_maker.errors import InvalidOrder
from market_maker.models import Instrument, OrderRequest, Side
from market_maker.trading.order_keys import asked_of

INSTRUMENT = Instrument(
    instrument_type="pc", settle_currency="BTC", symbol="BTC_USD", tick=Decimal("0.5")
)


def asked(**keys: Any) -> OrderRequest:
    order = {"side": "Buy", "orderQty": 10, "price": 8400} | keys
    return asked_of(order, None, INSTRUMENT).request


@pytest.mark.parametrize(
    ("words", "post_only", "reduce_only"),
    [
        (None, False, False),
        ("", False, False),
        ([], False, False),
        ("ParticipateDoNotInitiate, ReduceOnly", True, True),
        (["ParticipateDoNotInitiate", "ReduceOnly"], True, True),
        (("Close",), False, True),
        ({"ReduceOnly"}, False, True),
        (frozenset(["ParticipateDoNotInitiate,Close"]), True, True),
    ],
)
def test_instructions_are_read_from_text_and_from_collections(
    words: Any, post_only: bool, reduce_only: bool
) -> None:
    found = asked(execInst=words)
    assert (found.post_only, found.reduce_only) == (post_only, reduce_only)


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("execInst", ["ReduceOnly", "MarkPrice"], "MarkPrice is not one of Participate"),
        ("execInst", {"Fixed"}, "Fixed is not one of Participate"),
        ("execInst", 5, "5 is not one of Participate"),
        ("triger_price", 8500, "triger_price 8500 is not known: did you mean triggerPrice?"),
        ("leverage", 10, "isolate_margin(symbol, leverage) sets it"),
        ("Price", 8300, "Price 8300 is not known: did you mean price?"),
        ("order_qty", 5, "did you mean orderQty?"),
        ("reduceOnyl", True, "did you mean reduceOnly?"),
        ("qty", 11, "qty and orderQty are two quantities"),
        ("symbol", "XBTUSD", "is not BTC_USD, which this bot trades"),
    ],
)
def test_what_is_not_understood_is_refused_with_the_way_out(key: str, value: Any, why: str) -> None:
    with pytest.raises(InvalidOrder, match=re.escape(why)):
        asked(**{key: value})


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        ({"makerOnly": True}, "post_only"),
        ({"non_taker": "true"}, "post_only"),
        ({"is_reduce": True}, "reduce_only"),
    ],
)
def test_other_words_for_a_flag_are_obeyed(keys: dict[str, Any], field: str) -> None:
    assert getattr(asked(**keys), field)


@pytest.mark.parametrize(
    "key", ["fillOrKill", "trailing_stop", "ttl", "minQty", "oco", "tp", "sl", "hidden_size"]
)
def test_what_gte_has_nothing_for_is_refused_by_any_of_its_words(key: str) -> None:
    with pytest.raises(InvalidOrder, match="cannot be had"):
        asked(**{key: 1})


@pytest.mark.parametrize("kind", [Enum, StrEnum])
def test_a_side_may_be_an_enum(kind: Any) -> None:
    assert asked(side=kind("Side", {"BUY": "Buy"}).BUY).side is Side.BUY


@pytest.mark.parametrize(
    "keys",
    [
        {"clOrdID": "mine-1", "text": "mine", "symbol": "BTC_USD", "account": 1},
        {"symbol": None, "qty": 10, "ordType": "Limit", "timeInForce": "GoodTillCancel"},
        {"stopPx": None, "pegPriceType": "", "contingencyType": "", "clOrdLinkID": ""},
        {
            "level": 3,
            **{"size": 5, "amount": 7, "status": "mine", "position": 1, "raw_price": 8400.1},
            "zzz": 1,
            "note": "mine",
            "reason": "skew",
            "tag": 7,
            "index": -1,
        },
        {"ordStatus": "New", "workingIndicator": True, "transactTime": "2026-01-01T00:00:00Z"},
    ],
)
def test_what_changes_nothing_in_the_family_is_accepted(keys: dict[str, Any]) -> None:
    assert asked(**keys) == asked()
