"""What has to be true of every world, whatever was done to it."""

from market_maker.health import TradingState
from market_maker.models import OrderState
from market_maker.paper.blotter import Status
from market_maker.paper.stage import OWNER
from market_maker.settings import settings
from tests.world.world import World


def assert_safe(world: World, *, breaches: bool = False, exposure: bool = True) -> None:
    """Fail when harm was done at any moment so far.

    `breaches` allows those that a fault feigns; without `exposure` it is not looked at, because
    others trade on the account too.
    """
    report = world.report
    assert report.doubled == []
    assert report.self_trades == 0
    assert breaches or not report.breaches, report.breaches
    for worst in report.exposure.values() if exposure else ():
        assert worst.net_long <= settings.MAX_POSITION
        assert worst.net_short <= -settings.MIN_POSITION
    for order_id in world.foreign:
        order = world.exchange.blotter.find(OWNER, order_id)
        assert order, f"the order {order_id} of somebody else is gone"
        assert order.status is not Status.CANCELLED, f"{order} is not ours, and was cancelled"


def assert_sound(world: World, *, breaches: bool = False, exposure: bool = True) -> None:
    """Fail when harm was done, or when the bot does not quote by what is true at the venue."""
    assert_safe(world, breaches=breaches, exposure=exposure)
    assert world.bot
    assert world.bot.health.state is TradingState.ACTIVE, world.bot.health
    own = world.bot.exchange.own.live()
    assert own, "it quotes nothing"
    assert {order.state for order in own} <= {OrderState.OPEN}
    assert {order.order_id for order in own} == {str(o.order_id) for o in world.orders()}
    position = world.bot.exchange.snapshot().position
    assert (position.long.qty, position.short.qty) == world.position()
    assert world.bot.exchange.feed.is_connected(), "the feed's thread has died"
