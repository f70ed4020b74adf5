"""`marketmaker`: run a strategy, in a session if it is live, and restart for changed code."""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from market_maker.app import logs
from market_maker.app.arguments import PAPER_MARKET
from market_maker.app.load import load
from market_maker.app.strategies import load_strategy
from market_maker.clock import utc_offset
from market_maker.errors import SettingsError
from market_maker.guard import container
from market_maker.guard.runfiles import RunFiles
from market_maker.guard.service import Service
from market_maker.guard.session import Session
from market_maker.guard.signals import STOP_SIGNALS, Signals
from market_maker.journal import Journal
from market_maker.settings import environment_without_keys, settings

if TYPE_CHECKING:
    from market_maker.app.paper_child import PaperChild
    from market_maker.market_maker import OrderManager

logger = logging.getLogger(__name__)

RESTARTED = "GTE_MARKETMAKER_RESTARTED"
"""Environment variable that tells a program that it replaces one with older code."""


def run(arguments: argparse.Namespace) -> None:
    """Run until told to stop; for changed code stop cleanly and restart."""
    if logs.goes_unseen():
        logger.warning("The log goes to stderr, not to stdout: --log-file PATH writes a file.")
    is_restart = os.environ.pop(RESTARTED, "") == "1"
    service = Service(os.environ)
    signals = Signals(end_at_once=lambda: os._exit(130))
    signals.install()
    logs.when_unread(lambda: os.kill(os.getpid(), signal.SIGTERM))  # nobody sees what it does
    paper: PaperChild | None = None
    try:
        paper = paper_exchange(arguments) if arguments.paper else None
        load(
            arguments, overrides(arguments, paper), may_be_missing=arguments.paper, is_strict=False
        )
        logger.info("Times are local, %s.", utc_offset())
        if container.is_inside() and not (settings.DRY_RUN or arguments.no_guard or paper):
            logger.warning(container.WARNING)
        begin = partial(
            Session,
            has_guard=not arguments.no_guard,
            clear_halt=arguments.clear_halt and not is_restart,
            keep=(paper.child.fd,) if paper else (),
        )
        signals.unblock()
        control = _run(arguments, begin, signals, service, is_restart=is_restart).control
        signals.block()  # what comes from here on reaches the new program
        if control.is_restarting and not control.stop_reason and not control.is_halted:
            _restart(paper, service)
    except KeyboardInterrupt:
        from market_maker.market_maker import OrderManager

        if OrderManager.latest:
            logger.info("Stopped.")
        else:
            logger.info("Stopped before anything was sent.")
    finally:
        signals.unblock()
        if paper:
            paper.end()
            if settings.loaded:
                RunFiles(settings.account()).discard()  # nobody needs them again
        _name_threads()


def _run(
    arguments: argparse.Namespace,
    begin: Callable[..., Session],
    signals: Signals,
    service: Service,
    *,
    is_restart: bool,
) -> "OrderManager":
    """Run the strategy; return its bot. It may have made and run one itself, when imported."""
    from market_maker.bot import Runtime, sender_to
    from market_maker.market_maker import OrderManager

    OrderManager.runtime = Runtime(
        session=begin,
        sender=sender_to,
        service=lambda: service,
        signals=signals,
        journal=Journal,
        loops=arguments.loops,
        is_restart=is_restart,
        can_restart=True,
    )
    kind = None
    try:
        kind = load_strategy(arguments.strategy)
    except SystemExit:
        if OrderManager.latest is None:
            raise
    except KeyboardInterrupt as interrupt:
        if OrderManager.latest is None and not settings.DRY_RUN:
            begin(settings.account()).end_start(interrupt)  # an earlier run may have left orders
        raise
    bot = OrderManager.latest
    if bot is None:
        assert kind
        bot = kind.made_with(OrderManager.runtime)
    if not bot.current_run.has_begun:
        _check_kind(bot, kind, arguments.strategy)
        try:
            bot.run_loop()
        except SystemExit as end:  # the other statuses say what became of the orders
            raise SystemExit(1 if isinstance(end.code, int) and end.code else end.code) from None
    return bot


def _check_kind(bot: "OrderManager", kind: "type[OrderManager] | None", name: str) -> None:
    """Raise SettingsError where a file has made a bot of another class than was asked for."""
    if kind and type(bot) is not kind:
        error = SettingsError(
            f"--strategy {name}: the file makes a {type(bot).__name__} when it is imported, and "
            f'{kind.__name__} was to run: put that below if __name__ == "__main__"'
        )
        bot.current_run.give_up(bot, error)
        raise error


def _name_threads() -> None:
    """Say which threads of the strategy keep this process from ending, and let signals end it."""
    names = [
        each.name
        for each in threading.enumerate()
        if not each.daemon and each is not threading.main_thread()
    ]
    if names:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        logger.warning(
            "Threads of the strategy still run: %s. Ctrl-C ends them; Thread(..., daemon=True) does"
            " not keep the program.",
            ", ".join(names),
        )


def overrides(arguments: argparse.Namespace, paper: "PaperChild | None") -> dict[str, Any]:
    """Return the settings that the command line decides."""
    decided: dict[str, Any] = {}
    if getattr(arguments, "log_level", None):
        decided["LOG_LEVEL"] = arguments.log_level.upper()
    if paper:
        decided |= {
            "API_URL_BASE": paper.rest,
            "WS_URL": paper.ws,
            "API_KEY": paper.key,
            "API_SECRET": paper.secret,
            "DRY_RUN": False,
        }
    if getattr(arguments, "dry_run", False):
        decided["DRY_RUN"] = True
    return decided


def paper_exchange(arguments: argparse.Namespace) -> "PaperChild":
    """Return a paper exchange of our own: new, or the one from before a restart."""
    from market_maker.app.paper_child import PaperChild

    options = []
    for name in ("tape", *PAPER_MARKET):
        value = getattr(arguments, name)
        options += [f"--{name.replace('_', '-')}={value}"] if value is not None else []
    return PaperChild.start(options, environment_without_keys())


def _restart(paper: "PaperChild | None", service: Service) -> None:
    """Replace this process by a new one with the same command line. None of our orders rests.

    A signal that comes meanwhile reaches the new process. Raises OSError when there is no program
    to start.
    """
    environment = settings.environment() | service.environment() | {RESTARTED: "1"}
    if paper:
        environment |= paper.outlive_restart()
    logging.shutdown()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
