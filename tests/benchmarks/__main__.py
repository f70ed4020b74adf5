"""Measure what this bot costs and how soon it acts: `python -m tests.benchmarks`.

It takes about six minutes; `--only receive` measures a part, `--json` prints the figures as JSON,
and `--peers` measures a back-test beside that of another program, which it installs.
"""

import argparse
import gc
import json
import logging
import os
import platform
from collections.abc import Callable, Iterator
from datetime import date

from tests.benchmarks import backtest, decide, journal, orders, peers, process, receive
from tests.benchmarks.table import HEAD, Figure, shown

PARTS: dict[str, tuple[Callable[[], Iterator[Figure]], ...]] = {
    "receive": (receive.one_frame, receive.reads, process.real_feed, process.socket_feed),
    "decide": (decide.plans, decide.day),
    "orders": (
        orders.stands,
        orders.place_and_cancel,
        orders.replace,
        orders.fill_to_replacement,
    ),
    "journal": (journal.hands_over, journal.writes),
    "backtest": (backtest.on_a_real_tape, backtest.grows),
    "process": (process.starts, process.idle, process.stays),
}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", choices=PARTS, nargs="+")
    parser.add_argument("--peers", action="store_true", help="alone, or after the parts of --only")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    parts = arguments.only or ([] if arguments.peers else list(PARTS))
    measures = [measure for part in parts for measure in PARTS[part]]
    measures += [peers.beside_nautilus] if arguments.peers else []
    logging.basicConfig(level=logging.ERROR)
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
    if not arguments.json:
        print(f"{date.today()}, {machine}\n\n{HEAD}", flush=True)
    figures: list[Figure] = []
    for measure in measures:
        gc.collect()
        gc.freeze()  # what one measurement leaves behind is not searched in the next
        for figure in measure():
            figures.append(figure)
            if not arguments.json:
                print(shown(figure), flush=True)
    if arguments.json:
        found = {"date": str(date.today()), "machine": machine}
        print(json.dumps(found | {"figures": [figure.plain() for figure in figures]}, indent=1))


main()
