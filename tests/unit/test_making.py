"""How a bot is made of a strategy's class: its names, its constructor, its loop, its thread."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from market_maker.app import strategies
from market_maker.bot import Runtime
from market_maker.control import Control
from market_maker.errors import InvalidOrder, SettingsError
from market_maker.market_maker import OrderManager
from market_maker.orders.notes import Notes
from market_maker.paper.server.in_process import PaperExchange

HERE = re.escape(__file__)
BUY = {"price": 8400, "orderQty": 10, "side": "Buy"}
PUBLIC = [name for name in vars(OrderManager) if not name.startswith("_")]
CLASS_ONLY = ("SETTINGS", "READS_MIN_SPREAD", "latest", "made_with", "tick")
"""Names that a number of the strategy's own does not stand in the way of, or that are no bot's."""
ATTRIBUTES = ("clock", "control", "current_run", "exchange", "loop", "runtime")


@pytest.fixture(autouse=True)
def small(configure: Callable[..., None]) -> None:
    configure(ORDER_PAIRS=1)


def made(kind: type[OrderManager]) -> OrderManager:
    return kind.made_with(Runtime())


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize("name", [*ATTRIBUTES, *sorted({*PUBLIC} - {*CLASS_ONLY, *ATTRIBUTES})])
def test_a_strategy_that_uses_a_name_of_the_bots_own_is_told_which_and_where(
    name: str, venue: PaperExchange
) -> None:
    class Mine(OrderManager):
        def __init__(self) -> None:
            super().__init__()
            setattr(self, name, 5)

    with pytest.raises(
        SettingsError, match=rf"self\.{name} is the bot's own: .*\({HERE}, line \d+\)"
    ):
        made(Mine)
    assert venue.open_orders() == []


def test_names_of_the_strategys_own_stand_in_nobodys_way(venue: PaperExchange) -> None:
    class Mine(OrderManager):
        def __init__(self) -> None:
            super().__init__()
            self.tick = self.instrument["tickSize"]  # type: ignore[assignment]
            self._status, self._sizes, self._converger, self._reloader = "idle", [], None, 1
            self.instrument, self.start_time, self.start_position_buy = self.instrument, None, 1.0
            self.place_orders = self.place_mine  # type: ignore[method-assign]

        def place_mine(self) -> None:
            self.converge_orders([BUY], [])

    bot = made(Mine)
    bot.run_loop(2)
    assert bot.tick == 0.5  # type: ignore[comparison-overlap]
    assert venue.judge().accepted == 1
    assert venue.open_orders() == []


@pytest.mark.parametrize("name", ["health", "exit", "reset", "run_loop", "check_file_change"])
def test_so_it_is_with_an_attribute_of_its_class(name: str) -> None:
    kind = type("Mine", (OrderManager,), {name: 5})
    with pytest.raises(SettingsError, match=rf"self\.{name} is the bot's own"):
        made(kind)


# --- the constructor ------------------------------------------------------------------------------


class Unmade(OrderManager):
    def __init__(self) -> None:
        self.mids: list[float] = []


class Early(OrderManager):
    def __init__(self) -> None:
        self.first = self.instrument["tickSize"]
        super().__init__()


class WithArguments(OrderManager):
    def __init__(self, symbol: str) -> None:
        super().__init__()
        self.symbol = symbol


class Faulty(OrderManager):
    def __init__(self) -> None:
        super().__init__()
        self.first = 1 / 0


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Unmade, r"Unmade\.__init__\(\) must begin with super\(\)\.__init__\(\)"),
        (Early, rf"must begin with super\(\).* no attribute 'instrument' \({HERE}, line \d+\)"),
        (WithArguments, rf"without arguments: .* 'symbol' \({HERE}, line \d+\); read it from"),
        (Faulty, rf"Faulty\.__init__\(\): ZeroDivisionError: .* \({HERE}, line \d+\)"),
    ],
)
def test_a_constructor_that_fails_is_told_with_the_users_line(
    kind: type[OrderManager], words: str, venue: PaperExchange
) -> None:
    with pytest.raises(SettingsError, match=words):
        made(kind)
    OrderManager.exit(kind.__new__(kind))  # as `atexit` calls it in strategies of the family


class Held:
    """In place of a session: notes what becomes of it."""

    ended: BaseException | None = None

    def __init__(self, *_: object, **__: object) -> None:
        self.files = self
        self.known_runs, self.may_be_late, self.notes = (), False, Notes()

    def forget_money(self) -> None:
        pass

    def shared(self) -> None:
        return None

    def connect(self, bot: OrderManager) -> None:
        pass

    def end_start(self, error: BaseException) -> None:
        type(self).ended = error


def test_a_constructor_that_fails_late_lets_go_of_lock_and_guard() -> None:
    with pytest.raises(SettingsError, match="ZeroDivisionError"):
        Faulty.made_with(Runtime(session=Held))
    assert isinstance(Held.ended, ZeroDivisionError)


@pytest.mark.parametrize("where", ["reset", "__init__"])
def test_orders_may_be_placed_from_the_first_reset_on(where: str, venue: PaperExchange) -> None:
    class Mine(OrderManager):
        def __init__(self) -> None:
            super().__init__()
            if where == "__init__":
                self.place_orders()

        def reset(self) -> None:
            super().reset()
            if where == "reset":
                self.place_orders()

    bot = made(Mine)
    assert len(venue.open_orders()) == 2
    bot.run_loop(1)
    assert venue.open_orders() == []


# --- the loop -------------------------------------------------------------------------------------


def endless(self: Any, loops: int | None = None) -> None:
    """The loop of the family, but for a bound in case that nobody ends it."""
    for _ in range(100):
        try:
            self.sanity_check()
            self.exchange.create_bulk_orders([BUY])
        except Exception:  # as many do
            self.failures = 1
    raise AssertionError("nobody has ended the loop")


class Mixin:
    run_loop = endless


class OfMixin(Mixin, OrderManager):
    pass


class InBody(OrderManager):
    run_loop = endless


class OfThat(InBody):
    pass


class Later(OrderManager):
    pass


Later.run_loop = endless  # type: ignore[method-assign]


class Silent(OrderManager):
    """Reads and places, and swallows everything."""

    def run_loop(self, loops: int | None = None) -> None:  # noqa: ARG002
        for _ in range(100):
            try:
                self.exchange.create_bulk_orders([BUY])
            except Exception:
                self.failures = 1
        raise AssertionError("nobody has ended the loop")


@pytest.mark.parametrize("kind", [OfMixin, InBody, OfThat, Later, Silent])
def test_a_loop_in_place_of_ours_is_refused_wherever_it_stands_and_whatever_it_catches(
    kind: type[OrderManager], venue: PaperExchange
) -> None:
    bot = made(kind)
    words = rf"{kind.__name__}\.run_loop\(\) replaces the loop that guards the orders"
    with pytest.raises(SettingsError, match=words):
        bot.run_loop()
    assert bot.loop.left_clean
    assert venue.judge().accepted == 0


def test_a_loop_that_goes_on_with_ours_is_run_once_in_the_session(venue: PaperExchange) -> None:
    class Mine(Mixin, OrderManager):
        def run_loop(self, loops: int | None = None) -> None:
            self.depth = self.exchange.get_ticker()
            OrderManager.run_loop(self, loops)

    bot = made(Mine)
    bot.run_loop(2)
    assert venue.judge().accepted == 2
    assert venue.open_orders() == []


class Signals:
    """In place of what passes signals on: notes the control that gets them."""

    def __init__(self) -> None:
        self.control: Control | None = None

    def install(self) -> None:
        pass

    def pass_to(self, control: Control) -> None:
        self.control = control


def test_a_signal_interrupts_a_loop_of_the_strategys_own_and_stops_ours() -> None:
    signals, seen = Signals(), []

    class Mine(OrderManager):
        def run_loop(self, loops: int | None = None) -> None:
            seen.append(signals.control)
            super().run_loop(loops)

        def place_orders(self) -> None:
            seen.append(signals.control)

    bot = Mine.made_with(Runtime(signals=signals))  # type: ignore[arg-type]
    bot.run_loop(1)
    assert seen == [None, bot.control]


def test_a_loop_that_is_async_is_refused(venue: PaperExchange) -> None:
    class Mine(OrderManager):
        async def run_loop(self, loops: int | None = None) -> None:  # type: ignore[override]
            pass

    with pytest.raises(SettingsError, match=r"Mine\.run_loop\(\) is async, and nobody awaits it"):
        made(Mine)


# --- the way out ----------------------------------------------------------------------------------


def test_a_second_exit_does_nothing(venue: PaperExchange, log: pytest.LogCaptureFixture) -> None:
    bot = made(OrderManager)
    bot.run_loop(1)
    log.clear()
    requests = venue.judge().requests.total()
    bot.exit()
    bot.exit(15, None)  # as a handler of signals
    assert log.text == ""
    assert venue.judge().requests.total() == requests


def test_an_exit_in_a_tick_or_a_handler_ends_the_loop(
    venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    class Mine(OrderManager):
        def place_orders(self) -> None:
            super().place_orders()
            self.exit(15, None)

    made(Mine).run_loop()
    assert "Stopping: exit() was called." in log.text
    assert log.text.count("Shutting down") == 1
    assert venue.open_orders() == []


def test_an_exit_without_a_loop_ends_the_session_as_its_loop_does(venue: PaperExchange) -> None:
    class Watched(Held):
        has_ended = False

        @contextmanager
        def watch(self, _: OrderManager) -> Iterator[None]:
            yield
            Watched.has_ended = True

    bot = OrderManager.made_with(Runtime(session=Watched))
    bot.sanity_check()
    bot.place_orders()
    assert len(venue.open_orders()) == 2
    bot.exit()
    assert Watched.has_ended
    assert venue.open_orders() == []


# --- the thread -----------------------------------------------------------------------------------


def test_only_the_bots_own_thread_places_orders(venue: PaperExchange) -> None:
    found: list[Exception] = []

    class Mine(OrderManager):
        def place_orders(self) -> None:
            def place() -> None:
                try:
                    self.exchange.create_bulk_orders([BUY])
                except InvalidOrder as error:
                    found.append(error)

            thread = threading.Thread(target=place)
            thread.start()
            thread.join()

    made(Mine).run_loop(1)
    assert "only the bot's own thread places orders" in str(found[0])
    assert venue.judge().accepted == 0


def test_a_bot_may_run_in_another_thread_than_the_one_that_made_it(venue: PaperExchange) -> None:
    bot = made(OrderManager)
    thread = threading.Thread(target=bot.run_loop, args=(1,))
    thread.start()
    thread.join(20)
    assert venue.judge().accepted == 2
    assert venue.open_orders() == []


# --- what runs nothing ----------------------------------------------------------------------------


def test_the_settings_of_a_strategy_are_shown_without_running_it(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, venue: PaperExchange
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from market_maker.market_maker import OrderManager\n"
        "class Mine(OrderManager):\n    pass\n"
        "Mine().run_loop(3)\n"
    )
    with pytest.raises(SettingsError, match="runs a bot when it is imported, and this command"):
        strategies.settings_text("mine.py")
    assert venue.judge().requests.total() == 0


# --- constructors that cannot be called -----------------------------------------------------------


def test_a_dataclass_is_told_what_to_do(venue: PaperExchange) -> None:
    @dataclass
    class Mine(OrderManager):
        width: float = 0.1

    with pytest.raises(SettingsError, match="a dataclass writes its own, so use plain attributes"):
        made(Mine)


def test_settings_that_are_no_dict_are_told(venue: PaperExchange) -> None:
    class Mine(OrderManager):
        SETTINGS = ("FAR",)  # type: ignore[assignment]

    with pytest.raises(SettingsError, match=r"SETTINGS of the strategy: a dict of names"):
        made(Mine)
