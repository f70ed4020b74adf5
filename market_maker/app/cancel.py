"""`marketmaker cancel`: cancel all own orders over REST alone, with or without a running bot."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from market_maker.account import Account
from market_maker.clock import SYSTEM, Clock
from market_maker.errors import MarketMakerError, SettingsError
from market_maker.gte import GTE
from market_maker.guard.runfiles import KILL_SWITCH, RunFiles
from market_maker.guard.signals import HALT_SIGNAL
from market_maker.orders import sweep
from market_maker.orders.notes import Notes

logger = logging.getLogger(__name__)


def run(
    account: Account,
    *,
    and_halt: bool,
    directory: Path | None = None,
    clock: Clock = SYSTEM,
    client: Callable[..., GTE] = GTE,
) -> None:
    """Cancel all own orders and prove that none is left; with a halt, no bot quotes any more.

    Files that cannot be written do not stop it. Raises OrdersLeft without a proof, and
    MarketMakerError when a halt could not be latched. `directory` is that of the run files, and
    `client` makes the venue client.
    """
    try:
        files = RunFiles(account, directory=directory, clock=clock)
    except SettingsError as error:
        logger.error("%s", error)
        files = None  # no file is needed to cancel
    is_latched = bool(and_halt and files and files.halt(KILL_SWITCH))
    if and_halt and files:
        _tell_the_bot(files)
    runs, proven = _runs(files), None
    while proven != runs:  # a bot that came meanwhile, and is gone, may have left orders
        _cancel(client(account, shared=files.shared() if files else None), files, clock)
        proven, runs = runs, _runs(files)
    holder = files.lock.holder() if files else None
    if files and holder is None:
        files.note_proven_clean()
    elif holder and not holder.is_guard and not and_halt:
        logger.warning(
            "Process %s runs and may place orders again: stop it, or use --halt.",
            holder.pid or "not named",
        )
    if and_halt and not is_latched:
        raise MarketMakerError("the halt is not latched: a bot that is started now will quote")


def _runs(files: RunFiles | None) -> tuple[str, ...]:
    return files.runs() if files else ()


def _cancel(client: GTE, files: RunFiles | None, clock: Clock) -> None:
    try:
        sweep.prove_none_left(
            client,
            clock,
            sweep.LEAVE_SECONDS,
            notes=files.notes() if files else Notes(is_whole=client.account.is_contract),
            may_be_late=files is None or files.may_be_late() is not False,
        )
    finally:
        client.exit()


def _tell_the_bot(files: RunFiles) -> None:
    """Tell the running bot to halt, if there is one."""
    holder = files.lock.holder()
    if holder is None or holder.is_guard or not holder.pid:
        return
    try:
        os.kill(holder.pid, HALT_SIGNAL)
    except OSError as error:
        logger.error("Process %d cannot be told to halt: %s.", holder.pid, error.strerror)
        return
    logger.warning("Process %d has been told to halt.", holder.pid)
