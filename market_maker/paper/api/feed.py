"""The feed: who has subscribed to what, and the frames each of them gets."""

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from market_maker.paper.api.auth import Auth
from market_maker.paper.api.rows import (
    Row,
    book_row,
    book_rows,
    dump,
    execution_row,
    margin_row,
    place,
    position_row,
    pushed_instrument_row,
    pushed_order_row,
    text,
    trade_row,
)
from market_maker.paper.exchange.account import LegKey
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.errors import ApiError, Code
from market_maker.paper.exchange.events import (
    Action,
    BookChanged,
    Event,
    Executed,
    InstrumentChanged,
    LegChanged,
    MarginChanged,
    OrderChanged,
    Traded,
)
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.instrument import CONTRACT, Key

PUBLIC = {"instrument", "trade", "order_book"}
PRIVATE = {"order", "execution", "position", "margin"}

BOOK_ORDER = (Action.DELETE, Action.UPDATE, Action.INSERT)
"""Levels go before new ones come, so that no reader sees a book crossed in between."""
MAX_ECHO = 2_000  # characters of a message that its answer repeats


class Topic(NamedTuple):
    """One subscription; an empty `symbol` is all symbols of the area."""

    kind: str
    table: str
    area: str
    symbol: str

    @property
    def key(self) -> Key:
        """Return the instrument of a topic that names its symbol."""
        return Key(self.kind, self.area, self.symbol)


class Session:
    """One connection. It never decides when its frames go out; `send` does that."""

    def __init__(self, send: Callable[[str, str], None]) -> None:
        self.send = send  # a frame, and the table it is about
        self.owner = ""
        self.topics: dict[Topic, None] = {}
        self.shown: dict[Key, Row] = {}  # instrument rows as this client knows them

    def hears(self, owner: str, topic: Topic) -> bool:
        """Return whether a frame on this topic is for this connection."""
        if owner and owner != self.owner:
            return False
        return topic in self.topics or topic._replace(symbol="") in self.topics


class Feed:
    """Turns what changed into frames, once, and hands each to those who subscribed."""

    def __init__(self, exchange: Exchange, auth: Auth) -> None:
        self._exchange = exchange
        self._auth = auth
        self.sessions: dict[Session, None] = {}  # in order of arrival

    # Messages of a client

    def receive(self, session: Session, message: str, now: int) -> None:
        """Answer one message."""
        try:
            request = json.loads(message)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            session.send(_status(Code.PARAM_TYPE, message), "status")
            return
        if request.get("op") == "ping":
            session.send('{"op":"pong"}', "pong")
            return
        try:
            topic = self._act(session, request, now)
        except ApiError as refusal:
            session.send(_status(refusal.code, message), "status")
            return
        session.send(_status(0, message), "status")
        if topic:
            self._first_image(session, topic, now)

    def _act(self, session: Session, request: dict[str, Any], now: int) -> Topic | None:
        args = request.get("args")
        if not isinstance(args, dict):
            raise ApiError(Code.PARAM_TYPE, "args")
        match request.get("op"):
            case "auth_key_expires":
                session.owner = self._auth.authenticate_socket(args, now).owner
                return None
            case "sub":
                topic = self._topic(session, args)
                if topic in session.topics:
                    raise ApiError(Code.ALREADY_SUBSCRIBED)
                session.topics[topic] = None
                return topic
            case "unsub":
                session.topics.pop(self._topic(session, args), None)
                return None
            case _:
                raise ApiError(Code.PARAM_VALUE, "op")

    def _topic(self, session: Session, args: dict[str, Any]) -> Topic:
        names = ("instrument_type", "table", ("settle_currency", "asset"), "symbol")
        values: list[str] = []
        for name in names:
            value = args.get(name) if isinstance(name, str) else _either(args, *name)
            if value is not None and not isinstance(value, str):
                raise ApiError(Code.PARAM_TYPE, str(name))
            values.append(value or "")
        topic = Topic(*values)
        if topic.table == "margin":
            topic = topic._replace(symbol="")
        if topic.table not in PUBLIC | PRIVATE:
            raise ApiError(Code.PARAM_VALUE, "table")
        if topic.table in PRIVATE and not session.owner:
            raise ApiError(Code.NOT_AUTHENTICATED)
        if topic.table in PUBLIC and not topic.symbol:
            raise ApiError(Code.PARAM_EMPTY, "symbol")
        if topic.table in PRIVATE and topic.kind != CONTRACT:
            raise ApiError(Code.PARAM_VALUE, "instrument_type")
        if topic.symbol:
            self._exchange.listing(Key(topic.kind, topic.area, topic.symbol))
        elif not any(key[:2] == (topic.kind, topic.area) for key in self._exchange.listings):
            raise ApiError(Code.UNKNOWN_ASSET, "settle_currency")
        return topic

    def _first_image(self, session: Session, topic: Topic, now: int) -> None:
        """Send the whole table; `trade` and `execution` only tell of what is to come."""
        rows: list[Row] = []
        more: dict[str, list[str]] = {}
        match topic.table:
            case "instrument":
                rows = [self._instrument(topic.key, now)]
                session.shown[topic.key] = rows[0]
                more = {"key": list(rows[0])}
            case "order_book":
                rows = book_rows(self._exchange.listing(topic.key))
            case "order" | "position" | "margin":
                rows = self._rows(session.owner, topic)
                more = {"keys": []}
            case _:
                return
        if topic.table == "margin" and not self._exchange.quirks.margin_frames:
            return
        if rows or self._exchange.quirks.empty_partial:
            session.send(_frame(topic.table, "partial", rows, now, **more), topic.table)

    def _rows(self, owner: str, topic: Topic) -> list[Row]:
        """Return the whole of a private table."""
        account = self._exchange.ledger.accounts[owner]
        if topic.table == "margin":
            return [margin_row(account, topic.area)]
        if topic.table == "position":
            legs = [
                leg
                for leg in account.legs
                if leg.area == topic.area
                and topic.symbol in ("", leg.symbol)
                and self._shows(owner, leg)
            ]
            legs.sort(key=lambda leg: (leg.symbol, not leg.long))
            return [self._position(owner, leg) for leg in legs]
        return [
            self._order(order)
            for order in self._exchange.blotter.live(owner)
            if order.instrument.key[:2] == (topic.kind, topic.area)
            and topic.symbol in ("", order.instrument.key.symbol)
        ]

    def _order(self, order: Order) -> Row:
        row = pushed_order_row(order)
        return row | {"client_oid": None} if self._exchange.quirks.forget_client_oid else row

    def _shows(self, owner: str, leg: LegKey) -> bool:
        flat = not self._exchange.ledger.accounts[owner].qty(leg)
        return not flat or self._exchange.quirks.flat_position == "zero"

    def _position(self, owner: str, leg: LegKey) -> Row:
        listing = self._exchange.listing(Key(CONTRACT, *leg.contract))
        account = self._exchange.ledger.accounts[owner]
        return position_row(account, leg, listing, self._exchange.marks())

    def _instrument(self, key: Key, now: int) -> Row:
        listing = self._exchange.listing(key)
        interest = self._exchange.ledger.open_interest(listing.contract)
        row = pushed_instrument_row(listing, interest, now)
        if self._exchange.quirks.withhold_tick_size and key.kind == CONTRACT:
            del row["tick_size"], row["symbol_id"]
        return row

    # What the exchange tells

    def publish(self, events: Iterable[Event], now: int) -> None:
        """Push what has changed."""
        if not self.sessions:
            return
        for event in events:
            match event:
                case OrderChanged(action, order) if order.instrument.key.kind == CONTRACT:
                    self._push_order(action, order, now)
                case Executed() if event.order.instrument.key.kind == CONTRACT:
                    topic = _topic(event.order.instrument.key, "execution")
                    self._push(topic, "insert", [execution_row(event)], now, event.order.owner)
                case Traded(key, trade):
                    action_word = self._exchange.quirks.trade_action
                    self._push(_topic(key, "trade"), action_word, [trade_row(key, trade)], now)
                case LegChanged(owner, leg):
                    self._push_position(owner, leg, now)
                case MarginChanged(owner, area) if self._exchange.quirks.margin_frames:
                    row = margin_row(self._exchange.ledger.accounts[owner], area)
                    self._push(Topic(CONTRACT, "margin", area, ""), "update", [row], now, owner)
                case BookChanged():
                    self._push_book(event, now)
                case InstrumentChanged(key):
                    self._push_instrument(key, now)

    def pulse(self, now: int) -> None:
        """Push positions and margins, changed or not."""
        for session in list(self.sessions):  # a send may cut one off
            for topic in session.topics:
                if topic.table == "position":
                    rows = self._rows(session.owner, topic)
                    session.send(_frame("position", "update", rows, now, keys=[]), "position")
                elif topic.table == "margin":
                    self._first_image(session, topic, now)

    def _push_order(self, action: Action, order: Order, now: int) -> None:
        end = self._exchange.quirks.order_end
        if action is Action.DELETE and end == "update":
            return
        if action is Action.UPDATE and order.status.final and end == "delete":
            return
        topic = _topic(order.instrument.key, "order")
        self._push(topic, action.value, [self._order(order)], now, order.owner)

    def _push_position(self, owner: str, leg: LegKey, now: int) -> None:
        topic = Topic(CONTRACT, "position", leg.area, leg.symbol)
        legs = [leg]
        if self._exchange.quirks.position_push == "full":
            account = self._exchange.ledger.accounts[owner]
            legs = [key for key in account.legs if key.contract == leg.contract]
        rows = [self._position(owner, key) for key in legs if self._shows(owner, key)]
        if rows:
            self._push(topic, "update", rows, now, owner)

    def _push_book(self, event: BookChanged, now: int) -> None:
        topic = _topic(event.key, "order_book")
        if not self._heard(topic):
            return
        listing = self._exchange.listing(event.key)
        for action in BOOK_ORDER:
            rows = [
                book_row(listing, side, price, size)
                for done, side, price, size in event.levels
                if done is action
            ]
            if self._exchange.quirks.id_only_deltas and action is not Action.INSERT:
                rows = [_without(row, "price", "side") for row in rows]
            if rows:
                self._push(topic, action.value, rows, now)

    def _push_instrument(self, key: Key, now: int) -> None:
        topic = _topic(key, "instrument")
        if not self._heard(topic):
            return
        row = self._instrument(key, now)
        for session in list(self.sessions):  # a send may cut one off
            if session.hears("", topic):
                shown = session.shown[key]
                changed = {name: row[name] for name in row if shown.get(name) != row[name]}
                session.shown[key] = row
                if changed:
                    rows = [place(key) | changed]
                    frame = _frame("instrument", "update", rows, now, key=list(changed))
                    session.send(frame, "instrument")

    def _push(self, topic: Topic, action: str, rows: list[Row], now: int, owner: str = "") -> None:
        keys: dict[str, list[str]] = {"keys": []} if owner else {}
        self._send(topic, _frame(topic.table, action, rows, now, **keys), owner)

    def _heard(self, topic: Topic) -> bool:
        return any(session.hears("", topic) for session in self.sessions)

    def _send(self, topic: Topic, frame: str, owner: str = "") -> None:
        for session in list(self.sessions):  # a send may cut one off
            if session.hears(owner, topic):
                session.send(frame, topic.table)


def _topic(key: Key, table: str) -> Topic:
    return Topic(key.kind, table, key.area, key.symbol)


def _either(args: dict[str, Any], *names: str) -> object:
    return next((args[name] for name in names if args.get(name)), None)


def _status(code: int, request: str) -> str:
    return dump({"status": text(int(code)), "request": request[:MAX_ECHO]})


def _without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def _frame(table: str, action: str, rows: list[Row], now: int, **more: list[str]) -> str:
    content: Row = {"table": table}
    if action:
        content["action"] = action
    content |= more
    content["data"] = rows
    content["time"] = str(now)
    return dump(content)
