"""What a person is told of a run, and when, on simulated time."""

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from market_maker.bot.notifications import LONG_PAUSE, StateNews
from market_maker.errors import OrdersLeft, VenueUnreachable
from market_maker.market_maker import OrderManager
from market_maker.notify import Kind, Message
from market_maker.paper.market.setup import still_book
from market_maker.paper.market.tape import BTC_USD
from market_maker.safety import Health, TradingState
from market_maker.secrecy import Secret
from market_maker.settings import settings
from tests.world.world import World

URL = "https://example.org/c4nary-hook"
MIDNIGHT_MS = 1_580_515_200_000
"""2020-02-01 00:00 UTC."""


@dataclass
class Told:
    """Takes messages as `Sender` does, and keeps them."""

    messages: list[Message] = field(default_factory=list)
    is_closed: bool = False

    def tell(self, message: Message) -> None:
        assert not self.is_closed
        self.messages.append(message)

    def close(self, seconds: float) -> None:
        assert seconds <= 3
        self.is_closed = True

    def of(self, kind: Kind) -> list[str]:
        return [each.text for each in self.messages if each.kind is kind]


@dataclass
class Run:
    """A bot that tells, in a world."""

    world: World
    bot: OrderManager
    told: Told


def start(kind: type[OrderManager] = OrderManager, **changed: Any) -> Run:
    """Start a bot with an address for its notifications."""
    told, start_ms = Told(), changed.pop("start_ms", MIDNIGHT_MS + 3_600_000)
    world = World(NOTIFY_URL=URL, start_ms=start_ms, **changed)
    plain = world.runtime

    def runtime(*given: Any, **named: Any) -> Any:
        def sender(url: Secret) -> Told:
            assert url == URL
            return told

        return replace(plain(*given, **named), sender=sender)

    world.runtime = runtime  # type: ignore[method-assign]
    world.timeline.every(2, lambda: world.index(str(world.exchange.listing(BTC_USD).index)))
    return Run(world, world.start(kind), told)


def let_buy(world: World, price: str) -> None:
    """Let our buys down to a price fill, and the others stand as before."""
    world.take("sell", price, 1_000_000)
    world.play(still_book())


@pytest.fixture(autouse=True)
def settings_of_before(empty: World) -> None:
    """Put the settings back at the end."""


def test_a_quiet_run_tells_nothing() -> None:
    run = start()
    run.world.run(LONG_PAUSE + 60)
    run.bot.exit()
    assert run.told.messages == []


def test_a_halt_is_told_once_with_its_reason_and_the_way_out() -> None:
    run = start()
    run.world.run(5)
    run.bot.halt("kill switch")
    run.world.run(LONG_PAUSE + 60)
    assert [each.kind for each in run.told.messages] == [Kind.HALTED]
    (text,) = run.told.of(Kind.HALTED)
    assert "kill switch" in text
    assert "--clear-halt" in text
    about = run.told.messages[0].about
    assert str(about) == "BTC_USD mm_gte_ (PAPER)"


def test_the_loss_limit_is_a_halt_of_its_own_kind() -> None:
    run = start(MAX_LOSS=0.00001)
    run.world.run(5)
    for _ in range(20):
        run.world.take("sell", "8000", 1_000_000)
        run.world.index("8300")
        run.world.run(5)
    assert [each.kind for each in run.told.messages][:1] == [Kind.LOSS]
    assert run.told.of(Kind.HALTED) == []


def test_a_pause_is_told_when_it_has_lasted_long_and_when_it_has_ended() -> None:
    run = start()
    run.world.run(5)
    run.world.fault("refuse", for_ms=int(LONG_PAUSE + 120) * 1000)
    run.world.network.drop_all()
    run.world.run(LONG_PAUSE - 10)
    assert run.told.messages == []
    run.world.run(20)
    (text,) = run.told.of(Kind.PAUSED)
    assert text.startswith("PAUSED, not quoting for 5 min: feed not connected")
    run.world.run(300)
    assert [each.kind for each in run.told.messages] == [Kind.PAUSED, Kind.RESUMED]
    assert re.match(r"ACTIVE again, after \d+ min\.", run.told.of(Kind.RESUMED)[0])


def test_each_long_pause_of_a_run_is_told_and_its_end() -> None:
    news, told = StateNews(), []
    for begun in (100.0, 1_000.0):
        for after in (0.0, LONG_PAUSE - 1, LONG_PAUSE, LONG_PAUSE + 60):
            told += news.see(Health(TradingState.PAUSED, "feed"), begun + after)
        told += news.see(Health(TradingState.ACTIVE, ""), begun + LONG_PAUSE + 120)
    assert [kind for kind, _ in told] == [Kind.PAUSED, Kind.RESUMED] * 2
    assert {text for kind, text in told if kind is Kind.RESUMED} == {"ACTIVE again, after 7 min."}


def test_many_short_pauses_are_not_told() -> None:
    run = start()
    for _ in range(10):
        run.world.run(50)
        run.world.network.drop_all()
    assert run.told.messages == []


def test_at_midnight_utc_the_day_is_told() -> None:
    run = start(
        start_ms=MIDNIGHT_MS - 600_000,
        **{"ORDER_PAIRS": 2, "ORDER_START_SIZE": 100, "ORDER_STEP_SIZE": 0},
        **{"INTERVAL": 0.001, "MIN_SPREAD": 0.0005},
    )
    run.world.run(100)
    let_buy(run.world, "8470")
    run.world.run_until(lambda: run.told.messages, 600)
    assert 0 <= run.told.messages[0].time_ms - MIDNIGHT_MS < 3000
    (text,) = run.told.of(Kind.SUMMARY)
    assert text.startswith("2020-01-31 UTC, since 23:50: profit after fees ")
    money, instrument = run.bot.exchange.money, run.bot.exchange.snapshot().instrument
    assert money.trades.fills == 2
    assert ", 2 fills, position 200 contracts. Quoted: a bid 100.0%, an ask " in text
    profit = Decimal(re.findall(r"fees (\S+) BTC", text)[0])
    assert abs(profit - money.profit(instrument, instrument.mark_price or Decimal(0))) < Decimal(
        "0.0001"
    )


def test_the_next_day_counts_from_midnight() -> None:
    run = start(start_ms=MIDNIGHT_MS - 60_000, ORDER_PAIRS=1)
    run.world.run(30)
    let_buy(run.world, "8448")
    run.world.run(40)
    assert ", 1 fills, position 100 contracts" in run.told.of(Kind.SUMMARY)[0]
    run.world.timeline.step_wall_clock(86_400_000 - 30_000)
    run.world.run(60)
    first, second = run.told.of(Kind.SUMMARY)
    assert first.startswith("2020-01-31 UTC, since 23:59: ")
    assert second.startswith("2020-02-01 UTC: profit after fees ")
    assert ", 0 fills, position 100 contracts" in second


def test_a_run_that_becomes_a_dry_one_counts_anew() -> None:
    run = start(start_ms=MIDNIGHT_MS - 120_000, ORDER_PAIRS=1)
    run.world.run(10)
    let_buy(run.world, "8448")
    run.world.run(20)
    run.bot.exchange.go_dry()
    run.world.run(100)
    (text,) = run.told.of(Kind.SUMMARY)
    assert text.startswith("2020-01-31 UTC, since 23:58: profit after fees ")
    assert ", 0 fills, " in text


def test_midnight_is_told_within_a_minute_whatever_the_loop_interval() -> None:
    run = start(start_ms=MIDNIGHT_MS - 60_000, LOOP_INTERVAL=3600)
    run.world.run(62)
    (message,) = run.told.messages
    assert MIDNIGHT_MS <= message.time_ms < MIDNIGHT_MS + 61_500


def test_a_day_that_ends_without_the_feed_is_told_all_the_same() -> None:
    run = start(start_ms=MIDNIGHT_MS - 60_000)
    run.world.run(5)
    run.world.fault("refuse", for_ms=240_000)
    run.world.network.drop_all()
    run.world.run(130)
    (text,) = run.told.of(Kind.SUMMARY)
    assert "profit after fees not known, 0 fills, position not known" in text


def test_a_wall_clock_that_is_set_back_over_midnight_tells_no_day_twice() -> None:
    run = start(start_ms=MIDNIGHT_MS - 10_000)
    run.world.run(20)
    run.world.timeline.step_wall_clock(-30_000)
    run.world.run(60)
    assert len(run.told.of(Kind.SUMMARY)) == 1


def test_orders_that_may_be_left_are_told_with_which() -> None:
    run = start()
    run.world.run(5)
    run.world.fault("lost", match="pc/order/cancel", times=1000)
    run.world.fault("status", match="pc/order/query", value="503", times=1000)
    run.bot.stop("SIGTERM")
    with pytest.raises(OrdersLeft) as caught:
        run.bot.run_loop()
    (text,) = run.told.of(Kind.ORDERS_LEFT)
    assert all(order in text for order in caught.value.orders)
    assert "`marketmaker cancel`" in text
    assert run.told.is_closed


def test_an_error_that_ends_a_run_is_told() -> None:
    class Ends(OrderManager):
        def run_loop(self, _: int | None = None) -> None:
            raise ValueError(f"no such level at {URL}")

    run = start(Ends)
    with pytest.raises(ValueError, match="no such level"):
        run.bot.run_loop()
    (text,) = run.told.of(Kind.DIED)
    assert "ended by an error, ValueError: no such level at ***. Its orders are cancelled" in text
    assert run.told.is_closed


def test_a_run_that_cannot_start_tells_nothing() -> None:
    told = Told()
    world = World(NOTIFY_URL=URL)
    world.fault("refuse", for_ms=60_000)
    settings.load(overrides=world.settings)
    with pytest.raises(VenueUnreachable):
        OrderManager.made_with(replace(world.runtime(), sender=lambda _: told))
    assert told.messages == []
    assert told.is_closed


def test_a_dry_run_tells_too_and_says_that_it_is_one() -> None:
    run = start(DRY_RUN=True, API_KEY="", API_SECRET="")
    run.world.run(5)
    run.bot.halt("kill switch")
    run.world.run(5)
    assert [str(each.about) for each in run.told.messages] == ["BTC_USD mm_gte_ (DRY RUN)"]


def test_a_reason_shows_no_secret() -> None:
    run = start()
    run.world.run(5)
    run.bot.halt(f"the venue says {URL} and paper-secret")
    run.world.run(5)
    assert "c4nary" not in run.told.messages[0].text


def test_a_simulated_run_sends_nothing_whatever_the_settings_say(empty: World) -> None:
    bot = empty.start(NOTIFY_URL=URL)
    assert empty.runtime().sender is None
    bot.halt("kill switch")
    empty.run(5)
    bot.exit()


def test_a_strategy_that_replaces_tick_is_followed_all_the_same() -> None:
    class Own(OrderManager):
        def tick(self) -> None:
            self.sanity_check()

    run = start(Own)
    run.bot.halt("kill switch")
    run.world.run(5)
    assert [each.kind for each in run.told.messages] == [Kind.HALTED]


def test_a_message_that_cannot_be_made_costs_no_tick(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    run = start()

    def fail(_: Message) -> None:
        raise ValueError("no")

    monkeypatch.setattr(run.told, "tell", fail)
    run.world.run(5)
    run.bot.halt("kill switch")
    run.world.run(5)
    assert "A notification cannot be made." in log.text
    assert run.world.orders() == []
