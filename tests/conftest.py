"""What the tests of the shell share: the paper exchange on port 0, settings for it, and waiting."""

import gc
import logging
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from market_maker.account import Account
from market_maker.app.logs import RateLimited
from market_maker.bot import Runtime
from market_maker.gte import GTE
from market_maker.market_maker import OrderManager
from market_maker.paper.server.in_process import PaperExchange
from market_maker.paper.server.service import serve
from market_maker.secrecy import Secret
from market_maker.settings import settings

if TYPE_CHECKING:
    from bot import Bot
    from listener import Listener

    from tests.world.world import World

DEADLINE = 10.0
TAKES_LONG = re.compile(r"tests/processes/|test_(stateful|soak|rest_faults|backtest_sweep)")
SAMPLED = re.compile(r"tests/(simulated|venue|processes)/")
Run = Callable[..., "Bot"]


def wait_until(condition: Callable[[], Any], seconds: float = DEADLINE) -> None:
    """Wait until a condition is true; fail, naming it, when it does not become true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"did not become true in {seconds} s: {condition.__name__}")
        time.sleep(0.01)


def part_of(blocks: int) -> range:
    """Return all blocks of a test, or with GTE_PART, a number, every sixth: CI draws which."""
    part = os.environ.get("GTE_PART", "")
    return range(int(part) % 6, blocks, 6) if part else range(blocks)


def pytest_configure() -> None:
    """Heed Ctrl-C, and let the processes of tests heed it: a script's background jobs ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def sample(items: list[pytest.Item]) -> None:
    """Mark as slow what `pytest` leaves out: of the cases of a test it runs a third, rounded up."""
    tests: dict[str, list[pytest.Item]] = {}
    for item in items:
        if SAMPLED.search(str(item.path)) and not item.get_closest_marker("slow"):
            item.add_marker("sampled")
        if item.get_closest_marker("sampled"):
            tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for name, cases in tests.items():
        for item in random.Random(name).sample(cases, 2 * len(cases) // 3):
            item.add_marker("slow")


def order(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Let each worker begin with its part of what takes long; the others' rest fills the gaps."""
    long = [item for item in items if TAKES_LONG.search(str(item.path))]
    short = [item for item in items if not TAKES_LONG.search(str(item.path))]
    length = -(-len(short) // workers)
    return [
        item
        for worker in range(workers)
        for item in [*long[worker::workers], *short[worker * length : (worker + 1) * length]]
    ]


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Iterator[None]:
    """Mark the cases before pytest chooses by marks, and put what it has chosen in order."""
    sample(items)
    yield
    items[:] = order(items, getattr(config, "workerinput", {}).get("workercount", 1))


def pytest_collection_finish() -> None:
    """Let the collector leave the tests themselves alone: searching them takes a twentieth."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 20)


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GTE_API_KEY", "GTE_API_SECRET", "GTE_NOTIFY_URL"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


@pytest.fixture(autouse=True)
def run_files_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the bots of this process be without lock, guard and signals."""
    monkeypatch.setattr(OrderManager, "runtime", Runtime())
    monkeypatch.setattr(OrderManager, "latest", None)


@pytest.fixture(autouse=True)
def log_of_no_command_before() -> Iterator[None]:
    """Take the log away that a command in this process has set up: it writes to a test's stream."""
    yield
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, RateLimited)]:
        root.removeHandler(handler)


@pytest.fixture
def restored() -> Iterator[None]:
    """Let the settings be afterwards what they were before."""
    saved = dict(vars(settings))
    yield
    vars(settings).clear()
    vars(settings).update(saved)


@pytest.fixture
def not_under_nohup() -> Iterator[None]:
    """Let SIGHUP end the processes that are started, whatever this one was started by."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def under_nohup() -> Iterator[None]:
    """Start processes as nohup does."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Start `python marketmaker` in an empty directory."""
    from bot import Bot

    bots = []

    def start(*arguments: str, directory: Path = tmp_path, **environment: Any) -> Bot:
        bots.append(Bot(directory, *arguments, **environment))
        return bots[-1]

    yield start
    for bot in bots:
        bot.kill()


@pytest.fixture
def listener() -> "Iterator[Listener]":
    """A server that takes notifications."""
    from listener import Listener
    from raw_server import RawServer

    made = Listener()
    made.server = RawServer(made.serve)
    with made.server:
        yield made


@pytest.fixture
def venue() -> Iterator[PaperExchange]:
    """A paper exchange with a still book: best bid 8490.0, best ask 8497.5, nobody trading."""
    with PaperExchange(crowd=False, book=True) as exchange:
        yield exchange


@pytest.fixture
def controlled() -> Iterator[tuple[str, str, str]]:
    """A served exchange with a control endpoint: its URL, its token, and the REST URL."""
    stop, listening = threading.Event(), threading.Event()
    known: list[str] = []

    def ready(*given: str) -> None:
        known.extend(given)
        if len(known) == 4:
            listening.set()

    thread = threading.Thread(
        target=lambda: serve(ready=ready, control=ready, stop=stop), daemon=True
    )
    thread.start()
    assert listening.wait(10)
    yield known[0], known[1], known[2]
    stop.set()
    thread.join(10)


@pytest.fixture
def gte(venue: PaperExchange) -> Iterator[GTE]:
    """A REST client of the paper exchange, without a feed."""
    client = client_of(venue)
    yield client
    client.exit()


def client_of(venue: PaperExchange, **changed: Any) -> GTE:
    """Return a client of a paper exchange."""
    about_the_client = ("read_only", "withdraw_path", "wake")
    given = {name: changed.pop(name) for name in about_the_client if name in changed}
    return GTE(account_of(venue, **changed), **given)


def account_of(venue: PaperExchange, **changed: Any) -> Account:
    """Return the account of a paper exchange; keys are given as plain text."""
    given = {
        "base_url": venue.rest_url,
        "symbol": "BTC_USD",
        "settle_currency": "BTC",
        "api_key": venue.key,
        "api_secret": venue.secret,
        "prefix": "mm_test_",
        "timeout": 2.0,
    }
    return account(**(given | changed))


def account(*, api_key: str = "", api_secret: str = "", **given: Any) -> Account:
    """Return an account with this key pair, hidden as in life."""
    return Account(api_key=Secret(api_key, tail=4), api_secret=Secret(api_secret), **given)


@pytest.fixture
def configure(venue: PaperExchange) -> Iterator[Callable[..., None]]:
    """Load the settings of the example with the paper exchange's addresses and some changes."""
    saved = dict(vars(settings))

    def load(**changed: Any) -> None:
        given = {
            "API_URL_BASE": venue.rest_url,
            "WS_URL": venue.ws_url,
            "API_KEY": venue.key,
            "API_SECRET": venue.secret,
            "DRY_RUN": False,
            "ORDER_PAIRS": 3,
            "LOOP_INTERVAL": 0.2,
            "TIMEOUT": 2.0,
        }
        settings.load(None, overrides=given | changed)

    yield load
    vars(settings).clear()
    vars(settings).update(saved)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log from INFO up."""
    caplog.set_level(logging.INFO)
    return caplog


@pytest.fixture
def empty(log: pytest.LogCaptureFixture) -> "Iterator[World]":
    """A world in simulated time, without a bot yet."""
    from tests.world.world import World

    made = World()
    with made.installed():
        yield made


@pytest.fixture
def world(empty: "World") -> "World":
    """A world in which the bot quotes, and somebody else has an order on its account."""
    from tests.world.oracle import assert_well

    empty.start()
    empty.foreign_order("buy", "8000", 1)
    empty.run(5)
    assert_well(empty)
    return empty
