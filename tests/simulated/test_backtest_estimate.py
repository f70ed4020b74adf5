"""A and k of a back-test's own quotes beside those of the tape that it ran on."""

import argparse
import math
from pathlib import Path

import pytest

from market_maker.app.estimate import of_run, of_tape
from market_maker.market_maker import OrderManager
from market_maker.simulation.backtest import Trial, back_test
from market_maker.tapes import MadeTape, open_tape, write_records

QUOTES = {
    "ORDER_PAIRS": 4,
    "LOOP_INTERVAL": 1,
    "INTERVAL": 0.00012,
    "MIN_SPREAD": 0.0003,
    "RELIST_INTERVAL": 0.0001,
    "ORDER_START_SIZE": 1,
    "ORDER_STEP_SIZE": 0,
    "MAX_FILLS": 100_000,
}


pytestmark = pytest.mark.usefixtures("restored")


@pytest.mark.slow
def test_quotes_that_fill_by_touch_show_the_intensity_of_the_tape(tmp_path: Path) -> None:
    made = MadeTape(seed=5, seconds=1200)
    path = tmp_path / "made.tape"
    write_records(made.records(), made.market, path)
    tape = open_tape([path])
    run = back_test(
        Trial(
            tape=tape,
            strategy=OrderManager,
            overrides=QUOTES,
            fills="touch",
        ),
        tmp_path / "it.journal",
    )
    asked = argparse.Namespace(step=5.0, buckets=9, depths=None, microprice=None)
    here, there = of_run(run, 5.0), of_tape(tape, asked)
    own, all_ = here.intensity, there.intensity
    assert own
    assert all_
    assert own.n > 200
    assert abs(own.k - all_.k) < 3 * math.hypot(own.k_error, all_.k_error)
    assert abs(own.a - all_.a) < 3 * math.hypot(own.a_error, all_.a_error)
    (_, of_own), (_, of_all) = here.volatility[0], there.volatility[0]
    assert abs(of_own.value - of_all.value) < 3 * math.hypot(of_own.error, of_all.error)
