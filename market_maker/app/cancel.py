"""Cancelling over REST alone: what `marketmaker cancel` does, and a run whose own way out fails."""

import logging
import os
import signal
from collections.abc import Collection
from dataclasses import asdict

from market_maker import clock
from market_maker.errors import MarketMakerError, OrdersLeft, RequestError, SettingsError
from market_maker.gte import GTE
from market_maker.guard.guard import Account
from market_maker.guard.runfiles import KILL_SWITCH, RunFiles
from market_maker.orders.tracker import LATE_SECONDS
from market_maker.secrecy import revealed
from market_maker.settings import settings

logger = logging.getLogger(__name__)

SECONDS = 20.0
"""How long without progress, before it is given up."""


def run(*, and_halt: bool) -> None:
    """Cancel all own orders and prove that none is left; with a halt, no bot quotes any more.

    Files that cannot be written stand in the way of nothing. Raises OrdersLeft without a proof, and
    MarketMakerError when a halt could not be latched.
    """
    try:
        files = run_files()
    except SettingsError as error:
        logger.error("%s", error)
        files = None
    is_latched = not and_halt or bool(files and files.halt(KILL_SWITCH))
    if and_halt and files:
        _tell_the_bot(files)
    prove_none_left(files, SECONDS)
    holder = files.lock.holder() if files else None
    if files and holder is None:
        files.note_proven_clean()
    elif holder and not holder.is_guard and not and_halt:
        logger.warning(
            "Process %s runs and may place orders again: stop it, or use --halt.",
            holder.pid or "not named",
        )
    if not is_latched:
        raise MarketMakerError("the halt is not latched: a bot that is started now will quote")


def prove_none_left(files: RunFiles | None, seconds: float) -> None:
    """Cancel all own orders, and where no file vouches for it that none can be late, look again.

    Raises OrdersLeft without a proof.
    """
    begun, ids = clock.monotonic(), files.order_ids() if files else frozenset()
    cancel_all(seconds, ids)
    if files is None or files.may_be_late() is not False:
        logger.warning("Looking again in %.0f s: an order may be on its way.", LATE_SECONDS)
        clock.sleep(begun + LATE_SECONDS - clock.monotonic())
        cancel_all(seconds, ids)


def cancel_all(seconds: float, ids: Collection[str]) -> None:
    """Cancel all own orders, those with these ids too, and say so.

    Raises OrdersLeft when it cannot be proven that none is left.
    """
    gte = client()
    try:
        gte.cancel_all_orders(seconds, ids=ids)
        nameless = sum(not order.client_oid for order in gte.query_orders())
    except (RequestError, OrdersLeft) as error:
        listed = getattr(error, "orders", ())
        raise OrdersLeft(f"own orders may be left: {error}", listed) from None
    finally:
        gte.exit()
    logger.info("No order with prefix %s is left in %s.", settings.ORDERID_PREFIX, settings.SYMBOL)
    if nameless:
        logger.warning("%d orders without client_oid are left: whose, cannot be told.", nameless)


def account() -> Account:
    """Return the account of the settings."""
    return Account(
        base_url=settings.API_URL_BASE,
        symbol=settings.SYMBOL,
        settle_currency=settings.SETTLECURRENCY,
        instrument_type=settings.INSTRUMENTTYPE,
        api_key=revealed(settings.API_KEY),
        api_secret=revealed(settings.API_SECRET),
        orderid_prefix=settings.ORDERID_PREFIX,
        timeout=settings.TIMEOUT,
    )


def client(ws_url: str = "") -> GTE:
    """Return a client for the account of the settings."""
    return GTE(**asdict(account()), ws_url=ws_url)


def run_files() -> RunFiles:
    """Return the run files of the settings. Raises SettingsError when others could change them."""
    return RunFiles(
        base_url=settings.API_URL_BASE,
        api_key=revealed(settings.API_KEY),
        instrument_type=settings.INSTRUMENTTYPE,
        settle_currency=settings.SETTLECURRENCY,
        symbol=settings.SYMBOL,
        prefix=settings.ORDERID_PREFIX,
    )


def _tell_the_bot(files: RunFiles) -> None:
    """Tell the running bot to halt, if there is one."""
    holder = files.lock.holder()
    if holder is None or holder.is_guard or not holder.pid:
        return
    try:
        os.kill(holder.pid, signal.SIGUSR1)
    except OSError as error:
        logger.error("Process %d cannot be told to halt: %s.", holder.pid, error.strerror)
        return
    logger.warning("Process %d has been told to halt.", holder.pid)
