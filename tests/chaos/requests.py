"""What must hold of every request, as it leaves the bot and as it arrives at the exchange."""

import json
import re
from collections import Counter, deque
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from market_maker.auth import EXPIRES_AFTER_MS
from market_maker.client_oid import is_ours
from market_maker.models import Side as OwnSide
from market_maker.paper.api.dispatch import RawRequest, endpoint_name
from market_maker.paper.exchange.errors import Code
from market_maker.paper.exchange.instrument import CONTRACT
from market_maker.paper.market.setup import OWNER
from market_maker.safety.trading_state import SILENT_AFTER, TradingState
from tests.chaos.shape import PREFIX

if TYPE_CHECKING:
    from tests.chaos.soak import Soak

LIMITS = {
    "pc/order/create": (20, 1000),
    "pc/order/cancel": (20, 1000),
    "pc/order/query": (10, 1000),
    "pc/order/cancel_batch": (1, 10_000),
    "pc/order/book/query": (10, 1000),
}
LOOP_MAY_CALL = {
    *LIMITS,
    *("pc/instrument/query", "account/pc/query", "pc/setting/query"),
    *("account/fund/query", "account/bb/query"),
}
CREATE = "pc/order/create"
NUMBER = re.compile(r"(0|[1-9][0-9]{0,15})(\.[0-9]{1,12})?", re.ASCII)
CLOSES_REFUSED = 20
"""So many closes may be refused by a race with a trade of somebody else in a soak."""
FUNDS_REFUSED = 3
"""So many creates beyond the coins of a pair may be refused in a minute: fills are on their way."""
FUNDS_CALM = 60.0
TICK_KNOWN_MS = 10_000
DRY_GRACE_MS = 30_000
"""How long a bot that becomes a dry run may take to cancel what rests."""
VALID_MS = 10_000
"""The venue takes no request that is valid for longer."""
NOISE_MS = 300
"""A step back of the venue's clock by so much is not told from noise."""
SAMPLES = 9
"""So many answers the bot's estimate of the venue's clock is the median of."""


class Requests:
    """Watches the wire; an endpoint of a pair goes by the name of the contracts' one."""

    def __init__(self, soak: "Soak", breach: Callable[[str, str], None]) -> None:
        self._soak = soak
        self._world = soak.world
        self._breach = breach
        self.count: Counter[str] = Counter()
        self._arrivals: dict[str, deque[int]] = {name: deque() for name in LIMITS}
        self._oids: set[str] = set()
        self._lot = soak.shape.instrument.lot
        self._shown: deque[tuple[int, int]] = deque(maxlen=SAMPLES)
        """The least and most that the venue's clock was ahead by the latest answers, in ms."""
        self._last_tick_change = -(10**9)
        self._tick = soak.shape.instrument.tick
        self._tick_was_hidden = False
        """Whether the frame that told of the tick in force may have been lost."""
        self.closes_refused = 0
        self._funds_refused: deque[float] = deque()
        judge = self._world.venue.judge
        requested = judge.requested

        def note(endpoint: str, code: int, now: int) -> None:
            requested(endpoint, code, now)
            self._answered(self._named(endpoint), code)

        judge.requested = note  # type: ignore[method-assign]
        self._world.network.senders.append(self._leaves)
        self._world.network.watchers.append(self._arrives)
        self._world.network.readers.append(self._read)

    def _named(self, name: str) -> str:
        kind = self._soak.shape.key.kind
        return "/".join(CONTRACT if part == kind else part for part in name.split("/"))

    def _leaves(self, asked: RawRequest) -> None:
        """Look at a request in the moment at which the bot lets it go."""
        bot = self._world.bot
        name = self._named(endpoint_name(asked.path))
        if "api-signature" in asked.headers:
            self._check_known_time(name, int(asked.headers["api-expires"]))
        if bot is None or name != CREATE:
            return
        state = bot.health.state
        if state in (TradingState.PAUSED, TradingState.HALTED) or bot.control.halt_reason:
            self._breach("I8", f"a create left while {state.value}")
        feed = bot.exchange.feed
        if not feed.is_connected() or feed.missing():
            self._breach("I9", "a create left without a feed")
        if feed.silent_for() > SILENT_AFTER + 1:
            self._breach("I9", f"a create left {feed.silent_for():.0f} s after the last frame")
        params = dict(asked.query)
        ticker = feed.get_ticker()
        if ticker.bid and ticker.ask and ticker.bid > ticker.ask:
            self._breach("I9", f"a create left on a crossed book {ticker}")
        price = Decimal(params["price"])
        side = OwnSide.BUY if params["side"] == "1" else OwnSide.SELL
        other = ticker.ask if side is OwnSide.BUY else ticker.bid
        checks_last = all(self._soak.in_force.lately("POST_ONLY"))
        if checks_last and other is not None and not side.better(other, price):
            self._breach("I10", f"{side.value} @ {price} reaches the other side's {other}")
        instrument = feed.get_instrument()
        mark = instrument.mark_price if instrument else None
        collar = self._soak.in_force.most("PRICE_COLLAR")
        if mark and side.sign * (price / mark - 1) > Decimal(str(collar)):
            self._breach("I10", f"{side.value} @ {price} is beyond the collar of {mark}")

    def _arrives(self, asked: RawRequest) -> None:
        """Look at a request as it reaches the exchange."""
        name, now = self._named(endpoint_name(asked.path)), self._world.timeline.true_ms()
        self.count[name] += 1
        if name not in LOOP_MAY_CALL:
            self._breach("I25", f"a call of {asked.path}")
        self._check_rate(name, now)
        if self._soak.is_dry():
            self._check_dry(name, asked)
        if "api-signature" in asked.headers:
            self._check_signed(name, int(asked.headers["api-expires"]), now)
        params = dict(asked.query)
        if name == CREATE:
            self._check_create(params)
        elif name in ("pc/order/cancel", "pc/order/cancel_batch"):
            ids = re.findall(r"[0-9]{9,}", params.get("filter", "") + params.get("order_id", ""))
            ids += [params["id"]] if "id" in params else []
            self._check_cancel(ids)

    def _check_dry(self, name: str, asked: RawRequest) -> None:
        """A dry run sends nothing (I30); one that has just become it cancels what rests."""
        self._soak.in_force.look()
        changed_at = self._soak.in_force.changed_at("DRY_RUN")
        becomes = name != CREATE and self._world.timeline.true_ms() - changed_at < DRY_GRACE_MS
        if asked.method != "GET" and not becomes:
            self._breach("I30", f"a dry run sends {name}")

    def _check_signed(self, name: str, expires: int, now: int) -> None:
        """Check that a request is signed by the venue's clock, as far as the bot can know it (I23).

        A create that is signed ahead may arrive after the bot has taken it for lost: it is judged
        by the venue's clock itself where that has been right for a while.
        """
        if self._world.timeline.has_frozen_since(expires - EXPIRES_AFTER_MS):
            return  # what is late is refused
        left = expires - now
        if name == CREATE and self._soak.clock_is_right() and not 0 < left <= VALID_MS:
            self._breach("I23", f"{name} expires in {left} ms")

    def _check_known_time(self, name: str, expires: int) -> None:
        """Check how a request that leaves is signed by what has been shown until then (I23).

        A create must heed what the latest answer shows. A query or a cancel does no harm however
        late it comes: it is judged by the latest answers, whose median the bot takes. After a step
        back none may have come yet, as when the venue was away meanwhile.
        """
        left = expires - self._world.timeline.true_ms()
        if not self._shown:
            return
        by_latest = left - self._shown[-1][1]
        if name == CREATE and by_latest > VALID_MS + NOISE_MS:
            self._breach("I23", f"{name} expires in {by_latest} ms by the venue's latest answer")
        if not any(left > least and left - most <= VALID_MS for least, most in self._shown):
            self._breach("I23", f"{name} expires in {left} ms, which no late answer explains")

    def starts(self) -> None:
        """Forget what an earlier process knew."""
        self._shown.clear()

    def _read(self, body: bytes, left_at: int) -> None:
        """Note between which bounds an answer shows the venue's clock to be ahead."""
        try:
            answer = json.loads(body)
        except ValueError:
            return
        if isinstance(answer, dict) and type(answer.get("time")) is int:
            time = answer["time"]
            self._shown.append((time - self._world.timeline.true_ms(), time - left_at))

    def _check_rate(self, name: str, now: int) -> None:
        limit, window = LIMITS.get(name, (0, 0))
        if not limit:
            return
        arrivals = self._arrivals[name]
        while arrivals and arrivals[0] <= now - window:
            arrivals.popleft()
        arrivals.append(now)
        if len(arrivals) > limit:
            self._breach("I6", f"{len(arrivals)} {name} in {window} ms")

    def _check_create(self, params: dict[str, str]) -> None:
        oid = params.get("client_oid", "")
        if not is_ours(oid, PREFIX) or len(oid) > 40:
            self._breach("I12", f"client_oid {oid!r}")
        if oid in self._oids:
            self._breach("I12", f"client_oid {oid} was sent before")
        self._oids.add(oid)
        for name in ("price", "qty"):
            if not NUMBER.fullmatch(params[name]):
                self._breach("I17", f"{name} {params[name]!r}")
        if params["side"] not in ("0", "1") or params.get("close_flag", "0") not in ("0", "1"):
            self._breach("I11", f"side or close_flag of {params}")
        if Decimal(params["qty"]) % self._lot or Decimal(params["price"]) % self._tick_then():
            self._breach("I11", f"off the grid: {params['qty']} @ {params['price']}")

    def see_tick(self, tick: Decimal) -> None:
        if tick != self._tick:
            self._tick, self._last_tick_change = tick, self._world.timeline.true_ms()
            self._tick_was_hidden = any(map(self._soak.struck, ("instrument", "all mute")))

    def _tick_then(self) -> Decimal:
        """Return the tick that the bot must know by now.

        It is the finer one while it has just moved, and where the frame that told of it was lost:
        later frames of the instrument do not repeat it, and the venue refuses what is off its grid.
        """
        ago = self._world.timeline.true_ms() - self._last_tick_change
        known = ago > TICK_KNOWN_MS and not self._tick_was_hidden
        return self._tick if known else self._soak.shape.instrument.tick

    def _check_cancel(self, ids: list[str]) -> None:
        for order_id in ids:
            order = self._world.exchange.blotter.find(OWNER, int(order_id))
            if order is not None and not self._soak.is_own(order):
                self._breach("I4", f"a cancel of a stranger's order {order_id}")
        if len(ids) > 50:
            self._breach("I6", f"{len(ids)} ids in one batch")

    def _answered(self, name: str, code: int) -> None:
        """Look at what the exchange has answered, in its own judge's book."""
        if name != CREATE or self._soak.struck(name):
            return
        if code == Code.NOT_CLOSABLE:
            self.closes_refused += 1
            if self.closes_refused > CLOSES_REFUSED:
                self._breach("I18", f"{self.closes_refused} closes beyond the position")
        if code == Code.BALANCE_INSUFFICIENT and self._soak.calm_for() > FUNDS_CALM:
            now, refused = self._world.timeline.monotonic(), self._funds_refused
            refused.append(now)
            while refused[0] < now - FUNDS_CALM:
                refused.popleft()
            if len(refused) > FUNDS_REFUSED:
                self._breach("I32", f"{len(refused)} creates beyond the coins in a minute")
