"""The command line: each command, its log and its exit status."""

import argparse
import io
import logging
import os
import socket
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from market_maker import secrecy
from market_maker.app import logs, versions
from market_maker.app.arguments import parse, program
from market_maker.app.load import load
from market_maker.errors import (
    AlreadyRunning,
    MarketMakerError,
    OrdersLeft,
    PositionLeft,
    SettingsError,
    VenueUnreachable,
)
from market_maker.settings import settings

logger = logging.getLogger(__name__)

STATUS = {SettingsError: 2, OrdersLeft: 3, PositionLeft: 3, VenueUnreachable: 4, AlreadyRunning: 5}
"""Exit statuses; 0 is clean, 1 anything else."""
STDOUT = 1
CANCEL_NEEDS = (
    *("API_URL_BASE", "API_KEY", "API_SECRET", "SETTLECURRENCY", "INSTRUMENTTYPE", "SYMBOL"),
    "ORDERID_PREFIX",
)
"""The settings that `cancel` needs; a mistake in any other one does not stop it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    _open_standard_streams()
    arguments = parse(sys.argv[1:] if argv is None else argv)
    logs.set_up()
    if not arguments.command:
        from market_maker.guard import container

        if (status := container.wait_in_front()) is not None:
            return status
    try:
        return _status_of(arguments)
    finally:
        _give_up_broken_streams()


def _status_of(arguments: argparse.Namespace) -> int:
    try:
        if file := getattr(arguments, "log_file", None):
            logs.write_to(file)
        versions.check()
        COMMANDS[arguments.command](arguments)
    except MarketMakerError as error:
        logger.error("%s", error)
        for order in getattr(error, "orders", ()):
            logger.error("  %s", order)
        if isinstance(error, VenueUnreachable) and settings.is_on_this_machine() and _is_refused():
            words = "Nothing serves %s: start the paper exchange in another terminal, `%s paper`."
            logger.error(words, settings.API_URL_BASE, program())
        return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 1)
    except BrokenPipeError:  # of `| head`
        logger.debug("stdout closed.")
    except KeyboardInterrupt:
        logger.warning("Interrupted.")
        return 130
    except Exception:
        logger.exception("Internal error.")
        return 1
    return 0


def _is_refused() -> bool:
    """Return whether nobody listens at the address of the venue."""
    address = urlsplit(settings.API_URL_BASE)
    try:
        socket.create_connection((address.hostname, address.port or 80), timeout=1.0).close()
    except OSError as error:
        return isinstance(error, ConnectionRefusedError)
    return False


def _open_standard_streams() -> None:
    """Open standard streams that are closed: else the next file would get their number."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # else a locale without a character raises
            stream.reconfigure(errors="backslashreplace")


def _give_up_broken_streams() -> None:
    """Keep output that cannot be written from changing the exit status."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except AttributeError:  # it was closed when Python started
            pass


# --- the commands -------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> None:
    from market_maker.app import run, strategies

    if arguments.help_settings:
        print(strategies.settings_text(arguments.strategy))
    else:
        run.run(arguments)


def _paper(arguments: argparse.Namespace) -> None:
    from market_maker.app.paper_child import need_aiohttp
    from market_maker.paper.server import command

    need_aiohttp()
    try:
        command.run(arguments, end_at_once=lambda: os._exit(1))
    except (ValueError, OSError, OverflowError) as error:
        raise SettingsError(f"the paper exchange cannot start: {error}") from None


def _setup(arguments: argparse.Namespace) -> None:
    from market_maker.app import setup

    setup.run(arguments, print)


def _cancel(arguments: argparse.Namespace) -> None:
    from market_maker.app import cancel, close

    load(arguments, {}, only=CANCEL_NEEDS)
    if not settings.API_KEY:
        raise SettingsError("cancel needs a key: GTE_API_KEY and GTE_API_SECRET, or _FILE")
    if arguments.close:
        close.refuse(settings.account(), asks=not arguments.yes)
    cancel.run(settings.account(), and_halt=arguments.halt)
    if not arguments.close:
        return
    load(arguments, {}, is_strict=False)
    if settings.DRY_RUN:
        raise SettingsError("DRY_RUN is set, so nothing is bought or sold: --close needs it False")
    close.run(settings.account(), confirm=(lambda: True) if arguments.yes else close.ask)


def _check(arguments: argparse.Namespace) -> None:
    from market_maker.app import check
    from market_maker.gte import GTE
    from market_maker.guard.runfiles import RunFiles

    load(arguments, {}, is_strict=False)
    logging.getLogger().setLevel(logging.CRITICAL)
    failed: dict[str, MarketMakerError] = {}
    account = settings.account()
    shared = RunFiles(account).shared() if account.api_key else None  # a bot may have just ended
    gte = GTE(account, shared=shared)
    try:
        for name, found in check.run(gte, notify=arguments.notify):
            is_ok = isinstance(found, str)
            print(f"{name:<10} {'ok' if is_ok else 'FAIL':<5} {secrecy.fit(str(found))}")
            failed |= {} if isinstance(found, str) else {name: found}
    finally:
        gte.exit()
        if shared:
            shared.close()
        logging.getLogger().setLevel(logging.INFO)
    if failed:
        unreachable = any(isinstance(error, VenueUnreachable) for error in failed.values())
        kind = VenueUnreachable if unreachable else MarketMakerError
        raise kind(f"failed: {', '.join(failed)}")


def _plan(arguments: argparse.Namespace) -> None:
    from market_maker.app import plan

    print(plan.plan(arguments), end="")


def _docs(arguments: argparse.Namespace) -> None:
    import pydoc

    from market_maker.app import docs

    text = docs.text_of(arguments.page, arguments.lang or docs.language_of(os.environ))
    if arguments.page and os.isatty(STDOUT):
        pydoc.pager(text)
        return
    with open(STDOUT, "wb", closefd=False) as out:  # whatever the locale can print
        out.write(text.encode())


def _runs(arguments: argparse.Namespace) -> None:
    from market_maker.app import report

    print(report.list_runs(arguments), end="")


def _report(arguments: argparse.Namespace) -> None:
    from market_maker.app import report

    print(report.show_report(arguments), end="")


def _status(arguments: argparse.Namespace) -> None:
    from market_maker.app import report

    print(report.show_status(arguments), end="")


def _why(arguments: argparse.Namespace) -> None:
    from market_maker.app import why

    print(why.show(arguments), end="")


def _web(arguments: argparse.Namespace) -> None:
    from market_maker.app.paper_child import need_aiohttp

    need_aiohttp("the live page")
    from market_maker.app import web

    web.run(arguments.port, lambda url: print(f"Live page: {url}  (Ctrl-C ends it)", flush=True))


def _tape(arguments: argparse.Namespace) -> None:
    from market_maker.app import tapes

    if arguments.action == "estimate":
        _estimate(arguments)
        return
    act = {"info": tapes.tape_info, "convert": tapes.tape_convert, "make": tapes.tape_make}
    print(act[arguments.action](arguments), end="")


def _estimate(arguments: argparse.Namespace) -> None:
    from market_maker.app import estimate, estimate_text

    found = estimate.estimate(arguments)
    print(estimate.in_json(found) if arguments.json else estimate_text.in_text(found), end="")
    if arguments.microprice:
        estimate.write_microprice(arguments.microprice, found)
        print(f"Wrote {arguments.microprice}.", file=sys.stderr)


def _record(arguments: argparse.Namespace) -> None:
    from market_maker.app import tapes

    tapes.record(arguments)


def _backtest(arguments: argparse.Namespace) -> None:
    from market_maker.app import backtest

    print(backtest.run(arguments), end="")


def _replay(arguments: argparse.Namespace) -> None:
    from market_maker.app import replay

    print(replay.run(arguments), end="")


def _sweep(arguments: argparse.Namespace) -> None:
    from market_maker.app import sweep

    print(sweep.run(arguments), end="")


COMMANDS = {
    "": _run,
    "setup": _setup,
    "check": _check,
    "plan": _plan,
    "cancel": _cancel,
    "paper": _paper,
    "docs": _docs,
    "runs": _runs,
    "report": _report,
    "status": _status,
    "web": _web,
    "why": _why,
    "tape": _tape,
    "record": _record,
    "backtest": _backtest,
    "replay": _replay,
    "sweep": _sweep,
}
