"""Watches the account: free margin, profit of this run, margin mode and leverages."""

import logging
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from market_maker.clock import Clock
from market_maker.errors import Fatal, RequestError
from market_maker.gte import GTE
from market_maker.models import ZERO, Fund, Instrument, Margin, OpenOrder, Side, Snapshot
from market_maker.money import Money
from market_maker.safety import Health, TradingState
from market_maker.strategy import cost
from market_maker.symbol import base_of
from market_maker.ws.ws_thread import GTEWebsocket

logger = logging.getLogger(__name__)

MARGIN_EVERY = 10.0
"""Seconds between two reads of the account over REST, where the feed does not show it."""
SETTLED = 2.0
"""Seconds after the last fill at which the balance of a pair is read once more, to be audited."""
MINUTE = 60.0
SETTING = ("margin_mode", "cross_leverage", "bid_leverage", "ask_leverage")
"""Margin settings that must stay as they were at startup."""
FALL = Decimal("0.2")
"""Lowest free margin, as a fraction of its highest value within a minute."""


class AccountWatch:
    """Reads the account where the feed does not show it, and checks it once a tick."""

    def __init__(self, gte: GTE, feed: GTEWebsocket, money: Money, clock: Clock) -> None:
        self._gte = gte
        self._feed = feed
        self._money = money
        self._clock = clock
        self._read: Margin | None = None
        self.funds: Mapping[Side, Fund] = {}
        """What own orders may use on spot; empty where it is not known, and for contracts."""
        self._read_due = self._read_at = self._funds_at = 0.0
        self._settled_due = math.inf
        """When the balance is read once more after a fill."""
        self._fills_asked = -1
        """Number of own fills when the account was last asked for."""
        self._free: deque[tuple[float, Decimal]] = deque()
        self._valued_at = clock.monotonic()
        self._setting: dict[str, str] = {}
        self._setting_due = 0.0
        self._setting_changed = ""

    def margin(self) -> Margin | None:
        """Return the account as the feed shows it, else as last read over REST."""
        return self._feed.funds() or self._read

    def shown_at(self) -> float:
        """Return when `margin()` was shown or asked for, in steady seconds."""
        if self._feed.funds() is None:
            return self._read_at
        return self._clock.monotonic() - self._feed.silent_for("margin")

    def poll(self, own: Sequence[OpenOrder]) -> None:
        """Read the account over REST when due, where the feed does not show it. Raises Fatal.

        On spot it is due after each fill too, since a balance limits each side. `own` are the own
        orders that rest: the venue does not call available what they use.
        """
        now, fills = self._clock.monotonic(), self._money.trades.fills
        is_spot = not self._gte.account.is_contract
        has_fills = is_spot and fills != self._fills_asked
        is_due = has_fills or now >= min(self._read_due, self._settled_due)
        if self._feed.funds() is not None or not is_due:
            return
        self._read_due, self._fills_asked = now + MARGIN_EVERY, fills
        self._settled_due = now + SETTLED if has_fills else math.inf
        try:
            self._read, self._read_at = next(iter(self._gte.account_query()), None), now
            if is_spot and self._read:
                base = next(iter(self._gte.account_query(base_of(self._gte.symbol))), None)
                sides = {Side.BUY: self._read, Side.SELL: base}
                self.funds = {side: _fund(side, row, own) for side, row in sides.items() if row}
                self._funds_at = now
        except Fatal:
            raise
        except RequestError as error:
            self._settled_due = now + SETTLED
            logger.info("Could not read the account over REST: %s", error)

    def check(
        self, snapshot: Snapshot, money: Money, max_loss: Decimal | None, now: float
    ) -> list[str]:
        """Check margin, valuation and profit; return the events for the circuit breakers.

        Each is its kind, and after a colon the figures. A loss that is unknown for a minute counts
        as one beyond `max_loss`.
        """
        instrument, margin = snapshot.instrument, snapshot.margin
        is_margined = instrument.is_contract  # on spot it is money that buys spend
        fall = self._fall(margin, now) if margin and is_margined else ""
        events = [f"margin: {fall}"] if fall else []
        doubt = self._money.doubt
        self._money.compare(instrument, snapshot.position)
        if self._money.doubt and not doubt:
            logger.error("Profit is not shown: %s.", self._money.doubt)
        mark = None if self._money.doubt else instrument.valuation_price
        if mark or self._money.doubt:
            self._valued_at = now
        loss = -money.profit(instrument, mark) if mark else ZERO
        if max_loss and loss >= max_loss:
            events.append(f"loss: {loss:.6f} of {max_loss:f} {instrument.settle_currency}")
        elif max_loss and now - self._valued_at > MINUTE:
            events.append("loss: not known for a minute, as no price is")
        return events

    def _fall(self, margin: Margin, now: float) -> str:
        """Return in figures how far the free margin has fallen, orders' included; empty if not."""
        while self._free and now - self._free[0][0] > MINUTE:
            self._free.popleft()
        free = margin.total - (margin.position_margin or ZERO)
        highest = max((each for _, each in self._free), default=free)
        self._free.append((now, free))
        return f"{highest:f} to {free:f} {margin.currency}" if free < FALL * highest else ""

    def check_setting(self, instrument: Instrument, now: float) -> None:
        """Read margin mode and leverages once a minute, and compare them with those at startup.

        It never changes them.
        """
        is_live = "position" in self._feed.needed
        if not is_live or not instrument.is_contract or now < self._setting_due:
            return
        self._setting_due = now + MINUTE
        try:
            found = self._gte.setting_query()
        except RequestError as error:
            logger.info("Could not read margin mode and leverage: %s", error)
            return
        setting = {name: str(found[name]) for name in SETTING if name in found}
        self._setting = self._setting or setting
        self._setting_changed = ", ".join(
            f"{name} {_shown(self._setting[name])} -> {_shown(value)}"
            for name, value in setting.items()
            if self._setting.get(name, value) != value
        )

    def leverage(self) -> Decimal | None:
        """Return the lowest leverage in force; None while it is not known."""
        cross = self._setting.get("margin_mode") == "1"
        names = ("cross_leverage",) if cross else ("bid_leverage", "ask_leverage")
        try:
            found = [Decimal(self._setting[name]) for name in names]
        except (KeyError, ArithmeticError):
            return None
        return min((each for each in found if each.is_finite() and each > 0), default=None)

    def states(self, *, needs_value: bool) -> list[Health]:
        """Return the states that the account demands; usually none.

        `needs_value` says that a limit is in value: MAX_LOSS or MAX_OPEN_VALUE.
        """
        found = []
        if self._setting_changed:
            found.append(
                f"changed outside the bot: {self._setting_changed}; set it back or restart"
            )
        if self._money.doubt and needs_value:
            found.append(f"MAX_LOSS and MAX_OPEN_VALUE cannot be kept: {self._money.doubt}")
        if self.funds and self._clock.monotonic() - self._funds_at > MINUTE:
            found.append("balance not read for over a minute")
        return [Health(TradingState.PAUSED, words) for words in found]


def _fund(side: Side, row: Margin, own: Iterable[OpenOrder]) -> Fund:
    usable = row.available + cost(side, own)
    return Fund(currency=row.currency, total=row.total, usable=usable)


def _shown(text: str) -> str:
    """Return text of the venue escaped for the log, at most 60 characters."""
    return ascii(text)[1:-1][:60]
