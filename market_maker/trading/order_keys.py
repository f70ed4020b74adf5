"""Wanted orders, from the mappings of a strategy: exact, and nothing of them dropped silently."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from math import isnan
from numbers import Rational
from typing import Any

from market_maker.decimals import exact, to_grid, to_lot
from market_maker.errors import InvalidOrder
from market_maker.models import Instrument, OrderRequest, Side

LARGEST = 10**15
"""Prices and quantities of a strategy must be below this."""
PLAIN = {"price", "orderQty", "side"}
"""The keys of most orders."""
NAMING = ("orderID", "clOrdID", "origClOrdID")
"""The keys that name an order; a new one is named by the bot."""
HARMLESS = {
    *NAMING,
    *("symbol", "text", "account", "currency", "settlCurrency", "exDestination", "cumQty"),
    *("leavesQty", "simpleLeavesQty", "simpleCumQty", "avgPx", "ordStatus", "ordRejReason"),
    *("workingIndicator", "triggered", "multiLegReportingType", "transactTime", "timestamp"),
}
"""Keys of the sample's orders that change nothing: a row of `get_orders()` has most of them."""
STOPS = {
    *("stop", "stoppx", "stopprice", "stoploss", "takeprofit", "trigger", "triggerprice"),
    *("trailvalue", "activationprice", "callbackrate", "pegoffsetvalue", "pegpricetype"),
    *("trailingstop", "trail", "oco", "tp", "sl", "takeprofitprice", "stoplossprice"),
}
"""Keys of orders that wait for a price, which GTE does not have; as `_plain()` has them."""
NOT_HERE = STOPS | {
    *("displayqty", "visibleqty", "icebergqty", "maxshow", "simpleorderqty", "closeposition"),
    *("contingencytype", "clordlinkid", "positionside", "posside", "goodtilldate", "expiretime"),
    *("positioneffect", "ttl", "expireat", "minqty", "hiddensize", "maxfloor"),
}
"""Keys that change what an order does, and that GTE has nothing for."""
NO_STOPS = "cannot be had: GTE has no stop orders; MAX_LOSS or self.halt() ends a run instead"
TYPES, TIMES = {"ordtype", "ordertype", "type"}, {"timeinforce", "tif"}
FLAGS = {
    "reduceonly": "reduce_only",
    "isreduceonly": "reduce_only",
    "close": "reduce_only",
    "closeonly": "reduce_only",
    "closeflag": "reduce_only",
    **dict.fromkeys(("isreduce", "closing"), "reduce_only"),
    **dict.fromkeys(("makeronly", "nontaker"), "post_only"),
    "postonly": "post_only",
    "ispostonly": "post_only",
    **dict.fromkeys(
        ("hidden", "ishidden", "iceberg", "ioc", "fok", "gtd", "fillorkill", "immediate"), ""
    ),
}
"""Keys that are true or false: what of an `OrderRequest` they set; empty for what cannot be had."""
EXACT = PLAIN | {"qty"}
"""Keys that are read as they are written here."""
ACTING = {
    *(*EXACT, "execInst", "ordType", "timeInForce", "reduceOnly", "postOnly"),
    *("stopPx", "triggerPrice", "displayQty", "simpleOrderQty", "clOrdLinkID", "pegPriceType"),
}
"""The keys that a misspelt one may have been meant for: those that do something."""
YES, NO = {"true", "yes", "on", "1"}, {"false", "no", "off", "0", "none", ""}
INSTRUCTIONS = {
    "ParticipateDoNotInitiate": {"post_only": True},
    "ReduceOnly": {"reduce_only": True},
    "Close": {"reduce_only": True},
}
"""The words of execInst that are obeyed."""

Given = Iterable[Mapping[str, Any]]
"""Orders as a strategy gives them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A wanted order: exact, and its price and quantity as the strategy gave them."""

    request: OrderRequest
    given: tuple[Decimal, Decimal]


def asked_of(order: object, side: Side | None, instrument: Instrument) -> Asked:
    """Return a strategy's order with its price to the nearest tick and its size down to the lot.

    `side` is the side that the order must have; None takes the order's own. Raises InvalidOrder for
    a missing or impossible price, quantity or side, and for a key that GTE cannot obey.
    """
    side = side_of(order, side)
    assert isinstance(order, Mapping)
    more = {} if order.keys() <= PLAIN else _instructions(order, instrument.symbol)
    price = _positive(order, "price")
    if "qty" in order and order.get("orderQty", order["qty"]) != order["qty"]:
        raise InvalidOrder(f"{dict(order)}: qty and orderQty are two quantities: give one of them")
    qty = _positive(order, "qty" if "qty" in order and "orderQty" not in order else "orderQty")
    asked = _on_grid(side, price, qty, instrument.tick, instrument.lot)
    return replace(asked, request=replace(asked.request, **more)) if more else asked


@lru_cache(maxsize=4096, typed=True)
def _on_grid(
    side: Side, price: Decimal | float, qty: Decimal | float, tick: Decimal, lot: Decimal
) -> Asked:
    """Return the order exactly. A ladder that stands asks for the same ones every tick.

    It is remembered by type too: 0.3 and Decimal(0.3), which is less, are equal.
    """
    request = OrderRequest(side=side, price=to_grid(price, tick), qty=to_lot(qty, lot))
    return Asked(request, (exact(price), exact(qty)))


def listed(orders: Given) -> list[Mapping[str, Any]]:
    """Return the orders that a strategy has given. Raises InvalidOrder for what is no list."""
    if isinstance(orders, str | Mapping) or not isinstance(orders, Iterable):
        raise InvalidOrder(f"a list of orders is wanted, not {orders!r}")
    return list(orders)


def side_of(order: object, wanted: Side | None = None) -> Side:
    """Return the side of a strategy's order. Raises InvalidOrder for a missing or another one."""
    if not isinstance(order, Mapping):
        raise InvalidOrder(f"{order!r} is not a mapping with price, orderQty and side")
    given = order.get("side") or (wanted.value if wanted else "missing")
    if wanted and given == wanted.value:
        return wanted
    named = str(given.value if isinstance(given, Enum) else given).capitalize()
    if named not in ("Buy", "Sell"):
        raise InvalidOrder(f"{dict(order)}: side must be Buy or Sell")
    if wanted and named != wanted.value:
        raise InvalidOrder(f"{dict(order)} is among the {wanted.value} orders")
    return Side(named)


def _instructions(order: Mapping[str, Any], symbol: str) -> dict[str, Any]:
    """Return what else an order asks for. Raises InvalidOrder for what GTE does not have.

    Keys that ask for something are known however they are written: reduceOnly, reduce_only. One
    that looks like a misspelt one is refused; others are the strategy's own and change nothing.
    """
    found: dict[str, Any] = {}
    for key, value in order.items():
        try:
            found |= _asked(str(key), value, symbol)
        except ValueError as error:
            raise InvalidOrder(f"{dict(order)}: {key} {value!r} {error}") from None
        except (TypeError, ArithmeticError):  # a value that is neither true nor false
            raise InvalidOrder(f"{dict(order)}: {key} {value!r} is not understood") from None
    return found


def _asked(key: str, value: object, symbol: str) -> dict[str, Any]:
    """Return what one key asks for. Raises ValueError with the reason for what cannot be had."""
    name = _plain(key)
    if name in FLAGS:
        return _flag(FLAGS[name], value)
    if name == "execinst":
        return _instructed(value)
    if name in TYPES and _plain(value or "limit") == "limit":
        return {}
    if name in TYPES:
        is_stop = any(word in _plain(value) for word in ("stop", "touched", "trail"))
        raise ValueError(NO_STOPS if is_stop else "cannot be had: GTE has limit orders only")
    if name in NOT_HERE and value is not None and value != "":
        raise ValueError(NO_STOPS if name in STOPS else "cannot be had: GTE has no such thing")
    if name in TIMES and _plain(value or "gtc") not in ("goodtillcancel", "gtc"):
        raise ValueError("cannot be had: every order of GTE is good till cancelled")
    if name == "symbol" and (value or symbol) != symbol:
        raise ValueError(f"is not {symbol}, which this bot trades")
    is_known = key in EXACT or name in NOT_HERE | TIMES | {each.lower() for each in HARMLESS}
    if not is_known and (advice := _advice(name)):
        raise ValueError(f"is not known: {advice}")
    return {}


def _instructed(value: object) -> dict[str, Any]:
    """Return what execInst asks for: text with commas between words, or words in a collection."""
    given = [value] if isinstance(value, str) or not isinstance(value, Iterable) else value
    words = {word.strip() for each in given for word in str(each or "").split(",")} - {""}
    if odd := sorted(words - INSTRUCTIONS.keys()):
        raise ValueError(f"cannot be had: {odd[0]} is not one of {', '.join(INSTRUCTIONS)}")
    return {key: asked for word in words for key, asked in INSTRUCTIONS[word].items()}


def _advice(name: str) -> str:
    """Return what a key was probably meant to be; empty for one that is like no other."""
    if name in ("leverage", "lever"):
        return "leverage is the symbol's; exchange.bitmex.isolate_margin(symbol, leverage) sets it"
    names = {_plain(each): each for each in sorted(ACTING)}
    near = difflib.get_close_matches(name, names, 1, cutoff=0.8)
    return f"did you mean {names[near[0]]}?" if near else ""


def _flag(field: str, value: object) -> dict[str, Any]:
    """Return what a key that is true or false asks for: a bool, a number, or such a word."""
    is_number = isinstance(value, int | float | Decimal) and not isnan(value)
    word = str(bool(value) if is_number else value).strip().lower()
    if word not in YES | NO:
        raise ValueError("must be True or False")
    if word in YES and not field:
        raise ValueError("cannot be had: GTE shows every order, good till cancelled")
    return {field: True} if word in YES else {}


def _plain(word: object) -> str:
    """Return a key or word of the family without its spelling: ordtype for ord_type or ordType."""
    return re.sub("[^a-z0-9]", "", str(word).lower())


def _positive(order: Mapping[str, Any], name: str) -> Decimal | float:
    found = order.get(name)
    if type(found) is not float and type(found) is not int:
        found = number(found)
    if found is not None and 0 < found < LARGEST:
        return found
    raise InvalidOrder(f"{dict(order)}: {name} must be a number above zero and below 1e15")


def number(given: object) -> Decimal | float | None:
    """Return a number of any kind: Decimal, Fraction, numpy's, digits in text; None for another."""
    if isinstance(given, bool) or (isinstance(given, Decimal) and given.is_nan()):
        return None
    if isinstance(given, int | float | Decimal):
        return given
    item: Callable[[], object] | None = getattr(given, "item", None)
    if callable(item) and getattr(given, "ndim", 0) == 0:
        return number(item())  # a scalar of numpy
    if isinstance(given, Rational):
        return Decimal(int(given.numerator)) / Decimal(int(given.denominator))
    try:
        found = Decimal(given) if isinstance(given, str) else None
    except ArithmeticError:
        return None
    return None if found is None or found.is_nan() else found
