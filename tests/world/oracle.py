"""What must be true of a world whatever happens in it, by the exchange's own truth."""

from decimal import Decimal

from market_maker.health import TradingState
from market_maker.market_maker import OrderManager
from market_maker.paper.stage import OWNER
from market_maker.settings import settings
from tests.world.world import World


def assert_sound(world: World, *, breaches: int = 0, foreign: int = 0) -> None:
    """Fail when the bot has ever doubled an order, traded with itself, or passed a limit.

    `foreign` is how many orders of others must rest still.
    """
    report = world.report
    assert report.doubled == []
    assert report.self_trades == 0
    assert sum(report.breaches.values()) <= breaches
    assert_within_limits(world)
    others = [o for o in world.exchange.blotter.live(OWNER) if o not in world.orders()]
    assert len(others) == foreign


def assert_within_limits(world: World) -> None:
    """Fail when more could ever have been held than the limits allow."""
    if settings.CHECK_POSITION_LIMITS:
        for worst in world.report.exposure.values():
            assert worst.net_long <= Decimal(str(settings.MAX_POSITION))
            assert worst.net_short <= -Decimal(str(settings.MIN_POSITION))


def assert_well(world: World, seconds: float = 30.0) -> None:
    """Run so long, and fail when the bot is not ACTIVE then or sees not what the exchange has."""
    world.run(seconds)
    bot = world.bot
    assert bot
    assert bot.health.state is TradingState.ACTIVE, bot.health
    assert bot.exchange.feed._thread.is_alive()
    assert_agrees(world, bot)


def assert_agrees(world: World, bot: OrderManager) -> None:
    """Fail when the bot's orders or its position are not the exchange's."""
    seen = {order.client_oid: order.filled for order in bot.exchange.own.live()}
    assert seen == {order.client_oid: order.filled for order in world.orders()}
    position = bot.exchange.snapshot().position
    assert (position.long.qty, position.short.qty) == world.position()
