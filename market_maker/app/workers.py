"""What runs the trials of a sweep: processes of this machine, or the workers of a cluster."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from market_maker.app.backtest import files_key
from market_maker.app.logs import quiet
from market_maker.app.strategies import code_of, load_strategy
from market_maker.errors import SettingsError
from market_maker.market_maker import OrderManager
from market_maker.simulation.results import Directory
from market_maker.simulation.sweep import attempt
from market_maker.simulation.trials import Job, Source, SweepEnds, named_in, result_of
from market_maker.tapes import Options, Tape, TapeError, open_tape

EXTRA = "pip install gte-market-maker[sweep]"
MOST_WORKERS = 512
CLUSTER_SECONDS = 10


def opened(path: Path, form: str, about: Options) -> Tape:
    """Return the tape of a file. Raises TapeError."""
    return open_tape([path], format=form, about=about)


def digest_of(strategy: type[OrderManager]) -> str:
    """Return the SHA-256 of a strategy's code (see `code_of`). Raises SettingsError without any."""
    if files := code_of(strategy):
        return files_key(files)
    raise SettingsError(f"--strategy {strategy.__name__} has no source file")


@dataclass(frozen=True, slots=True)
class Worker:
    """Attempts trials in the process that it is sent to."""

    directory: Directory
    keep: bool

    def __call__(self, job: Job) -> str:
        """Return empty text when the trial has finished, else who runs it. Raises SweepEnds."""
        return attempt(job, self.directory, self._result)

    def _result(self, job: Job) -> str:
        tape = _tape_of(job.part.source)
        strategy = _strategy_of(job.shared.strategy, job.shared.strategy_digest)
        if named_in(job.settings) != job.files:
            raise SweepEnds("a file that a setting names is not what it was when the sweep began")
        keep = self.directory.journal(job.key) if self.keep else None
        with quiet():
            return result_of(job, tape, strategy, keep)


@contextmanager
def executor(scheduler: str | None, workers: int | None, trials: int) -> Iterator[Executor]:
    """Give what runs trials: a cluster, or processes here. Raises SettingsError without one."""
    if scheduler:
        with _cluster(scheduler) as cluster:
            yield cluster
        return
    workers = 1 if workers is None else workers
    if not 1 <= workers <= MOST_WORKERS:
        raise SettingsError(f"--workers must be from 1 to {MOST_WORKERS}, not {workers}")
    with _processes(min(workers, trials)) as processes:
        yield processes


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    """Give a pool of processes, which end with this one, however it ends."""
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin_worker, initargs=(theirs,)
    )
    with pool, theirs, ours:
        try:
            with _without_interrupts():
                for _ in range(workers):  # each starts a worker while none is idle
                    pool.submit(bool)
            yield pool
            pool.shutdown()
        except BaseException as error:
            ours.close()  # ends the workers amid their trials
            pool.shutdown(cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                words = "a worker has been killed, maybe for want of memory: --resume goes on"
                raise SweepEnds(words) from None
            raise


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Let processes that are started ignore Ctrl-C: their parent ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin_worker(parent: Connection) -> None:
    """Let a worker print nothing, and end when its parent has, or wants it to."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    threading.Thread(target=_end_with, args=(parent,), name="parent", daemon=True).start()


def _end_with(parent: Connection) -> None:
    try:
        parent.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    """Give the workers of a Dask cluster, which must see tapes and directory by the same names."""
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=CLUSTER_SECONDS)
    except (OSError, ValueError) as error:
        raise SettingsError(f"--scheduler {address}: no cluster answers: {error}") from None
    with client:
        pool = client.get_executor(pure=False)
        try:
            yield pool
        except BaseException as error:
            pool.shutdown(wait=False)  # what has not begun never does
            if type(error).__module__.partition(".")[0] == "distributed":
                raise SweepEnds(f"the cluster: {type(error).__name__}: {error}") from None
            raise


def _distributed() -> Any:
    """Return the package. Raises SettingsError, naming the extra, without it."""
    try:
        import distributed
    except ImportError:
        raise SettingsError(f"--scheduler needs the package distributed: {EXTRA}") from None
    return distributed


# --- in a worker --------------------------------------------------------------------------------

_loaded: dict[str, str] = {}
"""The digests of the modules of strategies that this process has imported."""


@lru_cache(maxsize=2)
def _tape_of(source: Source) -> Tape:
    """Open a tape, once for the trials on it. Raises SweepEnds for one that is not the same."""
    try:
        tape = opened(source.path, source.format, source.about)
        if files_key(tape.paths) == source.digest:
            return tape
    except (TapeError, OSError) as error:
        raise SweepEnds(f"{error}") from None
    raise SweepEnds(f"{source.path} is not what it was when the sweep began")


@lru_cache(maxsize=2)
def _strategy_of(named: str, wanted: str) -> type[OrderManager]:
    """Import a strategy. Raises SweepEnds for one whose source has not this digest."""
    strategy = load_strategy(named)
    digest = digest_of(strategy)
    known = digest if ".py" in named else _loaded.setdefault(named, digest)
    if not digest == known == wanted:
        raise SweepEnds(
            f"{named} is not what it was when the sweep began: start it, and the workers of a "
            "cluster, again"
        )
    return strategy
