"""What must be true of every run: judged by the exchange's own truth, not by the bot's word."""

from collections.abc import Mapping
from decimal import Decimal

from market_maker.paper.exchange.blotter import Status
from market_maker.paper.exchange.engine import Side
from market_maker.paper.market.setup import OWNER
from market_maker.safety.trading_state import TradingState
from market_maker.settings import settings
from tests.world.world import World


def assert_sound(
    world: World, *, breaches: Mapping[str, int] | bool = False, exposure: bool = True
) -> None:
    """Nothing happened that never may, at no moment until now.

    `breaches` are the refusals for too many requests that the test itself has brought about, or
    True for any; without `exposure` it is not looked at, because others trade on the account too.
    """
    report = world.report
    assert report.doubled == []
    assert report.self_trades == 0
    assert breaches is True or report.breaches == (breaches or {})
    if exposure and settings.CHECK_POSITION_LIMITS:
        strange = [o.left for o in world.exchange.blotter.live(OWNER) if o not in world.orders()]
        for worst in report.exposure.values():
            assert worst.net_long <= Decimal(str(settings.MAX_POSITION)) + sum(strange)
            assert worst.net_short <= -Decimal(str(settings.MIN_POSITION)) + sum(strange)
    cancelled = world.exchange.blotter.all(OWNER, {Status.CANCELLED})
    prefix = settings.ORDERID_PREFIX
    strangers = [o for o in cancelled if not (o.client_oid or "").startswith(prefix)]
    assert strangers == [], "orders of others were touched"


def assert_agrees(world: World) -> None:
    """The bot knows its orders, its fills and its position as the exchange does."""
    bot = world.bot
    assert bot
    own = bot.exchange.orders.tracker
    known = {(int(order.order_id), order.filled) for order in own.live()}
    assert known == {(order.order_id, order.filled) for order in world.orders()}
    sums = {Side.BUY: Decimal(0), Side.SELL: Decimal(0)}
    for fill in world.report.fills:
        if (fill.client_oid or "").startswith(settings.ORDERID_PREFIX + bot.exchange.client.run):
            sums[fill.side] += fill.qty
    trades = bot.exchange.money.trades
    assert (trades.bought, trades.sold) == (sums[Side.BUY], sums[Side.SELL])
    position = bot.exchange.feed.position()
    assert (position.long.qty, position.short.qty) == world.position()


def assert_well(
    world: World, *, breaches: Mapping[str, int] | bool = False, exposure: bool = True
) -> None:
    """All is as if nothing had ever gone wrong: quoting, and in step with the exchange."""
    assert_sound(world, breaches=breaches, exposure=exposure)
    bot = world.bot
    assert bot
    assert bot.health.state is TradingState.ACTIVE, bot.health.reason
    assert bot.exchange.feed.is_connected()
    assert_agrees(world)
    levels = {(order.side, order.close, order.price) for order in world.orders()}
    assert len(levels) == len(world.orders()) > 0
