"""Faults of settings files, strategies, process and machine."""

import io
import itertools
import logging
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from market_maker import __version__
from market_maker.app.logs import VARYING, RateLimitedHandler
from market_maker.bot import Run, Runtime
from market_maker.client_oid import new_oid
from market_maker.errors import OrdersLeft, Temporary
from market_maker.guard.session import Session
from market_maker.market_maker import OrderManager
from market_maker.models import OpenOrder, Side
from market_maker.orders.startup import EarlierRuns, runs_at_work
from market_maker.paper.exchange.engine import Side as Bid
from market_maker.paper.exchange.instrument import CONTRACT, SPOT, Key
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.market.setup import OWNER
from market_maker.paper.market.tape import BTC_USD
from market_maker.safety.trading_state import TradingState
from market_maker.settings import settings
from tests.chaos.market import Walk
from tests.world.oracle import assert_sound, assert_well
from tests.world.scene import Requests, move_bids, move_market, record_of, state
from tests.world.world import World


def run_well(world: World, seconds: float = 30.0) -> None:
    """Run so long; then all must be well."""
    world.run(seconds)
    assert_well(world)


GOLDEN = [
    *("SELL 446 @ 8625", "SELL 273 @ 8582", "SELL 100 @ 8539.5"),
    *("BUY 100 @ 8448", "BUY 273 @ 8406", "BUY 446 @ 8364"),
]
Make = Callable[..., World]

PAIR = Key(SPOT, "USDT", "BTC/USDT")


@pytest.fixture
def shown() -> Iterator[io.StringIO]:
    """What the command line's handler shows, a level and a text in each line."""
    stream = io.StringIO()
    handler = RateLimitedHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def make(log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make a world and put it in place; a bot in it starts with `start()`."""
    installed = []

    def enter(**given: Any) -> World:
        world = World(**({"CHECK_POSITION_LIMITS": True} | given))
        monkeypatch.setattr("market_maker.app.logs.SYSTEM", world.timeline)
        context = world.installed()
        context.__enter__()
        installed.append(context)
        return world

    yield enter
    for context in reversed(installed):
        context.__exit__(None, None, None)


@pytest.fixture
def world(make: Make) -> World:
    return make()


def bot_of(world: World) -> OrderManager:
    assert world.bot
    return world.bot


def lines(log: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in log.records)


# --- settings that change -----------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path, world: World) -> Path:
    """A settings file that the bot in the world runs on."""
    path = tmp_path / "settings.py"
    path.write_text(text_of(world))
    return path


def text_of(world: World, **changed: Any) -> str:
    given = world.settings | {"WATCHED_FILES": []} | changed
    return "".join(f"{name} = {value!r}\n" for name, value in given.items())


def test_a_syntax_error_on_reload_keeps_the_old_settings_and_is_said_each_minute(
    world: World, file: Path, log: pytest.LogCaptureFixture
) -> None:
    world.start(file=file)
    world.run(10)
    file.write_text(text_of(world, ORDER_PAIRS=2) + "INTERVAL = (\n")
    world.run(200)
    assert settings.ORDER_PAIRS == 3
    assert len(world.orders()) == 6
    assert 3 <= lines(log, "Settings not reloaded") <= 4
    assert "settings.py:" in log.text
    file.write_text(text_of(world, ORDER_PAIRS=2))
    world.run(10)
    assert len(world.orders()) == 4
    said = lines(log, "Settings not reloaded")
    run_well(world, 120)
    assert lines(log, "Settings not reloaded") == said
    assert_sound(world)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"SYMBOL": "ETH_USD"}, "SYMBOL needs a restart by hand"),
        ({"ORDERID_PREFIX": "other_"}, "ORDERID_PREFIX needs a restart by hand"),
        ({"API_URL_BASE": "http://127.0.0.1:2"}, "API_URL_BASE needs a restart by hand"),
        ({"WS_URL": "ws://127.0.0.1:2"}, "WS_URL needs a restart by hand"),
        ({"API_SECRET": "another-secret"}, "API_SECRET needs a restart by hand"),
        ({"API_KEY": "paper-another"}, "API_KEY needs a restart by hand"),
    ],
)
def test_a_reload_does_not_change_who_trades_what_and_where(
    world: World,
    file: Path,
    log: pytest.LogCaptureFixture,
    changed: dict[str, str],
    words: str,
) -> None:
    world.start(file=file)
    world.run(10)
    before = [order.order_id for order in world.orders()]
    file.write_text(text_of(world, ORDER_PAIRS=1, **changed))
    run_well(world, 20)
    assert words in log.text
    assert not any(value in log.text for value in changed.values() if value.startswith("another"))
    assert [order.order_id for order in world.orders()] == before
    assert settings.ORDER_PAIRS == 3
    assert_sound(world)


def test_a_dry_run_does_not_go_live_by_an_edit(
    world: World, file: Path, log: pytest.LogCaptureFixture
) -> None:
    file.write_text(text_of(world, DRY_RUN=True))
    world.start(file=file)
    world.run(10)
    file.write_text(text_of(world, DRY_RUN=False))
    world.run(20)
    assert "DRY_RUN = False needs a restart by hand" in log.text
    assert settings.DRY_RUN
    assert world.report.accepted == 0


def test_what_a_live_run_has_done_is_told_as_such_before_it_becomes_a_dry_run(
    world: World, file: Path, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(text_of(world))
    world.start(file=file)
    world.run(10)
    world.take("sell", "8440", 60_000)
    world.run(10)
    assert world.position() != (0, 0)
    kinds: list[tuple[str, str]] = []
    emit = logging.Handler.handle

    def watch(self: logging.Handler, record: logging.LogRecord) -> object:
        kinds.append((settings.kind_of_run(), record.getMessage()))
        return emit(self, record)

    monkeypatch.setattr(logging.Handler, "handle", watch)
    file.write_text(text_of(world, DRY_RUN=True))
    world.run(20)
    last = {text.split(":")[0]: kind for kind, text in kinds}
    for words in ("DRY_RUN is set", "This run", "Position left"):
        assert last[words] == "PAPER", words
    assert settings.DRY_RUN
    assert world.orders() == []
    held = next(text for _, text in kinds if text.startswith("Position left"))
    net = world.position()[0] - world.position()[1]
    assert f"Position left: {net} contracts" in held


def test_a_dry_run_by_an_edit_leaves_no_order_even_where_that_takes_long(
    world: World, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(text_of(world))
    bot = world.start(file=file)
    world.run(10)
    world.fault("status", value="503", for_ms=120_000)
    file.write_text(text_of(world, DRY_RUN=True))
    ticks, run = list[float](), bot.loop._tick

    def tick(*, asks: bool) -> None:
        ticks.append(world.timeline.monotonic())
        run(asks=asks)

    with monkeypatch.context() as patch:
        patch.setattr(bot.loop, "_tick", tick)
        world.run(60)
    assert max(later - earlier for earlier, later in pairwise(ticks)) <= 6
    assert bot.control.halt_reason == "DRY_RUN was set to True, but own orders may be left"
    assert len(world.orders()) == 6
    assert settings.kind_of_run() == "PAPER", "its lines are those of a run with real orders"
    accepted = world.report.accepted
    world.run(90)
    assert world.orders() == []
    assert world.report.accepted == accepted
    file.write_text(text_of(world, DRY_RUN=True) + "# once more\n")
    world.run(20)
    assert settings.kind_of_run() == "DRY RUN"


def let_restart(bot: OrderManager) -> None:
    """Let changed code end the loop, as it does where the program can be started anew."""
    vars(bot)["runtime"] = replace(bot.runtime, can_restart=True)


@pytest.fixture
def code(world: World, file: Path, tmp_path: Path) -> Path:
    """A file of code that the bot in the world watches."""
    path = tmp_path / "mine.py"
    path.write_text("A = 1\n")
    file.write_text(text_of(world, WATCHED_FILES=[str(path)]))
    return path


def test_a_restart_for_new_code_leaves_when_the_fate_of_every_order_is_known(
    world: World, file: Path, code: Path
) -> None:
    bot = world.start(file=file)
    let_restart(bot)
    world.run(10)
    world.fault("late", match="pc/order/create", done=False, value="8500")
    world.take("buy", "8539.5", 31_000)
    world.run_until(lambda: bot.exchange.orders.tracker.unknown(), 20)
    code.write_text("A = 2\n")
    bot.run_loop()
    assert bot.control.is_restarting
    assert not bot.control.stop_reason
    assert bot.loop.left_clean
    assert bot.exchange.orders.live() == ()
    assert world.orders() == []
    world.timeline.sleep(30)
    assert world.orders() == [], "nothing can arrive any more"
    assert_sound(world)


def test_there_is_no_restart_for_new_code_while_orders_may_be_left(
    world: World, file: Path, code: Path
) -> None:
    bot = world.start(file=file)
    let_restart(bot)
    world.run(10)
    world.fault("status", value="503")
    code.write_text("A = 2\n")
    with pytest.raises(OrdersLeft) as left:
        bot.run_loop()
    assert len(left.value.orders) == len(world.orders()) == 6
    assert not bot.loop.left_clean


def test_a_stop_wins_over_a_restart(world: World, file: Path, code: Path) -> None:
    bot = world.start(file=file)
    let_restart(bot)
    world.run(10)
    bot.restart()
    bot.stop("SIGTERM")
    bot.run_loop()
    assert bot.control.stop_reason == "SIGTERM"
    assert world.orders() == []


def test_a_watched_file_that_is_gone_is_said_once_and_changes_nothing(
    world: World, file: Path, code: Path, log: pytest.LogCaptureFixture
) -> None:
    bot = world.start(file=file)
    let_restart(bot)
    world.run(10)
    file.unlink()
    code.unlink()
    run_well(world, 60)
    assert lines(log, "settings.py is gone; what was read from it stays in force.") == 1
    assert lines(log, "mine.py is gone") == 1
    assert world.ladder() == GOLDEN
    assert not bot.control.is_stopping
    file.write_text(text_of(world, WATCHED_FILES=[str(code)], ORDER_PAIRS=2))
    world.run(10)
    assert len(world.orders()) == 4


def test_what_is_edited_while_a_start_waits_for_its_lock_is_reloaded(
    world: World, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WaitingRun(Run):
        def __init__(self, runtime: Runtime) -> None:
            file.write_text(text_of(world, ORDER_PAIRS=2))
            super().__init__(runtime)

    monkeypatch.setattr("market_maker.market_maker.Run", WaitingRun)
    world.start(file=file)
    world.run(10)
    assert len(world.orders()) == 4


def test_an_atomic_rename_is_one_reload(
    world: World, file: Path, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    world.start(file=file)
    world.run(10)
    new = tmp_path / "settings.py.new"
    new.write_text(text_of(world, ORDER_PAIRS=2))
    os.replace(new, file)
    run_well(world, 30)
    assert lines(log, "Setting ORDER_PAIRS: 3 -> 2") == 1
    assert len(world.orders()) == 4


@pytest.mark.slow
def test_a_reload_is_not_kept_waiting_by_plans_that_are_never_done(
    make: Make, tmp_path: Path
) -> None:
    """300 orders in a market that moves each second: every plan is cut short, and none is last."""
    small = {"ORDER_START_SIZE": 10, "ORDER_STEP_SIZE": 0, "RELIST_INTERVAL": 0.00001}
    world = make(ORDER_PAIRS=150, MAX_OPEN_ORDERS=300, still=False, **small)
    Walk(world, random.Random(1))
    file = tmp_path / "settings.py"
    file.write_text(text_of(world))
    world.start(file=file)
    world.run(10)
    file.write_text(text_of(world, MAX_ORDER_QTY=77.0))
    world.run_until(lambda: settings.MAX_ORDER_QTY == 77, 10)


def test_an_older_file_put_back_is_a_reload_and_a_touch_is_none(
    world: World, file: Path, log: pytest.LogCaptureFixture
) -> None:
    world.start(file=file)
    world.run(10)
    os.utime(file)
    world.run(10)
    assert "Setting " not in log.text
    file.write_text(text_of(world, ORDER_PAIRS=2))
    os.utime(file, (1, 1))
    run_well(world, 30)
    assert len(world.orders()) == 4


def test_a_hundred_saves_a_second_are_one_reload_when_they_are_over(
    world: World, file: Path, log: pytest.LogCaptureFixture
) -> None:
    world.start(file=file)
    world.run(10)
    saves = 500

    def save(number: int) -> None:
        file.write_text(text_of(world, ORDER_PAIRS=2, ORDER_STEP_SIZE=number))

    for number in range(1, saves + 1):
        world.timeline.after(number / 100, lambda number=number: save(number))  # type: ignore[misc]
    world.run(4.5)
    assert "Setting " not in log.text
    run_well(world, 30)
    assert lines(log, "Setting ORDER_STEP_SIZE") == 1
    assert saves == settings.ORDER_STEP_SIZE
    assert_sound(world)


def test_a_link_that_is_turned_to_another_file_is_a_reload(world: World, tmp_path: Path) -> None:
    for pairs in (2, 3):
        (tmp_path / f"{pairs}.py").write_text(text_of(world, ORDER_PAIRS=pairs))
    file = tmp_path / "settings.py"
    file.symlink_to(tmp_path / "3.py")
    world.start(file=file)
    world.run(10)
    other = tmp_path / "link"
    other.symlink_to(tmp_path / "2.py")
    os.replace(other, file)
    run_well(world, 20)
    assert len(world.orders()) == 4


# --- strategies ---------------------------------------------------------------------------------


class Naughty(OrderManager):
    """A strategy that does what it is told to, and the usual otherwise."""

    act: Callable[["Naughty"], None] | None = None

    def place_orders(self) -> None:
        if self.act:
            self.act(self)
        else:
            super().place_orders()


def naughty(world: World, **changed: Any) -> Naughty:
    bot = world.start(Naughty, **changed)
    world.run(10)
    assert world.ladder() == GOLDEN
    assert isinstance(bot, Naughty)
    return bot


def fail(_: object) -> None:
    raise ZeroDivisionError("my strategy")


def test_a_strategy_that_fails_now_and_then_costs_a_tick_and_no_order(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    bot = naughty(world)
    before = [order.order_id for order in world.orders()]
    for _ in range(5):
        bot.act = fail
        world.run(2)
        bot.act = None
        world.run(4)
    assert [order.order_id for order in world.orders()] == before
    assert "Strategy failed, tick skipped." in log.text
    assert "ZeroDivisionError: my strategy" in log.text
    run_well(world)
    assert_sound(world)


@pytest.mark.parametrize("interval", [0.5, 5.0, 50.0])
def test_a_strategy_that_fails_at_every_tick_halts_after_a_minute_whatever_the_interval(
    world: World, log: pytest.LogCaptureFixture, interval: float
) -> None:
    bot = naughty(world, LOOP_INTERVAL=interval)
    bot.act = fail
    world.run(55)
    assert bot.health.state is TradingState.ACTIVE
    world.run_until(lambda: bot.health.state is TradingState.HALTED, 10 + 2 * interval)
    world.run(2)
    assert world.orders() == []
    bot.act = None
    world.run(60)
    assert world.orders() == []
    assert bot.health.state is TradingState.HALTED
    halted = "HALTED until a person has looked: strategy failed at every tick for over a minute."
    assert lines(log, halted) == 1
    assert_sound(world)


@pytest.mark.parametrize(("takes", "reads_take"), [(0.5, 0), (2.5, 0), (4.5, 0), (0, 1.3)])
def test_so_does_one_that_fails_slowly_or_at_a_slow_venue(
    world: World, takes: float, reads_take: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick that leaves pulling or placing to the next one is no success of the strategy."""
    bot = naughty(world, LOOP_INTERVAL=1)

    def act(_: object) -> None:
        world.timeline.sleep(takes)
        raise ZeroDivisionError("my strategy")

    bot.act = act
    reads = itertools.count()
    monkeypatch.setattr(
        bot.exchange,
        "_read_account",
        lambda: world.timeline.sleep(0 if next(reads) % 4 else reads_take),
    )
    world.run_until(lambda: bot.health.state is TradingState.HALTED, 90)


def test_a_tick_that_the_venue_spoils_does_not_begin_the_minute_of_a_failing_strategy_anew(
    world: World,
) -> None:
    bot = naughty(world, LOOP_INTERVAL=5)

    def act(_: object) -> None:
        if 28 < world.timeline.monotonic() - begun < 34:
            raise Temporary("HTTP 503")
        raise ZeroDivisionError("my strategy")

    begun = world.timeline.monotonic()
    bot.act = act
    world.run_until(lambda: bot.health.state is TradingState.HALTED, 75)


@pytest.mark.parametrize(("code", "kind"), [("-16001", "faulty symbol"), ("-10013", "parameters")])
@pytest.mark.parametrize("is_calmed", [True, False])
def test_refusals_of_creates_count_in_a_row(
    world: World, code: str, kind: str, is_calmed: bool
) -> None:
    bot = naughty(world)
    for number in range(4):
        world.fault("code", match="pc/order/create", value=code, times=2 if is_calmed else 100)
        world.put("sell", "8497.5", 0 if number % 2 else 1000)
        move_market(world) if number % 2 else move_bids(world)
        world.run(20)
        world.venue.clear_faults(world.timeline.true_ms())
        if is_calmed:
            world.run(20)
    assert bool(bot.control.halt_reason) is not is_calmed, bot.control.halt_reason
    assert is_calmed or kind in bot.control.halt_reason


def test_quotes_of_a_failing_strategy_do_not_outlive_their_time(world: World) -> None:
    bot = naughty(world, LOOP_INTERVAL=5)
    bot.act = fail
    world.run_until(lambda: not world.orders(), 17)


@pytest.mark.parametrize(
    "hook", ["sanity_check", "print_status", "get_ticker", "prepare_order", "place_orders"]
)
def test_whatever_a_hook_raises_costs_that_tick(
    world: World, hook: str, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = naughty(world)
    before = [order.order_id for order in world.orders()]

    def broken(*_: object) -> None:
        monkeypatch.delattr(bot, hook)
        raise ZeroDivisionError("my hook")

    monkeypatch.setattr(bot, hook, broken, raising=False)
    world.run(10)
    assert log.text.count("ZeroDivisionError: my hook") == 1
    assert [order.order_id for order in world.orders()] == before
    assert bot.health.state is TradingState.ACTIVE
    assert_sound(world)


@pytest.mark.parametrize("hook", ["tick", "check_file_change"])
def test_what_a_hook_of_the_run_raises_ends_no_run_and_keeps_no_quote_unwatched(
    world: World, hook: str, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = naughty(world)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("my hook")

    monkeypatch.setattr(bot, hook, broken, raising=False)
    world.timeline.after(40, lambda: bot.stop("enough"))
    seen: list[int] = []
    world.timeline.after(30, lambda: seen.append(len(world.orders())))
    bot.run_loop()
    assert seen == ([0] if hook == "tick" else [6])
    assert "ZeroDivisionError: my hook" in log.text
    assert world.orders() == []
    assert bot.loop.left_clean


def test_without_a_guard_there_are_no_quotes(world: World, log: pytest.LogCaptureFixture) -> None:
    bot = naughty(world)
    bot.loop.on_heartbeat = lambda: "it has died"
    world.run_until(lambda: not world.orders(), 17)
    assert bot.health.state is TradingState.PAUSED
    assert bot.health.reason == "it has died"
    bot.loop.on_heartbeat = lambda: ""
    run_well(world)


NAMELESS = [(SPOT, Quirks()), (CONTRACT, Quirks(forget_client_oid=True))]


@pytest.mark.parametrize(("kind", "quirks"), NAMELESS, ids=["spot", "contracts"])
def test_where_rows_show_no_client_oid_nothing_is_created_that_cannot_be_noted(
    kind: str, quirks: Quirks, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    """Guard, `cancel` and next run would take such an order for a stranger's (found 1.2)."""
    key = Key(SPOT, "USDT", "BTC/USDT") if kind == SPOT else BTC_USD
    size = {"ORDER_START_SIZE": 0.01, "ORDER_STEP_SIZE": 0} if kind == SPOT else {}
    world = World(key=key, quirks=quirks, **size)
    world.put("buy", "8490", 10_000)
    world.put("sell", "8497.5", 10_000)
    with world.installed():
        bot = world.start()
        given = {"directory": tmp_path / "state", "clock": world.timeline}
        session = Session(bot.exchange.client.account, has_guard=False, **given)
        session.connect(bot)
        world.run_until(lambda: len(world.orders()) == 6)
        world.run(2)
        notes = session.files.directory / f"{session.files.name}.notes"
        notes.rename(tmp_path / "aside")
        notes.mkdir()
        requests = Requests(world)
        move_market(world)
        world.run_until(lambda: not world.orders(), 20)
        assert requests.of("order/create") == []
        assert state(world) is TradingState.PAUSED
        assert f"orders cannot be noted: {notes} cannot be written" in bot.health.reason
        notes.rmdir()
        world.run_until(lambda: len(world.orders()) == 6)
        assert "died: orders cannot be noted" in log.text
        bot.exit()
        session.files.close()


@pytest.mark.parametrize("wakes", [True, False])
def test_wake_on_fill_decides_whether_a_fill_is_answered_before_the_interval(
    world: World, wakes: bool
) -> None:
    naughty(world, LOOP_INTERVAL=30, WAKE_ON_FILL=wakes)
    before = {order.order_id for order in world.orders()}
    best = max(order.price for order in world.orders() if order.side is Bid.BUY)
    new: list[bool] = []
    world.timeline.after(5, lambda: world.take("sell", str(best), 60_000))
    for seconds in (10, 39):
        world.timeline.after(
            seconds, lambda: new.append(any(o.order_id not in before for o in world.orders()))
        )
    world.run(40)
    assert new == [wakes, True]


class Returning(OrderManager):
    def tick(self) -> None:
        """Do something else."""


class Helping(OrderManager):
    def tick(self, price: float) -> float:  # type: ignore[override]
        return price


class FailingFirst(OrderManager):
    def tick(self) -> None:
        raise KeyError("mine")


class FailingLast(OrderManager):
    def tick(self) -> None:
        super().tick()
        raise KeyError("mine")


@pytest.mark.parametrize(
    ("kind", "orders"), [(Returning, 6), (Helping, 0), (FailingFirst, 0), (FailingLast, 6)]
)
def test_what_guards_the_orders_hangs_on_no_tick_of_the_strategy_s(
    world: World, kind: type[OrderManager], orders: int
) -> None:
    bot, seen = world.start(kind), []

    def look() -> None:
        seen.append((len(world.orders()), bot.health.state))

    world.timeline.after(30, look)
    if kind is Returning:
        world.timeline.after(31, lambda: world.fault("mute", for_ms=40_000))
        world.timeline.after(60, look)
        world.timeline.after(80, lambda: bot.halt("kill switch"))
    world.timeline.after(120, look)
    world.timeline.after(121, lambda: bot.stop("end"))
    bot.run_loop()
    assert seen[0] == (orders, TradingState.ACTIVE)
    assert seen[-1] == (0, TradingState.HALTED)
    if kind is Returning:
        assert seen[1] == (0, TradingState.PAUSED)
    else:
        assert bot.control.halt_reason.startswith("strategy")


@pytest.mark.parametrize("key", [BTC_USD, PAIR], ids=["contracts", "spot"])
@pytest.mark.parametrize(
    ("match", "took", "interval"),
    [("instrument", "900", 25), ("instrument", "1300", 25), ("", "1300", 5)],
)
def test_a_tick_whose_reads_are_slow_is_followed_at_once_by_one_that_asks_the_strategy(
    make: Make, key: Key, match: str, took: str, interval: int
) -> None:
    sizes = {"ORDER_START_SIZE": 0.1, "ORDER_STEP_SIZE": 0, "MIN_POSITION": -5, "MAX_POSITION": 5}
    given = {"LOOP_INTERVAL": interval} | (sizes if key is PAIR else {})
    world = make(key=key, still=key is BTC_USD, **given)
    for side, price in (("buy", "8490"), ("sell", "8497.5")) if key is PAIR else ():
        world.put(side, price, 10_000)
    asked: list[float] = []

    def place(bot: Naughty) -> None:
        asked.append(world.timeline.monotonic())
        OrderManager.place_orders(bot)

    bot = world.start(Naughty)
    assert isinstance(bot, Naughty)
    bot.act = place
    world.run(40)
    world.fault("late", match=match, value=took)
    world.run(300)
    assert max(later - before for before, later in pairwise(asked)) <= interval + 6
    assert bot.health.state is TradingState.ACTIVE
    assert len(world.orders()) == 6


def test_a_slow_strategy_is_said_so_and_quotes_on(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    bot = naughty(world)

    def think(bot: Naughty) -> None:
        bot.clock.sleep(8)
        OrderManager.place_orders(bot)

    bot.act = think
    world.run(40)
    assert "Slow strategy: place_orders() took 8 s, limit 5 s." in log.text
    assert len(world.orders()) == 6
    assert world.bot is bot
    assert bot.health.state is TradingState.ACTIVE
    assert bot.exchange.feed.epoch == 1
    bot.act = None
    run_well(world)
    assert_sound(world)


def test_a_feed_that_is_lost_late_in_a_tick_is_noticed_by_the_next_look_at_files(
    make: Make,
) -> None:
    world = make(LOOP_INTERVAL=60)
    bot = naughty(world)
    world.run(70)

    def lose(bot: Naughty) -> None:
        OrderManager.place_orders(bot)
        world.network.drop_all()
        bot.clock.sleep(0.1)
        world.network.cut_off = True  # and it cannot be had again

    bot.act = lose
    bot.tick()
    assert not bot.exchange.is_open()
    lost_at = world.timeline.monotonic()
    bot.loop.wait()
    assert world.timeline.monotonic() - lost_at <= 2


def test_a_strategy_that_takes_its_time_is_asked_no_more_often_for_it(make: Make) -> None:
    world = make(LOOP_INTERVAL=5)
    bot = naughty(world)
    asked: list[float] = []

    def think(bot: Naughty) -> None:
        asked.append(world.timeline.monotonic())
        bot.clock.sleep(2)
        OrderManager.place_orders(bot)

    bot.act = think
    world.run(100)
    assert min(later - before for before, later in pairwise(asked)) >= 7


def test_what_a_strategy_wants_after_a_minute_is_not_placed_and_its_quotes_are_pulled(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    bot = naughty(world)
    accepted = world.report.accepted

    def hang(bot: Naughty) -> None:
        prices = bot.start_position_sell
        bot.clock.sleep(60)
        bot.converge_orders([], [{"price": prices + 1, "orderQty": 7, "side": "Sell"}])

    bot.act = hang
    world.run(65)
    assert "Slow strategy: place_orders() took 60 s, limit 5 s." in log.text
    assert "strategy took 60 s, limit 15 s: orders not placed" in log.text
    assert world.report.accepted == accepted
    assert world.orders() == []
    bot.act = None
    run_well(world)
    assert world.ladder() == GOLDEN
    assert_sound(world)


def order(price: float, qty: float = 10, side: str = "Buy") -> dict[str, Any]:
    return {"price": price, "orderQty": qty, "side": side}


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("buys", "sells"),
    [
        ([order(NAN)], []),
        ([order(INFINITY)], []),
        ([order(-8000)], []),
        ([order(0)], []),
        ([order(8000, NAN)], []),
        ([order(8000, -10)], []),
        ([order(8000, 0)], []),
        ([order(8000), order(8001), order(NAN)], [order(8600, side="Sell")]),
        ([order(1000 + n) for n in range(10_000)], []),
        ([order(8600, side="Sell")], []),
        ([], [order(8400)]),
        ([order(8000) | {"price": "about 8000"}], []),
        ([order(8000) | {"price": None}], []),
        ([order(8000) | {"price": True}], []),
        ([{}], []),
        ([None], []),
        (None, []),
        ([8000], [8600]),
        ([order(1e300)], []),
        ([order(8000, 10**30)], []),
    ],
)
def test_a_plan_with_an_impossible_order_in_it_is_refused_whole(
    world: World, log: pytest.LogCaptureFixture, buys: Any, sells: Any
) -> None:
    bot = naughty(world)
    before = [order.order_id for order in world.orders()]
    bot.act = lambda bot: bot.converge_orders(buys, sells)
    bot.tick()
    world.run(2)
    assert [order.order_id for order in world.orders()] == before
    assert "Invalid order from the strategy" in log.text or ("Strategy failed" in log.text)
    bot.act = None
    run_well(world)
    assert_sound(world)


@pytest.mark.parametrize(
    ("buys", "sells", "placed"),
    [
        ([order(8000.3), order(7999.9)], [], ["BUY 10 @ 8000.5", "BUY 10 @ 8000"]),
        ([order(8000, 10.4)], [], ["BUY 10 @ 8000"]),
        ([order(8000), order(8000)], [], ["BUY 10 @ 8000"]),
        ([order(8000), order(8000.1, 20)], [], ["BUY 10 @ 8000"]),
        ([order(8700), order(8000)], [], ["BUY 10 @ 8000"]),
        (
            [order(8495), order(8000)],
            [order(8493, side="Sell"), order(8600, side="Sell")],
            ["SELL 10 @ 8600", "BUY 10 @ 8000"],
        ),
        ([order(8000, 200_000), order(7990)], [], ["BUY 10 @ 7990"]),
        ([order(8000, 0.3), order(7990)], [], ["BUY 10 @ 7990"]),
    ],
)
def test_each_order_that_may_not_be_is_dropped_with_its_reason_and_the_grid_is_kept(
    world: World, log: pytest.LogCaptureFixture, buys: Any, sells: Any, placed: list[str]
) -> None:
    bot = naughty(world)
    bot.act = lambda bot: bot.converge_orders(buys, sells)
    world.run(10)
    assert world.ladder() == placed
    if len(placed) < len(buys) + len(sells):
        assert "Not placed: " in log.text
    bot.act = None
    run_well(world)
    assert_sound(world)


def test_a_strategy_that_spoils_what_it_was_given_spoils_nothing(world: World) -> None:
    bot = naughty(world)

    def spoil(bot: Naughty) -> None:
        for each in bot.exchange.get_orders():
            each.clear()
        given = [
            *(bot.exchange.get_instrument(), bot.exchange.get_ticker(), bot.exchange.get_margin()),
            *(bot.exchange.get_position(), bot.exchange.calc_delta(), bot.instrument),
        ]
        for mapping in given:
            for name in mapping:
                mapping[name] = -1
        bot.exchange.recent_trades().clear()
        bot.exchange.feed.get_instrument_row().clear()
        buys = [order(8448, 100)]
        bot.converge_orders(buys, [])
        buys[0]["price"] = 1
        buys.append(order(2))

    bot.act = spoil
    world.run(20)
    assert world.ladder() == ["BUY 100 @ 8448"]
    bot.act = None
    run_well(world)
    assert world.ladder() == GOLDEN
    assert_sound(world)


@pytest.mark.slow
def test_a_strategy_that_cannot_make_up_its_mind_is_calmed_down(
    make: Make, shown: io.StringIO
) -> None:
    world = make(LOOP_INTERVAL=0.1, RELIST_INTERVAL=0.0)
    bot = world.start(Naughty)
    assert isinstance(bot, Naughty)
    turn = [0]

    def waver(bot: Naughty) -> None:
        turn[0] ^= 1
        price = 8400 + turn[0] * 10
        bot.converge_orders([order(price)], [order(price + 200, side="Sell")])

    bot.act = waver
    world.run(300)
    created = [e.time for e in world.venue.judge.journal if e.what == "order" and e.result == 2]
    minute = 60_000 - 50  # two may arrive so many ms nearer than they were sent
    in_a_minute = [sum(0 <= late - early < minute for late in created) for early in created]
    assert 100 < max(in_a_minute) <= 60 * 2
    assert len(created) > 300
    told = shown.getvalue().count("Order churn: ")
    assert 1 <= told <= 30
    bot.act = None
    run_well(world, 90)
    assert_sound(world)


# --- standing still -----------------------------------------------------------------------------


@pytest.mark.parametrize("suspended", [False, pytest.param(True)])
def test_after_five_minutes_of_standstill_all_is_looked_at_anew(
    world: World, log: pytest.LogCaptureFixture, suspended: bool
) -> None:
    bot = world.start(LOOP_INTERVAL=5)
    world.run(10)
    assert world.ladder() == GOLDEN
    epoch = bot.exchange.feed.epoch
    world.timeline.after(150, lambda: world.put("sell", "8497.5", 0))
    world.timeline.after(150, lambda: world.put("sell", "8490.5", 5000))
    world.stop_bot(300, suspended=suspended)
    creates_before = world.report.requests["pc/order/create"]
    world.run_until(lambda: "stood still" in log.text, 330)
    assert re.search(r"stood still for (299|300) s: resyncing\.", log.text)
    assert world.report.requests["pc/order/create"] == creates_before
    run_well(world)
    assert bot.exchange.feed.epoch > epoch
    assert lines(log, "stood still for") == 1
    assert_sound(world)


def test_a_suspend_during_a_tick_is_noticed_too(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    bot = naughty(world)

    def suspend(bot: Naughty) -> None:
        bot.act = None
        world.network.stopped = True
        world.timeline.stand_still(300, suspended=True)
        world.network.stopped = False
        OrderManager.place_orders(bot)

    bot.act = suspend
    run_well(world, 330)
    assert lines(log, "stood still for 300 s") == 1
    assert_sound(world)


# --- twins --------------------------------------------------------------------------------------


def twin_order(world: World, number: int, price: str = "8000") -> int:
    """Let another bot with our prefix, of a host that we know nothing of, place an order."""
    order_id = world.exchange.create(
        OWNER,
        BTC_USD,
        side=Bid.BUY,
        close=False,
        price=Decimal(price),
        qty=Decimal(10),
        client_oid=new_oid(settings.ORDERID_PREFIX, "thetwn", number),
        now=world.venue.time(world.timeline.true_ms()),
    )
    world.venue.publish(world.timeline.true_ms())
    return order_id


def test_the_sight_of_a_twin_halts(world: World, log: pytest.LogCaptureFixture) -> None:
    bot = world.start()
    world.run(10)
    twin_order(world, 1)
    world.run(3)
    assert bot.health.state is TradingState.HALTED
    assert "HALTED until a person has looked: another bot uses our ORDERID_PREFIX" in log.text
    assert lines(log, "Another bot uses our ORDERID_PREFIX: run thetwn") == 1
    assert not [o for o in world.orders() if bot.exchange.client.run in (o.client_oid or "")]
    accepted = world.report.accepted
    world.run(120)
    assert world.report.accepted == accepted


def test_there_is_no_cancel_war_with_a_twin(world: World) -> None:
    bot = world.start()
    world.run(10)
    theirs = [twin_order(world, 1)]
    world.timeline.after(5, lambda: theirs.append(twin_order(world, 2, "8010")))
    world.run(120)
    assert [order.order_id for order in world.orders()] == theirs
    bot.stop("the test is over")
    bot.run_loop()
    assert [order.order_id for order in world.orders()] == theirs


def test_a_twin_that_comes_up_while_a_start_waits_for_late_orders_is_left_alone(
    world: World,
) -> None:
    theirs: list[int] = []
    world.timeline.after(5, lambda: theirs.append(twin_order(world, 1)))
    bot = world.start(earlier=EarlierRuns(known=frozenset({"before"}), may_be_late=True))
    world.run(5)
    assert [order.order_id for order in world.orders()] == theirs
    assert bot.health.state is TradingState.HALTED
    assert world.report.accepted == 1, "theirs"


def row(of: str, age_ms: int, prefix: str = "mm_gte_") -> OpenOrder:
    order = OpenOrder(
        side=Side.BUY,
        price=to_decimal(8000),
        qty=to_decimal(10),
        client_oid=new_oid(prefix, of, 1),
        ctime=0 if age_ms < 0 else 10**12 - age_ms,
    )
    return order


def to_decimal(number: int) -> Decimal:
    return Decimal(number)


@pytest.mark.parametrize(
    ("rows", "known", "found"),
    [
        ([], set(), set()),
        ([row("aaaaaa", 0)], set(), {"aaaaaa"}),
        ([row("aaaaaa", 59_999)], set(), {"aaaaaa"}),
        ([row("aaaaaa", 60_000)], set(), set()),
        ([row("aaaaaa", 10**9)], set(), set()),
        ([row("aaaaaa", 0)], {"aaaaaa"}, set()),
        ([row("aaaaaa", 0), row("bbbbbb", 0)], {"aaaaaa"}, {"bbbbbb"}),
        ([row("aaaaaa", 10**9), row("aaaaaa", 1000)], set(), {"aaaaaa"}),
        ([row("aaaaaa", 0, prefix="other_")], set(), set()),
        ([row("aaaaaa", 0, prefix="mm_gte_x")], set(), set()),
        ([row("aaaaaa", -1)], set(), set()),
    ],
)
def test_at_the_start_young_orders_of_a_strange_run_are_a_twin(
    rows: list[OpenOrder], known: set[str], found: set[str]
) -> None:
    at_work = runs_at_work(rows, prefix="mm_gte_", known_runs=known, now_ms=10**12)
    assert at_work == found


# --- the log ------------------------------------------------------------------------------------

LOUDEST: list[tuple[str, dict[str, str]]] = [
    ("status", {"value": "429"}),
    ("frame_field", {"match": "order_book", "value": 'price="NaN"'}),
]
"""Of all lasting troubles those of REST and of the feed that are said in the most lines."""
LASTING: list[tuple[str, dict[str, str]]] = [
    ("lost", {"match": "pc/order/query"}),
    ("status", {"value": "503"}),
    ("status", {"value": "403"}),
    ("html", {}),
    ("refuse", {}),
    ("mute", {}),
    ("mute", {"match": "order_book"}),
    ("mute", {"match": "position"}),
    ("no_partial", {"match": "order"}),
    ("cut", {"match": "order_book"}),
    ("frame_raw", {"value": "not_json"}),
    ("book_empty", {}),
    ("book_cross", {}),
    ("clock_skew", {"value": "90000"}),
    ("suspend", {}),
    ("lost", {"match": "pc/order/create"}),
    ("reset", {"match": "pc/order/create"}),
    ("lost", {"match": "pc/order/cancel_batch"}),
    ("code", {"value": "-10002"}),
    ("code", {"value": "-10051"}),
    ("code", {"match": "pc/order/create", "value": "-11003"}),
    ("code", {"match": "pc/order/create", "value": "-10012"}),
    ("code", {"match": "pc/order/create", "value": "-13101"}),
]


@pytest.mark.parametrize(
    ("name", "options"),
    [*LOUDEST, *(pytest.param(*each, marks=pytest.mark.slow) for each in LASTING)],
)
def test_a_lasting_trouble_is_said_at_most_every_ten_seconds(
    make: Make, shown: io.StringIO, name: str, options: dict[str, str]
) -> None:
    world = make(RELIST_INTERVAL=0.0)
    world.start()
    world.run(6)
    before = shown.tell()
    world.fault(name, **options)
    world.network.drop_all()
    asks = ["8497.0", "8497.5"]

    def move() -> None:
        asks.reverse()
        world.put("sell", asks[0], 1000)
        world.put("sell", asks[1], 0)

    world.timeline.every(20, move)
    world.run(600)
    lines = shown.getvalue()[before:].splitlines()
    loud = [line for line in lines if line.startswith(("WARNING ", "ERROR ", "CRITICAL "))]
    alike = Counter(VARYING.sub("#", re.sub(r" \(and .*", "", text)) for text in loud)
    assert max(alike.values(), default=0) <= 61, alike.most_common(3)
    assert len(loud) <= 360  # all that follows from it together: six lines in ten seconds
    assert loud
    world.venue.clear_faults(world.timeline.true_ms())


def say(level: int, text: str, *values: object) -> None:
    logging.getLogger().handle(record_of(level, text, *values))


def test_lines_that_are_alike_are_shown_at_most_every_ten_seconds(
    world: World, shown: io.StringIO
) -> None:
    chance = random.Random(22)
    said: Counter[str] = Counter()
    times: dict[str, list[float]] = {}
    begun = world.timeline.monotonic()
    while world.timeline.monotonic() - begun < 600:
        what = chance.choice(("create", "cancel", "query"))
        before = shown.tell()
        say(logging.ERROR, "%s %d failed", what, said.total())
        said[what] += 1
        if f"ERROR {what} " in shown.getvalue()[before:]:
            times.setdefault(what, []).append(world.timeline.monotonic())
        world.timeline.sleep(chance.expovariate(2))
    assert len(said) == len(times) == 3
    for what, at in times.items():
        assert all(later - early >= 10 for early, later in pairwise(at))
        assert 50 <= len(at) <= 60
        held = shown.getvalue().split(f"ERROR {what} ")
        counted = [int(n) for text in held for n in re.findall(r"^\d+ failed \(and (\d+)", text)]
        assert said[what] - (sum(counted) + len(at)) <= 60  # what is held back at the end


@pytest.mark.slow
def test_what_is_held_back_is_counted(world: World, shown: io.StringIO) -> None:
    for number in range(100_000):
        say(logging.WARNING, "create Buy %d @ %g failed", number, 8000.5)
        world.timeline.sleep(0.0001)
    world.timeline.sleep(25)
    for _ in range(2):
        say(logging.CRITICAL, "twice")
    assert shown.getvalue().splitlines() == [
        "WARNING create Buy 0 @ 8000.5 failed",
        "WARNING 99999 more lines like this one: create Buy 99999 @ 8000.5 failed",
        "CRITICAL twice",
        "CRITICAL twice",
    ]


def test_what_is_held_back_at_the_end_is_counted_then(world: World) -> None:
    stream = io.StringIO()
    handler = RateLimitedHandler(stream)
    for number in range(3):
        handler.handle(record_of(logging.ERROR, "%d failed", number))
    handler.close()
    assert stream.getvalue() == "0 failed\n2 more lines like this one: 2 failed\n"


def test_other_words_are_another_cause(world: World, shown: io.StringIO) -> None:
    for text in ("one", "two", "one"):
        say(logging.ERROR, "%s failed", text)
    world.timeline.sleep(10)
    say(logging.ERROR, "one failed")
    assert shown.getvalue().splitlines() == [
        "ERROR one failed",
        "ERROR two failed",
        "ERROR one failed (and 1 more like it before)",
    ]


@pytest.mark.parametrize("name", ["market_maker.app.cli", "strategies.mine", "market_maker.gte"])
def test_what_a_command_or_a_strategy_says_is_shown_as_often_as_it_is_said(
    world: World, shown: io.StringIO, name: str
) -> None:
    for _ in range(2):
        logging.getLogger(name).error("the same")
    assert shown.getvalue().splitlines() == ["ERROR the same"] * 2


# --- the wall clock -----------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [1, -1])
def test_a_step_of_an_hour_stops_quoting_until_it_is_undone_and_moves_no_timer(
    world: World, log: pytest.LogCaptureFixture, hours: int
) -> None:
    bot = world.start()
    world.run(20)
    world.timeline.step_wall_clock(hours * 3_600_000)
    requests = world.report.requests.total()
    world.run(20)
    # A clock that is more than 30 s off pauses the bot; only the steady one is a timer.
    assert bot.health.state is TradingState.PAUSED
    assert "this machine's clock is" in bot.health.reason
    words = "stood still for 3600 s" if hours > 0 else "clock was set back by 3600 s"
    assert lines(log, words) == 1
    assert world.report.requests.total() - requests < 60
    assert world.report.refusals == {}
    world.timeline.step_wall_clock(-hours * 3_600_000)
    run_well(world)
    assert world.ladder() == GOLDEN
    assert_sound(world)


@pytest.mark.parametrize("ms", [1000, -1000, 3000, -3000])
def test_a_leap_second_or_a_small_step_changes_nothing(world: World, ms: int) -> None:
    bot = world.start()
    world.run(20)
    accepted, epoch = world.report.accepted, bot.exchange.feed.epoch
    world.timeline.step_wall_clock(ms)
    run_well(world)
    assert (world.report.accepted, bot.exchange.feed.epoch) == (accepted, epoch)
    assert_sound(world)


# --- dry runs -----------------------------------------------------------------------------------


def test_a_dry_run_sends_no_post_whatever_happens(
    world: World, log: pytest.LogCaptureFixture
) -> None:
    methods: list[str] = []
    world.network.watchers.append(lambda asked: methods.append(asked.method))
    bot = world.start(DRY_RUN=True, RELIST_INTERVAL=0.0)
    assert "Dry run: no order is sent." in log.text
    world.run(10)
    for price in ("8495", "8492"):
        world.put("sell", price, 1000)
        world.run(10)
    world.take("buy", "8700", 10_000)
    world.network.drop_all()
    world.run(30)
    bot.halt("a person said so")
    world.run(20)
    bot.stop("the test is over")
    bot.run_loop()
    assert "Creating 6 orders:" in log.text
    assert set(methods) == {"GET"}
    assert world.report.accepted == 0


# --- the version --------------------------------------------------------------------------------


def test_the_banner_shows_the_version(world: World, log: pytest.LogCaptureFixture) -> None:
    world.start()
    assert f"GTE market maker {__version__}." in log.text


@pytest.mark.parametrize("suspended", [False, True])
@pytest.mark.parametrize("seconds", [6, 300])
def test_after_a_standstill_the_venue_s_time_and_all_tables_are_read_anew(
    world: World, suspended: bool, seconds: int
) -> None:
    bot = world.start()
    world.run(10)
    connection = bot.exchange.feed.epoch
    world.stop_bot(seconds, suspended=suspended)
    bot.loop.wait()
    drift = bot.exchange.client.clock.now() - world.venue.time(world.timeline.true_ms())
    assert abs(drift) < 500
    assert bot.exchange.feed.missing(), "what was seen before does not count"
    world.run(5)
    assert bot.exchange.feed.epoch > connection
    run_well(world)


@pytest.mark.parametrize("seconds", [8, 10])
def test_orders_that_the_guard_may_have_pulled_while_we_stood_still_were_not_ended_by_the_venue(
    world: World, seconds: int
) -> None:
    bot = world.start()
    world.run(10)
    bot.loop.may_have_pulled = lambda silent_for: silent_for > 9
    world.timeline.sleep(seconds)
    for order in world.orders():
        world.venue_cancels(order)
    bot.tick()
    bot.exchange.orders.take_news()
    assert bool(bot.exchange.orders.tracker.ended_by_venue) is (seconds < 9)
