"""What is logged on market, account, position and plan, and at the end of a run."""

import logging
import math
from collections.abc import Sequence
from decimal import Decimal

from market_maker.clock import Clock
from market_maker.decimals import plain, to_grid
from market_maker.models import Exposure, Instrument, OrderRequest, Plan, Position, Snapshot
from market_maker.money import Money, value
from market_maker.safety import Health, TradingState
from market_maker.settings import settings
from market_maker.symbol import base_of, quote_of, unit_of
from market_maker.trading.order_keys import number

logger = logging.getLogger(__name__)
ending = logging.getLogger(f"{__name__}.ending")
"""Of the last lines of a run, which are never held back."""

CHANGED_SECONDS, UNCHANGED_SECONDS = 10.0, 60.0
"""A status that has changed is shown once in so many seconds, and one that has not."""


class Status:
    """Logs the status when position, trades, limits or state have changed, and once a minute.

    In between, and within ten seconds of the last time, it is logged at DEBUG.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shown: object = None
        self._shown_at = -math.inf
        self._full: set[str] = set()
        """What was logged of the sides that the position limit has closed."""
        self._beyond = 0

    def log(
        self,
        snapshot: Snapshot,
        moneys: tuple[Money, Money | None],
        health: Health,
        start: Sequence[float],
    ) -> None:
        """Log ticker, start prices (buy, sell, mid), account, position, trades and profit.

        `moneys` is that of the run; of a dry run that by touch, and that by through.
        """
        money, through = moneys
        position, trades = snapshot.position, money.trades
        limits = (settings.MIN_POSITION, settings.MAX_POSITION, settings.CHECK_POSITION_LIMITS)
        legs = (position.long.qty, position.short.qty)
        shown = (legs, trades.fills, health.state, limits, not money.doubt)
        now, level = self._clock.monotonic(), logging.DEBUG
        pause = UNCHANGED_SECONDS if shown == self._shown else CHANGED_SECONDS
        if now - self._shown_at >= pause:
            self._shown, self._shown_at, level = shown, now, logging.INFO
        if not logger.isEnabledFor(level):
            return
        for line in (
            *_market(snapshot, health, start),
            *_account(snapshot, health),
            *_trades(snapshot, money),
            *_through(snapshot.instrument, through),
        ):
            logger.log(level, "%s", line)

    def log_full(self, full: Sequence[tuple[str, str]]) -> None:
        """Log each side that the position limit has closed, once until it opens again."""
        for words, figures in full:
            if words not in self._full:
                logger.info("%s: %s", words, figures)
        self._full = {words for words, _ in full}

    def log_beyond(self, levels: int) -> None:
        """Log how many buys have no price above zero, when that changes."""
        if levels != self._beyond:
            self._beyond = levels
            logger.info("Not placed: %d buys, price below one tick (INTERVAL).", levels)


def log_start(version: str) -> None:
    """Log which bot is starting, for what, and where its orders go."""
    logger.info("GTE market maker %s.", version)
    logger.info("Using symbol %s.", settings.SYMBOL)
    logger.info(
        "Order Manager initializing, connecting to GTE at %s. %s",
        settings.API_URL_BASE,
        settings.run_in_words(),
    )


def log_end(snapshot: Snapshot | None, moneys: tuple[Money, Money | None]) -> None:
    """Log what a run has traded, the position that it leaves, and how to close that.

    `snapshot` is None when the feed does not show every table; `moneys` as in `Status.log()`.
    """
    money, through = moneys
    trades = money.trades
    unit = unit_of(snapshot.instrument.symbol) if snapshot else "in all"
    ending.info(
        "This run: %d fills, bought %s, sold %s %s.",
        *(trades.fills, plain(trades.bought), plain(trades.sold), unit),
    )
    if snapshot is None:
        ending.warning("The position left is not known: the feed is down. Look at the venue.")
        return
    exposure, instrument = snapshot.exposure, snapshot.instrument
    if through:  # the exposure of a dry run is the worse of two positions
        exposure = Exposure.of((snapshot.position.long.qty, snapshot.position.short.qty))
    for line in _through(instrument, through):
        ending.info("%s", line)
    if instrument.valuation_price and trades.fills and not money.doubt:
        ending.info("%s", _profit(money, instrument, instrument.valuation_price))
    log_balance(money)
    if _is_flat(exposure):
        ending.info("No position is left.")
        return
    low, high = plain(exposure.net_low), plain(exposure.net_high)
    left = f"{low if low == high else f'{low} to {high}'} {unit}"
    if exposure.long_high and exposure.short_high:
        left += f" (long {plain(exposure.long_high)}, short {plain(exposure.short_high)})"
    worth = "" if money.doubt else _worth(instrument, exposure)
    ending.warning("Position left: %s%s.", left, worth)
    if settings.kind_of_run():
        return
    if instrument.is_contract:
        ending.warning(
            "To close it, %s, or run with CHECK_POSITION_LIMITS = True, MIN_POSITION = 0 and "
            "MAX_POSITION = 0: then only orders that reduce it are placed.",
            "run `marketmaker cancel --close`",
        )
    else:  # the next run begins to count at 0
        ending.warning("To close it, trade at the venue.")


def log_balance(money: Money) -> None:
    """Log how the balance has changed in this run, and what explains that."""
    base = base_of(settings.SYMBOL)
    for found, currency in ((money.balance, settings.SETTLECURRENCY), (money.base, base)):
        if found.total is not None:
            usual = ("realised", "fees", "funding", "unexplained")
            parts = {name: each for name, each in found.parts().items() if each or name in usual}
            ending.info(
                "Balance: %.6f %s, %+.6f = %s, residual %+.7f.%s",
                *(found.total, currency, found.change),
                ", ".join(f"{name} {amount:+.6f}" for name, amount in parts.items()),
                found.residual,
                " It is from before the last fills." if found.is_behind else "",
            )


class PlanLog:
    """Logs what a plan does not send; the executor logs what it sends."""

    def __init__(self) -> None:
        self._reasons: set[str] = set()
        self._as_wanted = (0, 0)

    def log(self, plan: Plan, dropped: Sequence[tuple[OrderRequest, str]]) -> None:
        """Log wanted orders dropped for a new reason, and how many stand when that changes."""
        reasons = dict.fromkeys(reason for _, reason in dropped)
        for why in reasons:
            if why not in self._reasons:
                orders = [str(order) for order, reason in dropped if reason == why]
                shown = ", ".join(orders[:2]) + (", ..." if len(orders) > 2 else "")
                logger.info("Not placed: %d orders, %s: %s", len(orders), why, shown)
        self._reasons = set(reasons)
        before, self._as_wanted = self._as_wanted, (-1, -1)
        if not (plan.cancel or plan.create or (dropped and not plan.keep)):
            self._as_wanted = len(plan.keep), len(plan.deferred)
            waiting = f", {len(plan.deferred)} waiting" if plan.deferred else ""
            level = logging.DEBUG if self._as_wanted == before else logging.INFO
            logger.log(level, "%d orders open as wanted%s.", len(plan.keep), waiting)


# --- the lines ----------------------------------------------------------------------------------


def _market(snapshot: Snapshot, health: Health, start: Sequence[float]) -> list[str]:
    instrument, ticker = snapshot.instrument, snapshot.ticker
    digits = instrument.price_decimals
    if ticker.bid is None or ticker.ask is None:
        return []
    bid, ask = (f"{price:.{digits}f}" for price in (ticker.bid, ticker.ask))
    lines = [f"{instrument.symbol} Ticker: Buy: {bid}, Sell: {ask}"]
    has_start = all(number(price) is not None for price in start)  # a strategy may set others
    if has_start and health.state in (TradingState.ACTIVE, TradingState.REDUCING):
        buy, sell = (to_grid(price, instrument.tick) for price in start[:2])
        first_buy, first_sell, mid = (f"{price:.{digits}f}" for price in (buy, sell, start[2]))
        lines.append(f"Start Positions: Buy: {first_buy}, Sell: {first_sell}, Mid: {mid}")
    return lines


def _account(snapshot: Snapshot, health: Health) -> list[str]:
    position, instrument = snapshot.position, snapshot.instrument
    totals = {fund.currency: fund.total for fund in snapshot.funds.values()}
    if snapshot.margin and not totals:
        totals = {settings.SETTLECURRENCY: snapshot.margin.total}
    lines = [f"Current {currency} Balance: {total:.6f}" for currency, total in totals.items()]
    if instrument.is_contract:
        lines.append(f"Current Contract Position: {_legs(position)}")
    else:
        lines.append(
            f"Bought less Sold This Run: {plain(position.net)} {unit_of(instrument.symbol)}"
        )
    if settings.CHECK_POSITION_LIMITS:
        lines.append(f"Position limits: {settings.MIN_POSITION}/{settings.MAX_POSITION}")
    for name, leg in (("long", position.long), ("short", position.short)):
        if leg.qty and leg.entry_price:
            digits = instrument.price_decimals
            lines.append(f"Avg Entry Price ({name}): {leg.entry_price:.{digits}f}")
    if health.state is not TradingState.ACTIVE:
        lines.append(f"Trading state: {health.state.value}, {health.reason}")
    return lines


def _trades(snapshot: Snapshot, money: Money) -> list[str]:
    instrument, trades, currency = snapshot.instrument, money.trades, settings.SETTLECURRENCY
    mark = instrument.valuation_price
    bought, sold = plain(trades.bought), plain(trades.sold)
    what = "Contracts" if instrument.is_contract else unit_of(instrument.symbol)
    lines = [f"{what} Traded This Run: bought {bought}, sold {sold}"]
    if money.doubt:
        return [*lines, f"Profit and delta not shown: {money.doubt}"]
    if mark and trades.fills:
        lines.append(_profit(money, instrument, mark))
    if mark and instrument.is_contract:
        delta = value(instrument, snapshot.position.net, mark)
        lines.append(f"Total Contract Delta: {delta:.4f} {currency}")
    return lines


def _through(instrument: Instrument, through: Money | None) -> list[str]:
    """Return the line on what a dry run would have traded, had the market gone through."""
    if not through:
        return []
    trades, price = through.trades, instrument.valuation_price
    bought, sold = plain(trades.bought), plain(trades.sold)
    lines = [f"The above is by touch. By through: bought {bought}, sold {sold}"]
    if price and trades.fills:
        lines[0] += f", profit {through.profit(instrument, price):.6f} {settings.SETTLECURRENCY}"
    return lines


def _profit(money: Money, instrument: Instrument, price: Decimal) -> str:
    fees, currency = money.fees.worth(price), settings.SETTLECURRENCY
    lost = f", liquidation {money.liquidation:.6f}" if money.liquidation else ""
    return (
        f"Profit of this run after fees: {money.profit(instrument, price):.6f} {currency} "
        f"(fees {-fees:.6f}, funding {money.funding:.6f}{lost})"
    )


def _legs(position: Position) -> str:
    long, short = plain(position.long.qty), plain(position.short.qty)
    return f"{plain(position.net)} (long {long}, short {short})"


def _is_flat(exposure: Exposure) -> bool:
    return not (exposure.long_high or exposure.short_high or exposure.net_low or exposure.net_high)


def _worth(instrument: Instrument, exposure: Exposure) -> str:
    price = instrument.valuation_price
    if not price:
        return ""
    ends = dict.fromkeys((exposure.net_low, exposure.net_high))
    worth = " to ".join(f"{value(instrument, qty, price):.6f}" for qty in ends)
    currency = quote_of(instrument.symbol) or instrument.settle_currency
    return f", worth {worth} {currency} at {price:.{instrument.price_decimals}f}"
