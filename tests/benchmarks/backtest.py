"""What a back-test costs: against real time, by fill model, directly and over the wire's format."""

import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from market_maker.market_maker import OrderManager
from market_maker.simulation.backtest import Trial, back_test
from market_maker.tapes import MadeTape, Tape, examine, open_tape, write_records
from tests.benchmarks.receive import CAPTURE
from tests.benchmarks.table import Figure

QUOTES = {
    "ORDER_PAIRS": 30,
    "LOOP_INTERVAL": 1,
    "ORDER_START_SIZE": 1,
    "ORDER_STEP_SIZE": 1,
    "MIN_SPREAD": 0.001,
    "MAX_FILLS": 100_000,
}
MODELS = ("touch", "log", "power:2", "safe", "through")


def on_a_real_tape() -> Iterator[Figure]:
    """Run 30 pairs on a real tape, once a second."""
    if not CAPTURE.exists():
        yield Figure(what="back-test (the capture is not here)", value=0, unit="x", note="skipped")
        return
    tape = open_tape(CAPTURE)
    facts = examine(tape)
    seconds = (facts.ended_ns - facts.began_ns) / 1e9
    parsed = _parsing(tape)
    messages, levels = facts.messages.total(), facts.changes.total()
    yield Figure(
        what=f"parse a real tape, {messages:,} records, {levels:,} level changes",
        value=parsed,
        unit="s",
        note=f"{messages / parsed:,.0f} records/s; apart from the figures below",
    )
    for fills in MODELS:
        took = _took(tape, fills=fills) - parsed
        yield Figure(
            what=f"back-test of it, 30 pairs, {fills}, real time / ours",
            value=seconds / took,
            unit="x",
            least=100,
            note=f"{took:.2f} s",
        )
    took = _took(tape, is_direct=False) - parsed
    yield Figure(
        what="  the same over the wire's format",
        value=seconds / took,
        unit="x",
        least=25,
        note=f"{took:.2f} s",
    )


def grows() -> Iterator[Figure]:
    """Run a made tape of one and of four hours."""
    with tempfile.TemporaryDirectory() as place:
        took, memory = [], []
        for hours in (1, 4):
            made = MadeTape(seed=1, seconds=3600 * hours)
            path = Path(place) / f"{hours}.tape"
            write_records(made.records(), made.market, path)
            took.append(_took(open_tape(path)))
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    yield Figure(
        what="back-test of 4 h of a made market, / of 1 h",
        value=took[1] / took[0],
        unit="x",
        most=4.8,
        note=f"{took[0]:.1f} and {took[1]:.1f} s",
    )
    yield Figure(
        what="  memory", value=memory[1] - memory[0], unit="MiB more", most=20, note="at most"
    )


def _parsing(tape: Tape) -> float:
    begun = time.process_time()
    for _ in tape.records():
        pass
    return time.process_time() - begun


def _took(tape: Tape, *, fills: str = "safe", is_direct: bool = True) -> float:
    trial = Trial(tape=tape, strategy=OrderManager, overrides=QUOTES, fills=fills)
    with tempfile.TemporaryDirectory() as place:
        begun = time.process_time()
        back_test(replace(trial, is_direct=is_direct), Path(place) / "it.journal")
        return time.process_time() - begun
