"""What must hold while nothing is wrong: quotes on both sides, true figures, halts for a reason."""

from decimal import Decimal
from typing import TYPE_CHECKING

from market_maker.market_maker import OrderManager
from market_maker.paper.exchange.account import ZERO, LegKey, Wallet
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.instrument import CONTRACT
from market_maker.paper.market.setup import OWNER
from market_maker.safety.trading_state import TradingState
from tests.chaos.shape import MARGIN

if TYPE_CHECKING:
    from tests.chaos.soak import Soak

RECOVERED = 110.0
"""Seconds after the last fault from which a bot must quote: an alarm holds for a minute."""
PAUSE_SECONDS = 3.0
"""The longest that it may not be ACTIVE then."""
NO_QUOTE_SECONDS = 15.0
"""The longest that a side may be without a quote then, beside LOOP_INTERVAL."""
LOSS_SECONDS = 10.0
"""How long a loss beyond MAX_LOSS may go on."""
RELOAD_SECONDS = 30.0
"""How long a bot may take to read a valid settings file."""
TAKERS, HELD_MS = 5, 130_000
"""So many own orders that took, in the minute that is counted and the one that the alarm holds."""
WHOLE_VALUE = Decimal("1e-6")
"""By which part of what was traded the bot's figure may be off: rows show rounded averages."""
PRINTED = Decimal("0.000001")
UNEXPLAINED_SECONDS = 60.0
"""How long balance or legs may not be explained: a step counts once it is seen again, and the
balance is compared only a second after the last fill."""
SPARE = Decimal("1.2")
"""By how much more than a limit allows a level must fit to be surely wanted: prices move."""


class Uptime:
    """Looks at a bot once a second."""

    def __init__(self, soak: "Soak") -> None:
        self._soak = soak
        self._world = soak.world
        self._breach = soak.invariants.breach
        self._inactive_since: float | None = None
        self._missing_since: dict[Side, float] = {}
        self._loss_since: float | None = None
        self._unexplained_since: float | None = None
        self._was_halted = False
        self._both_missing: set[str] = set()
        """The runs that lacked fills of both sides at the latest look."""
        self._unordered: set[str] = set()
        """Those that lacked them for a second: they found them at once, and no row tells which came
        first, on which average cost depends."""
        self._short_at = -HELD_MS
        """When the account last could not carry a ladder, in true ms."""

    def look(self, bot: OrderManager) -> None:
        """Check what must hold now."""
        if self._is_short_of_margin():
            self._short_at = self._world.timeline.true_ms()
        self._check_money(bot)
        self._check_reload()
        self._check_loss(bot)
        self._check_halt(bot)
        sides = self._quoted(bot)
        self._soak.outcome.quoted["running"] += 1
        self._soak.outcome.quoted["both sides"] += len(sides) == 2
        self._soak.outcome.quoted[bot.health.reason or bot.health.state.value] += 1
        if self._soak.calm_for() < RECOVERED or self._soak.walk.still or bot.control.halt_reason:
            self._inactive_since = self._unexplained_since = None
            self._missing_since.clear()
            return
        self._soak.outcome.quoted["judged"] += 1
        self._check_balance(bot)
        self._check_active(bot)
        self._check_sides(bot, sides)

    def is_limited(self, bot: OrderManager) -> bool:
        """Return whether a limit or the funds may keep a level of the ladder away."""
        sizes, in_force = self._soak.shape.sizes(), self._soak.in_force
        ladder = sum(sizes, ZERO)
        room = min((self._room(bot, side) for side in Side), default=ladder)
        value = in_force["MAX_OPEN_VALUE"] or "Infinity"
        return (
            room < ladder
            or max(sizes) > Decimal(str(in_force["MAX_ORDER_QTY"]))
            or self._worth(2 * ladder) * SPARE > Decimal(str(value))
            or any(self._funds(side) < self._needed(side, ladder) * SPARE for side in Side)
        )

    def least_levels(self) -> int:
        """Return how many levels of a side surely differ in price: INTERVAL may be below a tick."""
        in_force, instrument = self._soak.in_force, self._soak.shape.instrument
        pairs, interval = in_force["ORDER_PAIRS"], Decimal(str(in_force["INTERVAL"]))
        index = self._world.exchange.listings[self._world.key].index
        lowest = index * (1 - SPARE * pairs * interval)
        step = lowest * interval
        if step > instrument.tick:
            return int(pairs)
        return int(max((pairs - 1) * step / instrument.tick, 1))

    def has_excuse(self) -> bool:
        """Return whether an alarm may hold: own orders have taken, or the margin was too small."""
        truth, now = self._soak.truth, self._world.timeline.true_ms()
        takers = sum(not maker and now - at < HELD_MS for at, maker in truth.own.at)
        return takers >= TAKERS or self._is_short_of_margin() or now - self._short_at < HELD_MS

    # --- inside ---------------------------------------------------------------------------------

    def _check_active(self, bot: OrderManager) -> None:
        """Check that it does not pause, nor reduce, without a reason (I29)."""
        now, state = self._now(), bot.health.state
        if state is TradingState.ACTIVE or self.has_excuse():
            self._inactive_since = None
            return
        self._inactive_since = self._inactive_since or now
        if now - self._inactive_since > PAUSE_SECONDS:
            calm = self._soak.calm_for()
            reason = f"{state.value}: {bot.health.reason}"
            self._breach("I29", f"{reason}, {calm:.0f} s after the last fault")

    def _check_sides(self, bot: OrderManager, sides: set[Side]) -> None:
        """Check that each side that may be quoted is (I29)."""
        now, most = self._now(), NO_QUOTE_SECONDS + self._soak.in_force["LOOP_INTERVAL"]
        for side in Side:
            if side in sides or not self._may_quote(bot, side) or self.has_excuse():
                self._missing_since.pop(side, None)
                continue
            since = self._missing_since.setdefault(side, now)
            if now - since > most:
                self._breach("I29", f"no {side.name} for {now - since:.0f} s with nothing wrong")

    def _may_quote(self, bot: OrderManager, side: Side) -> bool:
        """Return whether the level nearest to the market is surely within all limits."""
        first, in_force = self._soak.shape.sizes()[0], self._soak.in_force
        value = Decimal(str(in_force["MAX_OPEN_VALUE"] or "Infinity"))
        return (
            first <= self._room(bot, side)
            and first <= Decimal(str(in_force["MAX_ORDER_QTY"]))
            and self._worth(2 * first) * SPARE <= value
            and self._needed(side, first) * SPARE <= self._funds(side)
        )

    def _quoted(self, bot: OrderManager) -> set[Side]:
        """Return the sides on which orders rest; of a dry run, those that would."""
        if self._soak.is_dry():
            return {Side[order.side.name] for order in bot.exchange.orders.live()}
        return {order.side for order in self._world.orders()}

    def _check_money(self, bot: OrderManager) -> None:
        """Check that the profit is what the fills at the exchange's own prices make it (I26).

        That is the profit of this run before fees, its open quantity valued at a price. Fills that
        the bot has not seen yet, or that are of an earlier run, show in the totals first. A
        liquidation is no fill.
        """
        run = bot.exchange.client.run
        told, truth = bot.exchange.money.trades, self._soak.truth.runs[run]
        missing = {run} if told.bought != truth.bought and told.sold != truth.sold else set()
        self._unordered |= missing & self._both_missing
        self._both_missing = missing
        instrument = bot.exchange.view.latest_instrument()
        if instrument is None or self._soak.invariants.has_older_fills(truth):
            return
        if (told.bought, told.sold) != (truth.bought, truth.sold) or told.seized:
            return
        index = self._world.exchange.listings[self._world.key].index
        found = told.profit(instrument, index)
        right = self._soak.truth.profit(run)
        if abs(found - right) > truth.slack + truth.turnover * WHOLE_VALUE + Decimal("1e-9"):
            self._breach("I26", f"profit {found:.9f}, by the exchange {right:.9f}")

    def _check_balance(self, bot: OrderManager) -> None:
        """Check that the balance is explained, and that the legs are the exchange's (I33).

        Where an own order has taken at a better price than its own, no row may have told it; nor in
        which order fills came that the bot was late to find.
        """
        money, key = bot.exchange.money, self._soak.shape.key
        if key.kind != CONTRACT or self._soak.is_dry() or money.balance.total is None:
            return
        account = self._world.exchange.ledger.accounts[OWNER]
        legs = {side: account.qty(LegKey(key.area, key.symbol, side)) for side in (True, False)}
        counted = {side: money.realised.qty(side) for side in legs}
        residual = money.balance.residual
        is_sound = abs(residual) < 2 * PRINTED and counted == legs and not money.pnl_difference
        run = bot.exchange.client.run
        if is_sound or self._soak.truth.runs[run].slack or run in self._unordered:
            self._unexplained_since = None
            return
        self._unexplained_since = self._unexplained_since or self._now()
        if self._now() - self._unexplained_since > UNEXPLAINED_SECONDS:
            words = f"residual {residual}, legs {counted} of {legs}; {money.pnl_difference}"
            self._breach("I33", words)

    def _check_loss(self, bot: OrderManager) -> None:
        """Check that a loss beyond MAX_LOSS ends the run where the bot can see it (I27)."""
        if self._soak.is_dry():  # it looks at its virtual profit
            return
        limits = self._soak.in_force.lately("MAX_LOSS")
        profit = self._soak.truth.profit_after_fees(bot.exchange.client.run)
        is_over = all(limits) and profit < -Decimal(str(max(limits))) * SPARE
        if not is_over or bot.control.halt_reason or self._soak.calm_for() < RECOVERED:
            self._loss_since = None
            return
        self._loss_since = self._loss_since or self._now()
        if self._now() - self._loss_since > LOSS_SECONDS + self._soak.in_force["LOOP_INTERVAL"]:
            self._breach("I27", f"profit {profit:.9f}, MAX_LOSS {max(limits)}, and no halt")

    def _check_halt(self, bot: OrderManager) -> None:
        """Check that a halt with nothing wrong has the reason that it names (I29)."""
        reason, was_halted = bot.control.halt_reason, self._was_halted
        self._was_halted = bool(reason)
        if not reason or was_halted or self._soak.calm_for() < RECOVERED or self._soak.is_dry():
            return
        in_force, truth, now = self._soak.in_force, self._soak.truth, self._world.timeline.true_ms()
        booked_within = 65_000 + 1000 * in_force["LOOP_INTERVAL"]  # a fill is booked at a tick
        fills = sum(now - at < booked_within for at, _ in truth.own.at)
        loss = -truth.profit_after_fees(bot.exchange.client.run) * SPARE
        limits = [value for value in in_force.lately("MAX_LOSS") if value]
        if "MAX_FILLS" in reason and fills > min(in_force.lately("MAX_FILLS")):
            return
        if "MAX_LOSS" in reason and limits and loss > Decimal(str(min(limits))) / SPARE:
            return
        self._breach("I29", f"halted: {reason}, with {fills} fills and a loss of {loss:.9f}")

    def _check_reload(self) -> None:
        """Check that a valid settings file is read and in force soon (I31)."""
        soak = self._soak
        soak.in_force.look()
        if soak.written_at is None:
            return
        given = {name: value for name, value in soak.shape.given.items() if name in soak.in_force}
        if all(soak.in_force[name] == value for name, value in given.items()):
            soak.written_at = None
            return
        since = max(soak.written_at, soak.alive_since)
        stood_still = self._world.timeline.has_frozen_since(int(self._true_ms(since)))
        if self._now() - since > RELOAD_SECONDS and not stood_still:
            late = {name for name, value in given.items() if soak.in_force[name] != value}
            self._breach("I31", f"not in force {self._now() - since:.0f} s after a change: {late}")

    # --- what a level needs ---------------------------------------------------------------------

    def _room(self, bot: OrderManager, side: Side) -> Decimal:
        """Return the quantity by which the position may grow on a side."""
        in_force = self._soak.in_force
        if not in_force["CHECK_POSITION_LIMITS"]:
            return Decimal("Infinity")
        name = "MAX_POSITION" if side is Side.BUY else "MIN_POSITION"
        most = abs(Decimal(str(in_force[name])))
        if self._soak.is_dry():  # its fills no exchange knows
            found = bot.exchange.snapshot().exposure
            if in_force["POSITION_MODE"] == "hedge":
                return most - (found.long_high if side is Side.BUY else found.short_high)
            return most - (found.net_high if side is Side.BUY else -found.net_low)
        legs = self._soak.truth.legs(bot.exchange.client.run)
        if in_force["POSITION_MODE"] == "hedge":
            return most - (legs.long if side is Side.BUY else legs.short)
        return most - (legs.net if side is Side.BUY else -legs.net)

    def _worth(self, qty: Decimal) -> Decimal:
        listing = self._world.exchange.listings[self._world.key]
        return self._soak.shape.worth(qty, listing.index)

    def _needed(self, side: Side, qty: Decimal) -> Decimal:
        """Return the coins that an order of this side binds."""
        if self._world.key.kind == CONTRACT:
            return self._worth(qty) * MARGIN
        return self._worth(qty) if side is Side.BUY else qty

    def _funds(self, side: Side) -> Decimal:
        """Return the coins that orders of this side bind or may bind yet."""
        key, ledger = self._world.key, self._world.exchange.ledger
        if self._soak.is_dry():
            return Decimal("Infinity")
        account = ledger.accounts[OWNER]
        if key.kind == CONTRACT:
            held = account.balances[Wallet.CONTRACT, key.area].held
            return account.usable(key.area, self._world.exchange.marks()) + held / 2
        coin = key.area if side is Side.BUY else self._soak.shape.instrument.base
        return account.balances[Wallet.SPOT, coin].total

    def _is_short_of_margin(self) -> bool:
        """Return whether the account cannot carry a ladder of contracts."""
        ladder = sum(self._soak.shape.sizes(), ZERO)
        is_contract = self._world.key.kind == CONTRACT
        return is_contract and self._funds(Side.BUY) < self._needed(Side.BUY, ladder) * SPARE * 2

    def _now(self) -> float:
        return self._world.timeline.monotonic()

    def _true_ms(self, at: float) -> float:
        return self._world.timeline.true_ms() - (self._now() - at) * 1000
