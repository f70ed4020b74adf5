"""The bot on a living market, judged by the exchange and not by the bot's word."""

import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import wait_until

from market_maker.market_maker import OrderManager
from market_maker.paper.server.in_process import PaperExchange
from market_maker.settings import settings

TIGHT = {"ORDER_PAIRS": 5, "INTERVAL": 0.0003, "MIN_SPREAD": 0.0003, "RELIST_INTERVAL": 0.0003}


@pytest.fixture
def venue() -> Iterator[PaperExchange]:
    """A paper exchange whose market lives."""
    with PaperExchange(seed=7) as exchange:
        yield exchange


@pytest.fixture
def market() -> Iterator[Callable[..., OrderManager]]:
    """Make order managers for a venue, and restore the settings."""
    saved = dict(vars(settings))

    def make(venue: PaperExchange, **changed: object) -> OrderManager:
        given = {
            **{"API_URL_BASE": venue.rest_url, "WS_URL": venue.ws_url, "DRY_RUN": False},
            **{"API_KEY": venue.key, "API_SECRET": venue.secret, "LOOP_INTERVAL": 0.3},
        }
        settings.load(None, overrides=given | TIGHT | changed)
        return OrderManager()

    yield make
    vars(settings).clear()
    vars(settings).update(saved)


def run_until(bot: OrderManager, condition: Callable[[], object], act: Callable[[], None]) -> None:
    loop = threading.Thread(target=bot.run_loop, daemon=True)
    loop.start()
    try:
        act()
        wait_until(condition, seconds=30)
    finally:
        bot.stop("the test is over")
        loop.join(timeout=40)
    assert not loop.is_alive()


def assert_behaved(bot: OrderManager, venue: PaperExchange) -> None:
    judge = venue.judge()
    assert venue.open_orders() == []
    assert judge.doubled == []
    assert judge.self_trades == 0
    assert judge.breaches == {}
    assert (bot.exchange.money.trades.bought, bot.exchange.money.trades.sold) == (
        judge.bought,
        judge.sold,
    )


def test_what_the_bot_says_it_traded_is_what_the_exchange_says(
    market: Callable[..., OrderManager], venue: PaperExchange
) -> None:
    bot = market(venue)
    run_until(bot, lambda: len(venue.judge().fills) >= 5, lambda: None)
    assert_behaved(bot, venue)


@pytest.mark.slow
def test_limits_hold_on_a_living_market(
    market: Callable[..., OrderManager], venue: PaperExchange
) -> None:
    bot = market(
        venue,
        CHECK_POSITION_LIMITS=True,
        MIN_POSITION=-500,
        MAX_POSITION=500,
        ORDER_STEP_SIZE=0,
    )
    run_until(bot, lambda: len(venue.judge().fills) >= 8, lambda: None)
    assert_behaved(bot, venue)
    for exposure in venue.judge().exposure.values():
        assert exposure.net_long <= 500
        assert exposure.net_short <= 500


def test_cuts_a_freeze_and_a_restart_double_and_orphan_nothing(
    market: Callable[..., OrderManager], venue: PaperExchange
) -> None:
    bot = market(venue, TIMEOUT=0.5)
    epoch = bot.exchange.feed.epoch

    def trouble() -> None:
        wait_until(lambda: venue.open_orders())
        for _ in range(3):
            before = bot.exchange.feed.epoch
            venue.drop()
            wait_until(lambda before=before: bot.exchange.feed.epoch > before)
        venue.freeze()
        time.sleep(1.0)  # how long the venue is frozen
        venue.thaw()
        venue.stop()
        wait_until(lambda: not bot.exchange.is_open())
        venue.start()

    def quoting_again() -> bool:
        return bool(venue.open_orders()) and bot.exchange.feed.epoch >= epoch + 4

    run_until(bot, quoting_again, trouble)
    assert_behaved(bot, venue)


def test_a_recorded_market_is_traded_on_its_own_grid(
    market: Callable[..., OrderManager], tmp_path: Path
) -> None:
    """Depth, then a taker who sells down through our first buy, in ticks of 0.1."""
    began, second = 1_700_000_000_000_000_000, 1_000_000_000
    name = "BTCUSD_PERP"
    bids = ",".join(f'["{8490 - n}.1","50"]' for n in range(30))
    asks = ",".join(f'["{8491 + n}.3","50"]' for n in range(30))
    tape = tmp_path / "tape"
    tape.write_text(
        f'{began} {{"lastUpdateId":1,"symbol":"{name}","bids":[{bids}],"asks":[{asks}]}}\n'
        f'{began + 2 * second} {{"data":{{"e":"trade","s":"{name}",'
        '"p":"8485.1","q":"5000","m":true}}\n'
        f'{began + 3 * second} {{"data":{{"e":"depthUpdate","s":"{name}",'
        '"u":3,"b":[["8490.1","0"]],"a":[]}}\n'
    )
    with PaperExchange(tape=tape) as venue:
        bot = market(venue)
        assert Decimal(str(bot.instrument["tickSize"])) == Decimal("0.1")
        run_until(bot, lambda: venue.judge().fills, lambda: None)
        assert_behaved(bot, venue)
        assert bot.exchange.money.trades.bought > 0
