"""A back-test beside that of nautilus_trader: `python -m tests.benchmarks --peers`.

Both run the same ladder on the same tape. The peer is installed in a virtual environment made for
it, which goes again; without `--peers` nothing is installed.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from market_maker.market_maker import OrderManager
from market_maker.settings.schema import SettingsBase
from market_maker.simulation.backtest import Assumptions, Trial, back_test
from market_maker.tapes import Gap, Tape, open_tape
from tests.benchmarks.backtest import QUOTES
from tests.benchmarks.receive import CAPTURE
from tests.benchmarks.table import Figure

PEER = "nautilus_trader"
WANTED = f"{PEER}==1.221.0"
ITS_PROGRAM = Path(__file__).with_name("peer_nautilus.py")
READS = (
    *("ORDER_PAIRS", "ORDER_START_SIZE", "ORDER_STEP_SIZE", "INTERVAL", "MIN_SPREAD"),
    *("RELIST_INTERVAL", "LOOP_INTERVAL", "MAKER_FEE", "TAKER_FEE"),
)
"""The settings that its ladder follows, too."""
MODELS = ("safe", "touch")
ROUNDS = 3
INSTALL_SECONDS, RUN_SECONDS = 900, 600


class PeerFailed(Exception):
    """The peer cannot be installed or run: the text is the last that was said of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one back-test took, in CPU seconds without the reading of its tape, and what it did."""

    seconds: float
    reading: float
    submitted: int
    cancelled: int
    fills: int
    filled: int
    """Contracts."""

    @property
    def counts(self) -> str:
        """The numbers of its orders in words."""
        return (
            f"{self.submitted} orders, {self.cancelled} cancelled, {self.fills} fills of "
            f"{self.filled} contracts"
        )


def beside_nautilus() -> Iterator[Figure]:
    """Run 30 pairs on a real tape, once a second, here and in nautilus_trader, in turn."""
    if not CAPTURE.exists():
        yield _skipped("the capture is not here")
        return
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        try:
            python = _installed(place / "environment")
            yield from _compared(open_tape(CAPTURE), python, place)
        except PeerFailed as error:
            yield _skipped(str(error))


def _compared(tape: Tape, python: Path, place: Path) -> Iterator[Figure]:
    copy = place / "tape.txt"
    _write(tape, copy)
    ours: dict[str, list[Outcome]] = {fills: [] for fills in MODELS}
    its: list[Outcome] = []
    for _ in range(ROUNDS):
        for fills, found in ours.items():
            found.append(_ours(tape, fills, place))
        its.append(_its(python, copy))
    reading = median(one.reading for found in ours.values() for one in found)
    yield Figure(
        what="parse the tape, ours",
        value=reading,
        unit="s",
        note=f"apart from the figures below, as its own loading, "
        f"{median(one.reading for one in its):.2f} s",
    )
    yield _took(f"back-test of it, 30 pairs, {PEER}", its)
    for fills, found in ours.items():
        yield _took(f"back-test of it, 30 pairs, ours, {fills}", found)
    for fills, found in ours.items():
        yield Figure(
            what=f"  ours, {fills}, / {PEER}",
            value=_seconds(found) / _seconds(its),
            unit="x",
            most=1,
            note=f"0.5 is aimed at; orders {found[0].submitted} / {its[0].submitted}, cancelled "
            f"{found[0].cancelled} / {its[0].cancelled}, fills {found[0].fills} / {its[0].fills}",
        )


def _took(what: str, found: Sequence[Outcome]) -> Figure:
    times = sorted(one.seconds for one in found)
    spread = f"{times[0]:.2f} to {times[-1]:.2f} s"
    return Figure(what=what, value=median(times), unit="s", note=f"{spread}; {found[0].counts}")


def _seconds(found: Sequence[Outcome]) -> float:
    return median(one.seconds for one in found)


def _skipped(why: str) -> Figure:
    note = f"skipped: {why}".replace("|", "/")
    return Figure(what=f"back-test beside {PEER}", value=0, unit="x", note=note)


# --- ours -----------------------------------------------------------------------------------------


def _ours(tape: Tape, fills: str, place: Path) -> Outcome:
    begun = time.process_time()
    for _ in tape.records():
        pass
    reading = time.process_time() - begun
    trial = Trial(tape=tape, strategy=OrderManager, overrides=QUOTES, fills=fills)
    with tempfile.TemporaryDirectory(dir=place) as directory:
        begun = time.process_time()
        run = back_test(trial, Path(directory) / "it.journal")
        took = time.process_time() - begun
        requests = run.raw("requests", "path", where="outcome = 'done'")
        cancelled = run.raw("orders", "client_oid", where="step = 'cancelling'")
        filled = run.raw("fills", "qty")
    return Outcome(
        seconds=took - reading,
        reading=reading,
        submitted=sum(row["path"].endswith("/order/create") for row in requests),
        cancelled=len({row["client_oid"] for row in cancelled}),
        fills=len(filled),
        filled=sum(int(row["qty"]) for row in filled),
    )


# --- its ------------------------------------------------------------------------------------------


def _installed(environment: Path) -> Path:
    """Return the interpreter of a new virtual environment with the peer in it, from wheels only.

    Without a wheel pip would build it, for most of an hour.
    """
    _run([sys.executable, "-m", "venv", str(environment)], INSTALL_SECONDS)
    python = environment / "bin" / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    _run([*pip, "--only-binary", ":all:", WANTED], INSTALL_SECONDS)
    return python


def _write(tape: Tape, path: Path) -> None:
    """Write a tape as `peer_nautilus.py` reads it."""
    market, latency = tape.market, Assumptions().latency
    known = vars(SettingsBase()) | QUOTES
    about = {name: known[name] for name in READS}
    about |= {"tick": str(market.tick), "lot": int(market.lot), "face": int(market.face)}
    about |= {"latency_ns": round(latency.seconds * 1e9)}
    with path.open("w", encoding="ascii") as file:
        print(json.dumps(about), file=file)
        for record in tape.records():
            if not isinstance(record, Gap):
                levels = (f"{side.value},{price},{size}" for side, price, size in record.levels)
                print(type(record).__name__, record.time_ns, *levels, file=file)


def _its(python: Path, tape: Path) -> Outcome:
    # -I: nothing of this tree is imported there
    printed = _run([str(python), "-I", str(ITS_PROGRAM), str(tape)], RUN_SECONDS)
    return Outcome(**json.loads(printed))


def _run(command: list[str], seconds: float) -> str:
    """Return what a program prints. Raises PeerFailed."""
    try:
        ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds)
    except subprocess.CalledProcessError as error:
        said = f"{error.stdout}\n{error.stderr}".strip().split("\n")
        raise PeerFailed(said[-1] or str(error)) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerFailed(str(error)) from None
    return ended.stdout
