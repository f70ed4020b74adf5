"""Why each quote of a run stands, and why others are missing: from the journal alone."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from market_maker.app.strategies import load_strategy
from market_maker.app.why import show
from market_maker.errors import SettingsError
from market_maker.journal import files_in
from market_maker.market_maker import OrderManager
from market_maker.models import Side
from market_maker.paper.exchange.instrument import CONTRACT, SPOT
from market_maker.report import why
from market_maker.report.moment import Moment, moment_of
from market_maker.secrecy import Secret
from market_maker.strategies import READY
from tests.simulated.test_run_journal import last_run, recorded
from tests.simulated.test_run_money import MARKETS
from tests.world.lively import Lively
from tests.world.world import World

pytestmark = pytest.mark.usefixtures("restored")


@pytest.fixture
def quoting(tmp_path: Path) -> Callable[..., World]:
    """Start a bot that records, and let it quote for a while."""

    def start(**options: object) -> World:
        world = recorded(World(**options), tmp_path)  # type: ignore[arg-type]
        world.start()
        world.run(10)
        return world

    return start


def now_ms(world: World) -> int:
    return world.timeline.true_ms() + 1  # rows are rounded to ms


def moment(world: World) -> Moment:
    return moment_of(last_run(world), now_ms(world))


def overview(world: World, *, only_missing: bool = False) -> str:
    return why.overview(moment(world), only_missing=only_missing)


@pytest.mark.parametrize("market", [CONTRACT, SPOT])
def test_the_open_quotes_are_the_orders_that_the_exchange_has(market: str, tmp_path: Path) -> None:
    options = {"MIN_POSITION": -300, "MAX_POSITION": 300} | MARKETS[market]
    world = recorded(World(still=False, **options), tmp_path)
    Lively(world, market)
    world.start()
    told = 0
    for _ in range(25):
        world.run(3)
        assert world.bot
        world.bot.tick()  # which writes what has happened
        now, live = moment(world), world.bot.exchange.orders.live()
        has = sorted(str(order.order_id) for order in world.orders())
        if sorted(order.order_id for order in live) != has:
            continue  # news is under way
        assert sorted(row["order_id"] for row in now.orders.values()) == has
        ids = {quote.client_oid for quote in now.quotes if quote.client_oid}
        lines = why.overview(now, only_missing=False).splitlines()
        assert sum(" open " in line for line in lines) == len(ids & set(now.orders))
        told += 1
    assert told > 5


def test_a_quote_that_a_limit_keeps_away_is_missing_with_the_figures(
    quoting: Callable[..., World],
) -> None:
    world = quoting(ORDER_PAIRS=3, ORDER_STEP_SIZE=50, MAX_POSITION=250, CHECK_POSITION_LIMITS=True)
    text = overview(world, only_missing=True)
    assert "level 2" not in text
    assert "level 3   not placed: position limit (position 0, 450 once" in text
    assert "MAX_POSITION 250" in text


def test_without_a_state_that_allows_quotes_all_are_missing_and_the_reason_is_told(
    quoting: Callable[..., World],
) -> None:
    world = quoting()
    quotes = len(world.orders())
    world.fault("mute", for_ms=60_000)
    world.run(40)
    assert not world.orders()
    text = overview(world)
    assert "State      PAUSED" in text
    assert "no quotes, all are missing" in text
    assert " open " not in text
    earlier = moment_of(last_run(world), world.timeline.true_ms() - 40_000)
    assert why.overview(earlier, only_missing=False).count(" open ") == quotes


def test_the_price_that_a_strategy_gave_leads_to_the_order_that_it_became(
    tmp_path: Path,
) -> None:
    class Odd(OrderManager):
        def place_orders(self) -> None:
            self.explain("odd prices")
            order = {"price": 8400.2, "orderQty": 10.9, "side": "Buy", "postOnly": True}
            self.converge_orders([order], [])

    world = recorded(World(), tmp_path)
    world.start(Odd)
    world.run(10)
    for price in ("8400.2", "8400"):
        text = why.at_price(moment(world), Decimal(price))
        assert "Strategy   odd prices" in text
        assert "strategy  level 1 of 1: 10.9 @ 8400.2, post_only" in text
        assert "rounding  price 8400, the nearest tick of 0.5" in text
        assert "rounding  quantity 10, down to the lot of 1" in text
        assert "now       open since" in text
    assert "Nothing was wanted at 9000" in why.at_price(moment(world), Decimal(9000))


@pytest.mark.parametrize("name", READY)
def test_a_ready_strategy_tells_why_its_ladder_begins_where_it_does(
    name: str, tmp_path: Path
) -> None:
    world = recorded(World(), tmp_path)
    world.start(load_strategy(name))
    world.run(10)
    text = overview(world)
    assert f"{load_strategy(name).__name__} quotes " in text
    assert "from the mid, with 0 coin held" in text
    assert ("a volatility of" in text) == (name not in ("skew", "microprice"))
    assert "moved apart" not in text, "that is the plain ladder's reason"


def test_the_history_of_an_order_tells_who_placed_it_and_who_ended_it(
    quoting: Callable[..., World],
) -> None:
    world = quoting(ORDER_PAIRS=2)
    before = {str(order.order_id) for order in world.orders()}
    world.take("buy", "8560", 1_000_000)
    world.put("sell", "8497.5", 1000)
    world.run(3)
    left = {str(order.order_id) for order in world.orders()} & before
    run = last_run(world)

    def history(order_id: str) -> str:
        rows = run.steps_of(order_id, until_ms=now_ms(world))
        return why.of_order(run, rows)

    text = history(next(iter(before - left)))
    assert "Placed by the decision at" in text
    assert "strategy  level" in text
    assert text.endswith("Ended      filled\n")
    assert world.bot
    world.bot.stop("SIGTERM")
    world.bot.exit()
    run = last_run(world)
    assert "Cancelled  as the run ended: SIGTERM" in history(next(iter(left)))
    assert run.steps_of("nonsense'; DROP", until_ms=10**15) == []


def test_a_create_that_the_venue_refuses_is_missing_with_what_the_log_said(
    quoting: Callable[..., World],
) -> None:
    world = quoting(ORDER_PAIRS=1, API_ERROR_INTERVAL=20)
    world.fault("code", value="-10013", match="pc/order/create", times=1)
    world.venue_cancels(world.orders()[0])
    world.run_until(lambda: "refused by the venue" in overview(world, only_missing=True))
    assert "the log: " in overview(world, only_missing=True)
    world.run(4)
    text = overview(world, only_missing=True)
    assert "not sent: the venue has refused creates: none for API_ERROR_INTERVAL" in text
    world.run(20)
    assert "Missing: none." in overview(world, only_missing=True)


def test_what_a_strategy_explains_is_short_bounded_and_without_secrets(tmp_path: Path) -> None:
    key = Secret("a-very-secret-key-of-the-user", tail=4)

    class Chatty(OrderManager):
        def place_orders(self) -> None:
            for number in range(200):
                self.explain(f"{number} {key.reveal()} " + "long " * 200)
            self.converge_orders([], [])

    world = recorded(World(), tmp_path)
    world.start(Chatty)
    world.run(10)
    decided = moment(world).decided
    assert decided
    assert 0 < len(decided.notes) <= 50
    assert max(map(len, decided.notes)) <= 300
    assert key.reveal() not in overview(world)


def shown(world: World, what: str | None = None, **given: object) -> str:
    """Return what the command prints about the last run of a world."""
    (path,) = files_in(world.journals) if world.journals else ()
    asked = {"run": str(path), "what": what, "at": None, "missing": False} | given
    return show(argparse.Namespace(**asked))


def test_of_an_ended_run_it_is_the_last_tick_and_the_end_is_told(
    quoting: Callable[..., World],
) -> None:
    world = quoting()
    quotes = len(world.orders())
    assert world.bot
    world.bot.stop("SIGTERM")
    world.bot.exit()
    text = shown(world)
    assert ": SIGTERM" in text
    assert text.count(" open ") == quotes
    assert "not sent" not in text
    with pytest.raises(SettingsError, match="the last tick of run 1 was at"):
        shown(world, at=datetime(2031, 1, 1, tzinfo=UTC))
    with pytest.raises(SettingsError, match="run 1 began at"):
        shown(world, at=datetime(2011, 1, 1, tzinfo=UTC))


def test_an_id_that_the_run_had_not_is_no_price(quoting: Callable[..., World]) -> None:
    world = quoting()
    for what in ("1046232872605745152", "mm_gte_nobody", "-5", "NaN"):
        with pytest.raises(SettingsError, match="had no order"):
            shown(world, what)


def test_a_create_that_has_filled_since_is_no_open_quote(quoting: Callable[..., World]) -> None:
    world = quoting(ORDER_PAIRS=1, WAKE_ON_FILL=False, LOOP_INTERVAL=30)
    best = max(order.price for order in world.orders() if order.side.name == "BUY")
    world.take("sell", str(best), 1_000_000)
    world.put("buy", "8490", 1000)
    world.timeline.sleep(1)
    assert world.bot
    world.bot.exchange.orders.take_news()
    world.bot.exchange.records._journal.write()  # type: ignore[union-attr]
    lines = overview(world).splitlines()
    assert [line.split()[4] for line in lines if line.startswith("Buy ")] == ["filled"]


def test_a_side_that_the_strategy_does_not_want_is_missing_as_a_whole(
    quoting: Callable[..., World],
) -> None:
    world = quoting(CHECK_POSITION_LIMITS=True, MAX_POSITION=0)
    text = overview(world, only_missing=True)
    assert "Long position limit reached, no more buys: up to 0, MAX_POSITION 0" in text
    assert "Buy                      missing            the strategy wanted none" in text
    assert "Missing: none" not in text


def test_what_a_strategy_explains_is_one_line_whatever_it_is(tmp_path: Path) -> None:
    class Odd(OrderManager):
        def place_orders(self) -> None:
            self.explain("a line\nState      HALTED: forged")
            self.explain(None)
            self.converge_orders([], [])

    world = recorded(World(), tmp_path)
    world.start(Odd)
    world.run(5)
    lines = overview(world).splitlines()
    assert "Strategy   a line State HALTED: forged" in lines
    assert "Strategy   None" in lines


def test_orders_placed_beside_a_ladder_that_is_decided_later_are_told_too(tmp_path: Path) -> None:
    class Late(OrderManager):
        ticks = 0

        def place_orders(self) -> None:
            self.ticks += 1
            if self.ticks == 1:
                super().place_orders()
            elif self.ticks == 3:
                order = {"price": 6800, "orderQty": 7, "side": Side.BUY.value}
                self.exchange.create_bulk_orders([order])

    world = recorded(World(), tmp_path)
    world.start(Late)
    world.run(15)
    text = overview(world)
    assert "Buy  7 @ 6800            open               placed beside the ladder" in text
    assert "Nothing was wanted" not in why.at_price(moment(world), Decimal(6800))


def test_orders_that_a_strategy_places_beside_its_ladder_are_told(tmp_path: Path) -> None:
    class Beside(OrderManager):
        def place_orders(self) -> None:
            if not self.exchange.get_orders():
                order = {"price": 8400, "orderQty": 10, "side": Side.BUY.value}
                self.exchange.create_bulk_orders([order])

    world = recorded(World(), tmp_path)
    world.start(Beside)
    world.run(10)
    text = overview(world)
    assert "Buy  10 @ 8400" in text
    assert " open " in text
