"""A trial of a sweep: one back-test, the key of all that it depends on, and its result."""

import errno
import json
import re
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from market_maker import __version__
from market_maker.decimals import plain
from market_maker.errors import MarketMakerError
from market_maker.market_maker import OrderManager
from market_maker.report import Report, report_of
from market_maker.simulation.backtest import Assumptions, Trial, back_test
from market_maker.simulation.latency import Latency
from market_maker.tapes import Market, Options, Tape

OF_THE_MACHINE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    errno.ESTALE,
}
"""Errors that say nothing about a trial: the sweep ends, and can be resumed."""
ADDRESS = re.compile(r"0x[0-9a-f]+")
DIRECTORIES = re.compile(r"(?<![\w.])(/[^\s/'\"]+)+/")


class SweepEnds(MarketMakerError):
    """A sweep cannot go on here; what has finished stays. Mend the cause and resume it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A tape: where it is, how it is read, and what the key of a trial has of it."""

    path: Path
    format: str
    """By name; empty: what the file looks like."""
    about: Options
    market: Market
    digest: str
    """Of the content of its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A tape, or the part of it between two of the venue's times in ns."""

    source: Source
    from_ns: int | None = None
    until_ns: int | None = None
    words: str = ""
    """Which part of the tape it is; empty: all of it."""

    @property
    def name(self) -> str:
        """What a reader calls it."""
        return f"{self.words}{self.source.path.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all trials of a sweep share: the strategy and the assumptions."""

    strategy: str
    """As `--strategy` names it."""
    strategy_name: str
    """MODULE:CLASS."""
    strategy_digest: str
    """Of its source file."""
    assumed: Assumptions
    trials: int
    """How many there are; nothing depends on it."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One trial: plain values, which another process or machine can run."""

    part: Part
    fills: str
    settings: Mapping[str, Any]
    """All that differ from those of settings.py.example, whatever file or plan they are from."""
    shared: Shared

    @cached_property
    def files(self) -> dict[str, str]:
        """The SHA-256 of the files that its settings name, as they were when it was set out."""
        return named_in(self.settings)

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """All that its result depends on, as JSON has it: nothing of this machine."""
        shared, part, market = self.shared, self.part, self.part.source.market
        assumed = shared.assumed
        return {
            "balance": plain(assumed.balance),
            "fees": [plain(fee) for fee in assumed.fees] if assumed.fees else None,
            "feed_latency": assumed.feed_latency,
            "files": self.files,
            "fills": self.fills,
            "latency": _latency(assumed.latency),
            "position": assumed.position,
            "seed": assumed.seed,
            "settings": dict(self.settings),
            "strategy": {"name": shared.strategy_name, "sha256": shared.strategy_digest},
            "tape": {
                "sha256": part.source.digest,
                "format": part.source.format,
                "market": [market.place, *map(plain, market.grid)],
                "from_ns": part.from_ns,
                "until_ns": part.until_ns,
            },
            "version": __version__,
        }

    @cached_property
    def key(self) -> str:
        """The SHA-256 of its inputs."""
        text = json.dumps(self.inputs, sort_keys=True, separators=(",", ":"))
        return sha256(text.encode()).hexdigest()


def named_in(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each file that a setting names, by the setting's name."""
    found = {}
    for name, value in settings.items():
        with suppress(OSError, ValueError):  # too long, or no name that a file can have
            if isinstance(value, str) and Path(value).is_file():
                found[name] = sha256(Path(value).read_bytes()).hexdigest()
    return found


def result_of(job: Job, tape: Tape, strategy: type[OrderManager], keep: Path | None = None) -> str:
    """Run a trial and return its result: canonical JSON, without time, host or process.

    A trial that fails has a result, too, which says why. The journal is kept at `keep`. Raises
    SweepEnds for what is the fault of this machine, such as a full disk.
    """
    trial = Trial(
        tape=tape,
        strategy=strategy,
        overrides=job.settings,
        fills=job.fills,
        assumed=job.shared.assumed,
        one_of=f"one of the {job.shared.trials} trials of a sweep",
        from_ns=job.part.from_ns,
        until_ns=job.part.until_ns,
    )
    found: dict[str, Any] = {"key": job.key, "inputs": job.inputs}
    with tempfile.TemporaryDirectory(prefix="gte-sweep-") as place:
        journal = Path(place) / "trial.journal"
        try:
            run = back_test(trial, journal)
            if run.row["dropped"] or run.row["lost"]:
                raise SweepEnds(f"the journal of a trial could not be written in {place}")
            found["figures"] = _figures(report_of(run))
            if keep:
                _keep(journal, keep)
        except SweepEnds:
            raise
        except Exception as error:
            if _is_of_the_machine(error):
                raise SweepEnds(f"a trial ended with {type(error).__name__}: {error}") from error
            found["failed"] = _why(error, str(tape.paths[0].parent))
    return json.dumps(found, sort_keys=True, indent=1) + "\n"


def _is_of_the_machine(error: Exception) -> bool:
    is_full = isinstance(error, OSError) and error.errno in OF_THE_MACHINE
    return is_full or isinstance(error, MemoryError | sqlite3.OperationalError)


def _figures(report: Report) -> dict[str, Any]:
    """Return the figures of a result; money and quantities as text of exact decimals."""
    profit, drawdown, both = report.profit, report.drawdown, report.uptimes.get("")
    parts = ("total", "spread", "inventory", "fees", "funding", "liquidation")
    return {
        "fills": report.fills,
        "bought": plain(report.bought),
        "sold": plain(report.sold),
        "net": None if report.net is None else plain(report.net),
        "currency": report.run["area"],
        "profit": {name: plain(getattr(profit, name)) for name in parts} if profit else None,
        "drawdown": plain(drawdown.amount) if drawdown else None,
        "quoting_both": plain(both.both) if both else None,
        "seconds": plain(report.seconds),
        "ended": report.run["how"],
        "requests": {
            each.path: {"count": each.count, "failed": each.failed} for each in report.requests
        },
    }


def _why(error: Exception, place: str) -> str:
    """Return why a trial has failed: the same words on every machine, wherever its tape lies."""
    text = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "orders", ())])
    return ADDRESS.sub("0x...", DIRECTORIES.sub("", text.replace(f"{place}/", "")))


def _keep(journal: Path, keep: Path) -> None:
    """Copy a journal that is done as one file. Raises OSError and sqlite3.Error."""
    aside = keep.with_name(f".{keep.name}.part")
    aside.unlink(missing_ok=True)
    with closing(sqlite3.connect(journal)) as db:
        db.execute("VACUUM INTO ?", (str(aside),))
    aside.chmod(0o600)
    aside.replace(keep)


def _latency(latency: Latency) -> Any:
    """Return the seconds each way, or the digest of the measured ones."""
    if not latency.measured:
        return latency.seconds
    text = json.dumps({path: list(took) for path, took in latency.measured.items()}, sort_keys=True)
    return sha256(text.encode()).hexdigest()
