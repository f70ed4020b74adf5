"""The ready strategies beside the ladder on made tapes: `python -m tests.benchmarks.strategies`.

Each runs on the same tapes with the same sizes and limits. It tells the mean profit after fees over
the seeds, in 1e-8 BTC, and the mean of the differences to the ladder on the same tape, each with
its standard error: the table of the page on strategies. Half an hour and more on two cores.
"""

import argparse
import logging
import math
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import NamedTuple

from market_maker.app.strategies import load_strategy
from market_maker.paper.exchange.fill_models import RANGE
from market_maker.report import report_of
from market_maker.simulation.backtest import Trial, back_test
from market_maker.strategies import READY
from market_maker.tapes import MadeTape, open_tape, write_records

LADDER = "market_maker.market_maker:OrderManager"
ALL = (LADDER, *READY)
SETTINGS = {
    "ORDER_PAIRS": 3,
    "ORDER_START_SIZE": 100,
    "ORDER_STEP_SIZE": 0,
    "INTERVAL": 0.0005,
    "MIN_SPREAD": 0.0006,
    "RELIST_INTERVAL": 0.0001,
    "LOOP_INTERVAL": 1,
    "CHECK_POSITION_LIMITS": True,
    "MIN_POSITION": -1000,
    "MAX_POSITION": 1000,
    "MAX_FILLS": 100_000,
    "MAKER_FEE": 0,
}
OWN = {
    "volatility": {"VOLATILITY": 0.00012, "SPREAD_FACTOR": 1.0, "SPREAD_HORIZON": 6},
    "avellaneda_stoikov": {
        "VOLATILITY": 0.00012,
        "FILL_DECAY": 7429,
        "RISK_AVERSION": 200,
        "HORIZON": 60,
    },
    "glft": {
        "VOLATILITY": 0.00012,
        "FILL_RATE": 1.422,
        "FILL_DECAY": 7429,
        "RISK_AVERSION": 200,
    },
}
"""What `tape estimate` told of a made tape of an hour, seed 7."""


class Case(NamedTuple):
    """One back-test."""

    name: str
    is_adverse: bool
    fills: str
    seed: int


class Found(NamedTuple):
    """What came of it: profit after fees in 1e-8 BTC, and fills."""

    profit: float
    fills: int


def run(case: Case, seconds: float) -> Found:
    """Run a back-test on a made tape of so many seconds."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as place:
        made = MadeTape(seed=case.seed, seconds=seconds, is_adverse=case.is_adverse)
        path = Path(place, "made.tape.gz")
        write_records(made.records(), made.market, path)
        trial = Trial(
            tape=open_tape(path),
            strategy=load_strategy(case.name),
            overrides=SETTINGS | OWN.get(case.name, {}),
            fills=case.fills,
        )
        report = report_of(back_test(trial, Path(place, "run.journal")))
    assert report.profit
    return Found(float(report.profit.total) * 1e8, report.fills)


def mean(values: Sequence[float]) -> str:
    """Return the mean with its standard error."""
    middle = math.fsum(values) / len(values)
    variance = math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1)
    return f"{middle:+,.0f} ± {math.sqrt(variance / len(values)):,.0f}"


def table(found: dict[Case, Found], seeds: Sequence[int]) -> str:
    """Return the means as a table of Markdown, a line for each market, fill model and strategy."""
    by = defaultdict(list)
    for case, each in sorted(found.items()):
        by[case[:3]].append(each)
    lines = ["| Market | Fills by | Strategy | Fills | Profit | less the ladder's |"]
    lines.append("|---|---|---|---|---|---|")
    for is_adverse, model, name in product((False, True), RANGE, ALL):
        runs, ladder = by[name, is_adverse, model], by[LADDER, is_adverse, model]
        gained = [each.profit - other.profit for each, other in zip(runs, ladder, strict=True)]
        shown = "ladder" if name == LADDER else name
        lines.append(
            f"| {'adverse' if is_adverse else 'driftless'} | {model} | `{shown}` "
            f"| {sum(each.fills for each in runs) / len(seeds):,.0f} "
            f"| {mean([each.profit for each in runs])} "
            f"| {'' if name == LADDER else mean(gained)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run all, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, metavar="N")
    parser.add_argument("--seconds", type=float, default=600.0)
    given = parser.parse_args()
    seeds = range(1, given.seeds + 1)
    cases = [Case(*each) for each in product(ALL, (False, True), RANGE, seeds)]
    with ProcessPoolExecutor(2) as pool:
        told = pool.map(run, cases, [given.seconds] * len(cases))
        found = dict(zip(cases, told, strict=True))
    sys.stdout.write(table(found, seeds) + "\n")


if __name__ == "__main__":
    main()
