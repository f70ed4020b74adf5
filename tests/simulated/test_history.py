"""The life of every order of ours can be told from the log alone."""

import logging
import re
from decimal import Decimal

import pytest

from market_maker.paper.exchange.blotter import Status
from market_maker.paper.market.setup import OWNER, still_book
from tests.world.world import World

LINE = re.compile(
    r"Order (?P<side>Buy|Sell) (?P<qty>\S+) @ (?P<price>\S+) client_oid (?P<oid>\S+) "
    r"order_id (?P<id>\d+): (?P<state>\w+), (?P<filled>\S+) filled\."
)
Life = tuple[str, Decimal, Decimal, Decimal]


def told(log: pytest.LogCaptureFixture) -> dict[int, Life]:
    """Return the orders as the log tells of them: side, price, quantity, filled."""
    lives: dict[int, Life] = {}
    for record in log.records:
        if found := LINE.fullmatch(record.getMessage()):
            numbers = (Decimal(found[name]) for name in ("price", "qty", "filled"))
            price, qty, filled = numbers
            lives[int(found["id"])] = (found["side"], price, qty, filled)
    return lives


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "trouble",
    [{}, {"name": "lost", "match": "pc/order/create"}, {"name": "frame_lost", "match": "order"}],
    ids=["nothing", "answers lost", "news lost"],
)
def test_the_log_tells_the_history_that_the_exchange_has(
    seed: int, trouble: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "market_maker.orders.reconciler")
    world = World(seed=seed, LOG_LEVEL="DEBUG", RELIST_INTERVAL=0.001)
    with world.installed():
        bot = world.start()
        if trouble:
            world.fault(**trouble, times=5)  # type: ignore[arg-type]
        for step in range(20):
            world.run(10)
            world.take("sell", "8448", 31_000 + step)
            world.take("buy", "8539.5", 31_000 + 7 * step)
            world.play(still_book())
        bot.exit()
        orders = world.exchange.blotter.all(OWNER, list(Status))
        history = {
            order.order_id: (
                order.side.name.capitalize(),
                order.price,
                order.qty,
                order.qty - order.left,
            )
            for order in orders
        }
        assert len(history) > 20
        assert sum(life[3] for life in history.values()) > 0
        assert told(caplog) == history
