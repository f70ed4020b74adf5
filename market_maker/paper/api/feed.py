"""The feed: answers the messages of its clients, and sends them frames about what changed."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from market_maker.paper.api.auth import Auth
from market_maker.paper.api.encoding import Row, dump, text
from market_maker.paper.api.levels import book_row, book_rows, book_text, book_values
from market_maker.paper.api.rows import execution_row, place, trade_row
from market_maker.paper.api.session import Session
from market_maker.paper.api.tables import Tables
from market_maker.paper.api.topic import Topic, read_topic, topic_of
from market_maker.paper.exchange.account import LegKey
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.engine import Side
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
from market_maker.paper.exchange.listing import Listing

BOOK_ORDER = (Action.DELETE, Action.UPDATE, Action.INSERT)
"""Deletes are sent before inserts, so that no client sees a crossed book in between."""
MAX_ECHO = 2_000  # characters of a message that its answer repeats


class Feed:
    """Turns each change into frames once, and sends them to every subscribed session.

    All times are ms UTC of the venue.
    """

    def __init__(self, exchange: Exchange, auth: Auth) -> None:
        self._exchange = exchange
        self._auth = auth
        self._tables = Tables(exchange)
        self._books: dict[Key, str] = {}  # the rows of whole books as JSON, until they change
        self.sessions: dict[Session, None] = {}  # in order of arrival

    # Messages of a client

    def receive(self, session: Session, message: str, now: int) -> None:
        """Answer one message with a status, and a new subscription with the first image too."""
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
        except ApiError as error:
            session.send(_status(error.code, message), "status")
            return
        session.send(_status(0, message), "status")
        if topic:
            self._send_image(session, topic, now)

    def _act(self, session: Session, request: dict[str, Any], now: int) -> Topic | None:
        """Do what a message asks for; return the topic of a new subscription."""
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
        return read_topic(args, self._exchange, authenticated=bool(session.owner))

    def _send_image(self, session: Session, topic: Topic, now: int) -> None:
        """Send the first image of a table; `trade` and `execution` have none."""
        rows: list[Row] | str = []
        more: dict[str, list[str]] = {}
        match topic.table:
            case "instrument":
                row = session.shown[topic.key] = self._tables.instrument(topic.key, now)
                rows, more = [row], {"key": list(row)}
            case "order_book":
                rows = self._book(topic.key)
            case "order" | "position" | "margin":
                rows = self._tables.rows(session.owner, topic)
                more = {"keys": []}
                for row in rows if topic.table == "position" else []:
                    session.show(row)
            case _:
                return
        if topic.table == "margin" and not self._exchange.quirks.margin_frames:
            return
        if rows not in ([], "[]") or self._exchange.quirks.empty_partial:
            session.send(_frame(topic.table, "partial", rows, now, **more), topic.table)

    def _book(self, key: Key) -> str:
        """Return the rows of a whole book as JSON: many clients cost little more than one."""
        if key not in self._books:
            self._books[key] = dump(book_rows(self._exchange.listing(key)))
        return self._books[key]

    # Changes at the exchange

    def publish(self, events: Iterable[Event], now: int) -> None:
        """Send the frames of these events."""
        for event in events:
            if isinstance(event, BookChanged):
                self._books.pop(event.key, None)
            if not self.sessions:
                continue
            match event:
                case OrderChanged(action, order) if order.instrument.key.kind == CONTRACT:
                    self._push_order(action, order, now)
                case Executed() if event.order.instrument.key.kind == CONTRACT:
                    topic = topic_of(event.order.instrument.key, "execution")
                    self._push(topic, "insert", [execution_row(event)], now, event.order.owner)
                case Traded(key, trade):
                    action_word = self._exchange.quirks.trade_action
                    self._push(topic_of(key, "trade"), action_word, [trade_row(key, trade)], now)
                case LegChanged(owner, leg):
                    self._push_position(owner, leg, now)
                case MarginChanged(owner, area) if self._exchange.quirks.margin_frames:
                    row = self._tables.margin(owner, area)
                    self._push(Topic(CONTRACT, "margin", area, ""), "update", [row], now, owner)
                case BookChanged():
                    self._push_book(event, now)
                case InstrumentChanged(key):
                    self._push_instrument(key, now)

    def pulse(self, now: int) -> None:
        """Send positions and margins to all subscribers, changed or not."""
        for session in list(self.sessions):  # a send may remove one
            for topic in session.topics:
                if topic.table == "position":
                    _send_positions(session, self._tables.rows(session.owner, topic), now)
                elif topic.table == "margin":
                    self._send_image(session, topic, now)

    def _push_order(self, action: Action, order: Order, now: int) -> None:
        end = self._exchange.quirks.order_end
        if action is Action.DELETE and end == "update":
            return
        if action is Action.UPDATE and order.status.final and end == "delete":
            return
        topic = topic_of(order.instrument.key, "order")
        self._push(topic, action.value, [self._tables.order(order)], now, order.owner)

    def _push_position(self, owner: str, leg: LegKey, now: int) -> None:
        topic = Topic(CONTRACT, "position", leg.area, leg.symbol)
        legs = [leg]
        if self._exchange.quirks.position_push == "full":
            account = self._exchange.ledger.accounts[owner]
            legs = [key for key in account.legs if key.contract == leg.contract]
        rows = self._tables.positions(owner, legs)
        for session in list(self.sessions):  # a send may remove one
            if rows and session.is_subscribed(topic, owner):
                _send_positions(session, rows, now)

    def _push_book(self, event: BookChanged, now: int) -> None:
        topic = topic_of(event.key, "order_book")
        sessions = [session for session in self.sessions if session.is_subscribed(topic)]
        listing = self._exchange.listing(event.key)
        takers = [session.send_levels for session in sessions if session.send_levels]
        if takers:
            values = [book_values(listing, levels) for levels in event.changes if levels]
            for send_levels in takers:
                send_levels(values, now)
        if len(sessions) > len(takers):
            for action, levels in zip(BOOK_ORDER, event.changes, strict=True):
                if levels:
                    rows = self._level_rows(listing, action, levels)
                    frame = _frame(topic.table, action.value, rows, now)
                    for session in sessions:
                        if not session.send_levels:
                            session.send(frame, topic.table)

    def _level_rows(
        self, listing: Listing, action: Action, levels: Sequence[tuple[Side, int, int]]
    ) -> list[Row] | str:
        if self._exchange.quirks.id_only_deltas and action is not Action.INSERT:
            whole = [book_row(listing, *level) for level in levels]
            return [_without(row, "price", "side") for row in whole]
        return f"[{','.join(book_text(listing, *level) for level in levels)}]"

    def _push_instrument(self, key: Key, now: int) -> None:
        topic = topic_of(key, "instrument")
        if not self._has_subscriber(topic):
            return
        row = self._tables.instrument(key, now)
        for session in list(self.sessions):  # a send may remove one
            if session.is_subscribed(topic):
                shown = session.shown[key]
                changed = {name: row[name] for name in row if shown.get(name) != row[name]}
                session.shown[key] = row
                if changed:
                    rows = [place(key) | changed]
                    frame = _frame("instrument", "update", rows, now, key=list(changed))
                    session.send(frame, "instrument")

    def _push(
        self, topic: Topic, action: str, rows: list[Row] | str, now: int, owner: str = ""
    ) -> None:
        keys: dict[str, list[str]] = {"keys": []} if owner else {}
        self._send(topic, _frame(topic.table, action, rows, now, **keys), owner)

    def _has_subscriber(self, topic: Topic) -> bool:
        return any(session.is_subscribed(topic) for session in self.sessions)

    def _send(self, topic: Topic, frame: str, owner: str = "") -> None:
        for session in list(self.sessions):  # a send may remove one
            if session.is_subscribed(topic, owner):
                session.send(frame, topic.table)


def _send_positions(session: Session, rows: list[Row], now: int) -> None:
    """Send rows of positions: an insert of those that the client has not seen, then an update."""
    by_action: dict[Action, list[Row]] = {Action.INSERT: [], Action.UPDATE: []}
    for row in rows:
        by_action[session.show(row)].append(row)
    for action, its_rows in by_action.items():
        if its_rows or (action is Action.UPDATE and not rows):
            session.send(_frame("position", action.value, its_rows, now, keys=[]), "position")


def _status(code: int, request: str) -> str:
    return dump({"status": text(int(code)), "request": request[:MAX_ECHO]})


def _without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def _frame(table: str, action: str, rows: list[Row] | str, now: int, **more: list[str]) -> str:
    """Return a frame; the rows may be JSON already."""
    head = dump({"table": table} | ({"action": action} if action else {}) | more)
    data = rows if isinstance(rows, str) else dump(rows)
    return f'{head[:-1]},"data":{data},"time":"{now}"}}'
