"""Settings that work against each other are told of in words."""

from pathlib import Path
from typing import Any

import pytest

from market_maker.settings import defaults, doubtful_pairs
from market_maker.settings.schema import SettingsBase
from tests.world.scene import said
from tests.world.world import World

FINE = {
    "ORDER_PAIRS": 3,
    "ORDER_START_SIZE": 100,
    "ORDER_STEP_SIZE": 100,
    "INTERVAL": 0.005,
    "RELIST_INTERVAL": 0.001,
    "MIN_SPREAD": 0.01,
}


def doubts(**changed: Any) -> list[str]:
    given = SettingsBase(**(defaults() | FINE | changed))
    return doubtful_pairs(given, tick=0.5, price=8500)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"RELIST_INTERVAL": 0.005}, "RELIST_INTERVAL 0.005 is not below INTERVAL 0.005"),
        ({"INTERVAL": 0.0005}, "RELIST_INTERVAL 0.001 is not below INTERVAL 0.0005"),
        (
            {"MIN_SPREAD": 0.0005, "TAKER_FEE": 0.0002},
            "RELIST_INTERVAL 0.001 is above MIN_SPREAD 0.0005",
        ),
        ({"MIN_SPREAD": 0.0014}, "MIN_SPREAD 0.0014 is under twice TAKER_FEE 0.00075"),
        ({"MAX_OPEN_VALUE": 0.1}, "is worth about 0.141176 BTC, MAX_OPEN_VALUE is 0.1"),
        (
            {"INSTRUMENTTYPE": "bb", "SETTLECURRENCY": "USDT", "MAX_OPEN_VALUE": 10**7},
            "is worth about 1.02e+07 USDT, MAX_OPEN_VALUE is 1e+07",
        ),
        (
            {"INTERVAL": 0.00005, "RELIST_INTERVAL": 0},
            "INTERVAL 5e-05 is 0.425 at 8500, less than the tick 0.5",
        ),
        ({"MAX_POSITION": 599}, "buys of the ladder add up to 600, MAX_POSITION is 599"),
        ({"MIN_POSITION": -599}, "sells of the ladder add up to 600, MIN_POSITION is -599"),
        ({"MAX_ORDER_QTY": 299}, "the largest level is 300, MAX_ORDER_QTY is 299"),
        ({"MAX_FILLS": 2}, "ORDER_PAIRS 3 is above MAX_FILLS 2"),
        ({"POSITION_MODE": "hedge", "INSTRUMENTTYPE": "bb"}, "no effect on spot"),
        (
            {"RANDOM_ORDER_SIZE": True, "MIN_ORDER_SIZE": 200, "MAX_POSITION": 500},
            "buys of the ladder add up to 600, MAX_POSITION is 500",
        ),
        (
            {"RANDOM_ORDER_SIZE": True, "MAX_ORDER_SIZE": 400, "MAX_ORDER_QTY": 300},
            "the largest level is 400, MAX_ORDER_QTY is 300",
        ),
    ],
)
def test_settings_that_work_against_each_other_are_named(
    changed: dict[str, Any], words: str
) -> None:
    (found,) = doubts(**changed)
    assert words in found


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"MAX_POSITION": 600, "MIN_POSITION": -600, "MAX_FILLS": 3, "MAX_ORDER_QTY": 300},
        {"MAX_POSITION": 1, "MIN_POSITION": -1, "CHECK_POSITION_LIMITS": False},
        {"MIN_SPREAD": 0, "RELIST_INTERVAL": 0.004},
        {"MIN_SPREAD": 0.0015, "MAX_OPEN_VALUE": 0.15},
        {"POSITION_MODE": "hedge"},
    ],
)
def test_settings_that_go_together_are_not(changed: dict[str, Any]) -> None:
    assert doubts(**changed) == []


def test_they_are_warned_of_at_start_and_on_reload_each_once(
    tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    world = World(**(FINE | {"MAX_FILLS": 2}))
    file = tmp_path / "settings.py"

    def write(**changed: Any) -> None:
        given = world.settings | {"WATCHED_FILES": []} | changed
        file.write_text("".join(f"{name} = {value!r}\n" for name, value in given.items()))

    write()
    with world.installed():
        world.start(file=file)
        world.run(10)
        assert said(log, "ORDER_PAIRS 3 is above MAX_FILLS 2") == 1
        write(RELIST_INTERVAL=0.1)
        world.run(10)
        assert said(log, "RELIST_INTERVAL 0.1 is not below INTERVAL") == 1
        assert said(log, "ORDER_PAIRS 3 is above MAX_FILLS 2") == 1
