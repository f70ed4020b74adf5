"""What a tick logs on account, position and plan."""

import logging
from collections.abc import Sequence

from market_maker.decimals import plain
from market_maker.models import OrderRequest, Plan, Position, Snapshot
from market_maker.money import Money, value
from market_maker.safety import Health, TradingState
from market_maker.settings import settings

logger = logging.getLogger(__name__)


def log_status(snapshot: Snapshot, money: Money, health: Health) -> None:
    """Log the account, the position, and the trades and profit of this run."""
    instrument, position, trades = snapshot.instrument, snapshot.position, money.trades
    currency, mark = settings.SETTLECURRENCY, instrument.valuation_price
    if snapshot.margin:
        logger.info("Current %s Balance: %.6f", currency, snapshot.margin.total)
    logger.info("Current Contract Position: %s", _shown(position))
    if settings.CHECK_POSITION_LIMITS:
        logger.info("Position limits: %s/%s", settings.MIN_POSITION, settings.MAX_POSITION)
    for name, leg in (("long", position.long), ("short", position.short)):
        if leg.qty:
            digits = instrument.price_decimals
            logger.info("Avg Entry Price (%s): %.*f", name, digits, leg.entry_price)
    logger.info(
        "Contracts Traded This Run: bought %s, sold %s",
        *(plain(trades.bought), plain(trades.sold)),
    )
    if health.state is not TradingState.ACTIVE:
        logger.info("Trading state: %s, %s", health.state.value, health.reason)
    if money.doubt:
        logger.info("Profit and delta not shown: %s", money.doubt)
        return
    if mark and trades.fills:
        profit = trades.profit(instrument, mark)
        logger.info("Profit of this run before fees: %.6f %s", profit, currency)
    if mark and instrument.is_contract:
        delta = value(instrument, position.net, mark)
        logger.info("Total Contract Delta: %.4f %s", delta, currency)


def log_plan(plan: Plan) -> None:
    """Log that a plan has nothing to send; the executor logs what it sends."""
    if not plan.cancel and not plan.create:
        waiting = f", {len(plan.deferred)} waiting" if plan.deferred else ""
        logger.info("%d orders open as wanted%s.", len(plan.keep), waiting)


class Dropped:
    """Logs the wanted orders that are not placed, one line for each new reason."""

    def __init__(self) -> None:
        self._reasons: set[str] = set()

    def log(self, dropped: Sequence[tuple[OrderRequest, str]]) -> None:
        """Log the orders dropped in this tick, with their reasons."""
        reasons = dict.fromkeys(reason for _, reason in dropped)
        for why in reasons:
            if why not in self._reasons:
                orders = [str(order) for order, reason in dropped if reason == why]
                shown = ", ".join(orders[:2]) + (", ..." if len(orders) > 2 else "")
                logger.info("Not placed: %d orders, %s: %s", len(orders), why, shown)
        self._reasons = set(reasons)


def _shown(position: Position) -> str:
    long, short = plain(position.long.qty), plain(position.short.qty)
    return f"{plain(position.net)} (long {long}, short {short})"
