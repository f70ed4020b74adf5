"""Every setting at both ends of its range: the bot quotes, or says which setting keeps it."""

import itertools
import logging
import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from market_maker.errors import SettingsError
from market_maker.settings.schema import FIELDS
from tests.world.world import GIVEN, World

QUOTES_WITHIN = 30
LARGEST = 9.9e14
"""The end of a range that has none: numbers of 1e15 and more are refused."""
OTHER_ENDS: dict[str, tuple[Any, ...]] = {
    "ORDERID_PREFIX": ("m", "m" * 13),
    "LOG_LEVEL": ("DEBUG", "CRITICAL", 0, 100),
    "WATCHED_FILES": ([], ["settings.py"] * 20),
    "NOTIFY_URL": ("", "https://127.0.0.1:1/never-sent-to"),
    "WITHDRAW_PATH": ("", "/v1/withdraw"),
    "SETTLECURRENCY": ("ZZ",),
    "SYMBOL": ("BTC/USDT", "ZZ_ZZ"),
    "INSTRUMENTTYPE": ("bb",),
    "API_KEY": ("",),
    "API_SECRET": ("",),
    "API_URL_BASE": ("127.0.0.1:1",),
    "WS_URL": ("127.0.0.1:1",),
}
SIZES = ("ORDER_START_SIZE", "ORDER_STEP_SIZE", "MAX_ORDER_QTY", "MIN_ORDER_SIZE", "MAX_ORDER_SIZE")
LIMITS = ("CHECK_POSITION_LIMITS", "MIN_POSITION", "MAX_POSITION", "POSITION_MODE")
CAPS = ("MAX_OPEN_ORDERS", "MAX_OPEN_VALUE", "MAX_LOSS", "MAX_FILLS", "PRICE_COLLAR")
SHAPE = ("ORDER_PAIRS", "INTERVAL", "MIN_SPREAD", "MAINTAIN_SPREADS", "RELIST_INTERVAL")
PAIRS = sorted(
    {
        *itertools.combinations((*SIZES, "RANDOM_ORDER_SIZE", "ORDER_PAIRS"), 2),
        *itertools.combinations(LIMITS, 2),
        *itertools.product(SIZES, (*LIMITS, "MAX_OPEN_VALUE")),
        *itertools.combinations((*SHAPE, "PRICE_COLLAR", "POST_ONLY"), 2),
        *itertools.product(CAPS, ("ORDER_PAIRS", "ORDER_START_SIZE", "DRY_RUN")),
        *itertools.product(("LOOP_INTERVAL", "TIMEOUT"), ("API_ERROR_INTERVAL", "WAKE_ON_FILL")),
    }
)
"""Settings that may contradict each other."""
Changed = dict[str, Any]


def ends(name: str) -> tuple[Any, ...]:
    """Return both ends of the range of a setting."""
    about, default = FIELDS[name].metadata, getattr(World, name, FIELDS[name].default)
    if name in OTHER_ENDS:
        return OTHER_ENDS[name]
    if about["choices"]:
        return tuple(about["choices"])
    if isinstance(default, bool):
        return (False, True)
    low = -LARGEST if about["low"] is None else about["low"]
    high = LARGEST if about["high"] is None else about["high"]
    return (low, high)


SINGLE: list[Changed] = [{name: value} for name in FIELDS for value in ends(name)]
DOUBLE: list[Changed] = [
    {one: value, other: against}
    for one, other in PAIRS
    for value, against in itertools.product(ends(one), ends(other))
]


class Lines(logging.Handler):
    """What the log says, and whether it shows a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.traces: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
        if record.exc_info:
            self.traces.append(f"{record.getMessage()} {record.exc_info[1]!r}")


@contextmanager
def a_world() -> Iterator[tuple[World, Lines]]:
    world, lines = World(), Lines()
    logger = logging.getLogger("market_maker")
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    try:
        with world.installed():
            yield world, lines
    finally:
        logger.removeHandler(lines)
        logger.setLevel(level)


def quotes(world: World) -> bool:
    """Run until an order rests, at most so long as the bot has; return whether one does."""
    assert world.bot
    for _ in range(QUOTES_WITHIN):
        world.run(1)
        if world.bot.exchange.orders.live():
            return True
    return False


def names_a_setting(lines: Iterable[str]) -> bool:
    """Return whether a line names a setting, other than to say that it was read."""
    return any(name in line for line in lines if "Setting " not in line for name in FIELDS)


def check(world: World, lines: Lines, since: int = 0) -> None:
    """Check that the bot quotes, or has said which setting keeps it."""
    assert world.bot
    is_quoting = quotes(world)
    halted = world.bot.control.halt_reason
    said = lines.said[since:]
    assert lines.traces == []
    assert not halted or names_a_setting([halted]), halted
    assert is_quoting or names_a_setting(said), said[-8:]


def start(changed: Changed) -> None:
    with a_world() as (world, lines):
        refusal = ""
        try:
            world.start(**changed)
        except SettingsError as error:
            refusal = str(error)
        if refusal:
            assert names_a_setting([refusal]), refusal
            assert lines.traces == []
        else:
            check(world, lines)


def reload(changed: Changed, tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    with a_world() as (world, lines):
        _write(file, GIVEN)
        world.start(file=file)
        assert quotes(world)
        since = len(lines.said)
        _write(file, GIVEN | changed)
        world.run(4)
        new = {name: value for name, value in changed.items() if GIVEN.get(name) != value}
        is_default = all(FIELDS[name].default == value for name, value in new.items())
        told = [line for line in lines.said[since:] if any(name in line for name in new)]
        assert is_default or told, lines.said[since:]
        check(world, lines, since)


def _write(file: Path, values: Mapping[str, Any]) -> None:
    file.write_text("".join(f"{name} = {value!r}\n" for name, value in values.items()))
    file.chmod(0o600)


# --- a sample in every run, and all of them when there is time ------------------------------------


def _beyond_any_venue(changed: Changed) -> bool:
    return changed == {"ORDER_START_SIZE": 1e12, "MAX_ORDER_QTY": LARGEST}


def _hours_of_waiting(changed: Changed) -> bool:
    return changed.get("LOOP_INTERVAL", 0) > 60


ALL = [changed for changed in SINGLE + DOUBLE if not _beyond_any_venue(changed)]
QUICK = [changed for changed in ALL if not _hours_of_waiting(changed)]
CHANCE = random.Random("settings")
BLOCKS = 12


@pytest.mark.parametrize("changed", CHANCE.sample(QUICK, 40), ids=str)
def test_a_bot_quotes_or_says_which_setting_keeps_it(changed: Changed) -> None:
    start(changed)


@pytest.mark.parametrize("changed", CHANCE.sample(QUICK, 15), ids=str)
def test_so_does_one_whose_settings_change_while_it_runs(changed: Changed, tmp_path: Path) -> None:
    reload(changed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(BLOCKS))
def test_so_do_all_ends_and_all_pairs_that_may_contradict(block: int, tmp_path: Path) -> None:
    for number, changed in enumerate(ALL[block::BLOCKS]):
        start(changed)
        if number % 2 or len(changed) == 1:
            reload(changed, tmp_path)
