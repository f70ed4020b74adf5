"""A topic of the feed: one table of one instrument, or of all symbols of an area."""

from typing import Any, NamedTuple

from market_maker.paper.exchange.errors import ApiError, Code
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.instrument import CONTRACT, Key

PUBLIC = {"instrument", "trade", "order_book"}
PRIVATE = {"order", "execution", "position", "margin"}


class Topic(NamedTuple):
    """What a client subscribes to; an empty `symbol` is all symbols of the area."""

    kind: str
    table: str
    area: str
    symbol: str

    @property
    def key(self) -> Key:
        """Return the instrument of a topic that names its symbol."""
        return Key(self.kind, self.area, self.symbol)


def topic_of(key: Key, table: str) -> Topic:
    """Return the topic of a table of one instrument."""
    return Topic(key.kind, table, key.area, key.symbol)


def read_topic(args: dict[str, Any], exchange: Exchange, *, authenticated: bool) -> Topic:
    """Return the topic that the `args` of a message name; raise ApiError if it is not allowed."""
    names = ("instrument_type", "table", ("settle_currency", "asset"), "symbol")
    values: list[str] = []
    for name in names:
        value = args.get(name) if isinstance(name, str) else _first_given(args, *name)
        if value is not None and not isinstance(value, str):
            raise ApiError(Code.PARAM_TYPE, str(name))
        values.append(value or "")
    topic = Topic(*values)
    if topic.table == "margin":
        topic = topic._replace(symbol="")
    _check_access(topic, authenticated)
    if topic.symbol:
        exchange.listing(topic.key)
    elif not any(key[:2] == (topic.kind, topic.area) for key in exchange.listings):
        raise ApiError(Code.UNKNOWN_ASSET, "settle_currency")
    return topic


def _check_access(topic: Topic, authenticated: bool) -> None:
    if topic.table not in PUBLIC | PRIVATE:
        raise ApiError(Code.PARAM_VALUE, "table")
    if topic.table in PRIVATE and not authenticated:
        raise ApiError(Code.NOT_AUTHENTICATED)
    if topic.table in PUBLIC and not topic.symbol:
        raise ApiError(Code.PARAM_EMPTY, "symbol")
    if topic.table in PRIVATE and topic.kind != CONTRACT:
        raise ApiError(Code.PARAM_VALUE, "instrument_type")


def _first_given(args: dict[str, Any], *names: str) -> object:
    return next((args[name] for name in names if args.get(name)), None)
