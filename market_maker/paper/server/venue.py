"""The venue: exchange, API and faults together, without sockets; its clock is an argument."""

import logging
import random
from collections.abc import Iterable

from market_maker.paper.api.auth import ApiKey, Auth
from market_maker.paper.api.dispatch import Dispatcher, RawRequest, endpoint_name, envelope
from market_maker.paper.api.encoding import dump
from market_maker.paper.api.feed import Feed
from market_maker.paper.api.judge import Judge
from market_maker.paper.api.rest import ENDPOINTS
from market_maker.paper.api.session import Session
from market_maker.paper.exchange.errors import Code
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.instrument import Key
from market_maker.paper.exchange.moves import Move
from market_maker.paper.faults.frames import with_field
from market_maker.paper.faults.schedule import CATALOGUE, Fault, Faults, Where
from market_maker.paper.faults.state import StateFaults
from market_maker.paper.market.setup import OWNER

logger = logging.getLogger(__name__)

PAPER_KEY = "paper-key"
PAPER_SECRET = "paper-secret"

TABLES = {
    *("instrument", "trade", "order_book", "order", "execution", "position", "margin"),
    *("pong", "status"),
}


class Venue:
    """Answers requests and messages, and applies faults. It never reads a clock.

    `clock` arguments are the true time in ms UTC; the venue's own clock may be ahead or behind.
    """

    def __init__(self, exchange: Exchange, seed: int = 1, secret: str = "") -> None:
        """`secret` is that of the paper key; the one of the tests if it is empty."""
        self.exchange = exchange
        self.judge = Judge(OWNER, exchange)
        keys = [ApiKey(PAPER_KEY, secret or PAPER_SECRET, OWNER)]
        self.auth = Auth(keys, exchange.quirks.expiry_grace_ms)
        self.faults = Faults(lambda number: random.Random(f"{seed} fault {number}"))
        self.feed = Feed(exchange, self.auth)
        self._state_faults = StateFaults(exchange)
        self._dispatcher = Dispatcher(exchange, self.auth, self.judge)
        self.refusing = False
        """Whether it refuses all connections."""

    def time(self, clock: int) -> int:
        """Return the time of the venue's own clock, in ms UTC."""
        return clock + self._state_faults.skew_ms

    # Faults

    def plan(self, fault: Fault, clock: int) -> None:
        """Add a fault to the schedule; raise ValueError if it cannot apply to this venue."""
        known = {name for _, name in ENDPOINTS} | TABLES | {""}
        if CATALOGUE[fault.name].where is Where.STATE:
            self._state_faults.check(fault)
        elif fault.match not in known:
            raise ValueError(f"match: there is no endpoint or table {fault.match!r}")
        self.faults.plan(fault, clock)
        self._apply_state_faults(clock)

    def clear_faults(self, clock: int) -> None:
        """Remove all faults."""
        self.faults.clear()
        self._apply_state_faults(clock)

    def strike(self, path: str, clock: int) -> Fault | None:
        """Return the fault that strikes a request to this path, None if none does."""
        return self.faults.strike(Where.REPLY, endpoint_name(path), clock)

    def _apply_state_faults(self, clock: int) -> None:
        """Begin and end the state faults that are due, and publish the changes."""
        active = self.faults.states(clock)
        self.refusing = any(fault.name == "refuse" for fault in active)
        of_exchange = [fault for fault in active if fault.name != "refuse"]
        self._state_faults.update(of_exchange, self.time(clock))
        self.publish(clock)

    # Requests

    def answer(self, raw: RawRequest, fault: Fault | None, clock: int) -> tuple[int, str]:
        """Return the HTTP status and the body of the reply to a request."""
        try:
            status, reply = self._dispatcher.answer(raw, self.time(clock), fault, arrived=clock)
        except Exception:
            logger.exception("%s %s: the paper exchange has failed", raw.method, raw.path)
            status, reply = 200, envelope(Code.SERVER_ERROR, now=self.time(clock))
        self.publish(clock)
        answer = dump(reply)
        if fault and fault.name == "reply_field":
            answer = with_field(answer, fault.value)
        return status, answer

    def receive(self, session: Session, message: str, clock: int) -> None:
        """Answer one message of a client of the feed."""
        self.feed.receive(session, message, self.time(clock))

    # Events

    def play(self, key: Key, moves: Iterable[Move], clock: int) -> None:
        """Apply moves of the other participants of an instrument."""
        self.exchange.play(key, moves, self.time(clock))
        self.publish(clock)

    def tick(self, clock: int) -> None:
        """Do what is due at the exchange and on the schedule of faults."""
        self.exchange.tick(self.time(clock))
        self._apply_state_faults(clock)

    def pulse(self, clock: int) -> None:
        """Push positions and margins, changed or not."""
        self.feed.pulse(self.time(clock))

    def publish(self, clock: int) -> None:
        """Report what has changed to the judge and to the subscribers."""
        events, now = self.exchange.outbox.drain(), self.time(clock)
        for event in events:
            self.judge.see(event, now)
        self.feed.publish(events, now)
