"""The check for peeking: no quote may depend on what the tape shows only later."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from market_maker.errors import MarketMakerError
from market_maker.journal import Run
from market_maker.market_maker import OrderManager
from market_maker.paper.market.tape import beginning
from market_maker.simulation.backtest import Trial, back_test
from market_maker.tapes import Tape

CUTS = 5
LINGER = 1.0
"""Seconds for which a bot goes on after a cut: what it decided just before is sent meanwhile."""
MS = 1_000_000
Sent = list[tuple[int, str, str, str]]
"""Orders as they were sent: time in ms, side, price, qty."""


def check(
    trial: Trial,
    step: Callable[[], None] = lambda: None,
    anew: Callable[[], type[OrderManager]] | None = None,
) -> str:
    """Cut the tape at CUTS moments of quoting; return in words that no quote before has changed.

    `step` is called before each of the CUTS + 1 back-tests; `anew` returns the strategy as it is
    before its first run. Raises MarketMakerError with the first quote that has changed.
    """
    with tempfile.TemporaryDirectory() as place:
        step()
        whole = _sent(back_test(trial, Path(place) / "whole.journal"))
        times = sorted({time_ms for time_ms, *_ in whole})
        if not times:
            raise MarketMakerError("nothing was quoted, so nothing can be checked")
        cuts = sorted({times[(number + 1) * len(times) // (CUTS + 1)] for number in range(CUTS)})
        for number, cut_ms in enumerate(cuts):
            step()
            strategy = anew() if anew else trial.strategy
            cut = replace(
                trial, strategy=strategy, until_ns=_after(trial.tape, cut_ms), linger_seconds=LINGER
            )
            found = _sent(back_test(cut, Path(place) / f"{number}.journal"))
            _compare(whole, found, cut_ms)
    return (
        f"No quote depends on what comes after it: the tape was cut at {len(cuts)} moments, and "
        "all orders until then were the same. What a strategy reads by itself, from files or the "
        "network, is not checked.\n"
    )


def _sent(run: Run) -> Sent:
    rows = run.raw("orders", "time_ms", "side", "price", "qty", where="step = 'sent'")
    return [(row["time_ms"], row["side"], row["price"], row["qty"]) for row in rows]


def _after(tape: Tape, time_ms: int) -> int:
    """Return the venue's time, in ns, at which a ms of the back-test's clock ends."""
    begins_ns = beginning(tape).time_ns
    return begins_ns + (time_ms + 1 - begins_ns // MS) * MS


def _compare(whole: Sent, cut: Sent, cut_ms: int) -> None:
    """Raise MarketMakerError where orders up to a cut differ."""
    ours, theirs = ([each for each in sent if each[0] <= cut_ms] for sent in (whole, cut))
    for number in range(max(len(ours), len(theirs))):
        pair = [str(sent[number : number + 1] or "nothing") for sent in (ours, theirs)]
        if pair[0] != pair[1]:
            raise MarketMakerError(
                "the strategy knows what comes later, or draws or reads the time by itself: with "
                f"the tape cut at {cut_ms} ms it sent {pair[1]}, with the whole tape {pair[0]}"
            )
