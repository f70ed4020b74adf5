"""`marketmaker paper`: serve the paper exchange, for a person or for the bot that started it."""

import argparse
import importlib.util
import json
import logging
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from market_maker.paper.faults.schedule import Fault

logger = logging.getLogger(__name__)

STUCK_SECONDS = 5.0
"""An exchange that has not ended so long after its bot is stuck, and ends on the spot."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def has_aiohttp() -> bool:
    """Return whether the one package is here that only the paper exchange needs."""
    return importlib.util.find_spec("aiohttp") is not None


def run(arguments: argparse.Namespace, end_at_once: Callable[[], None]) -> None:
    """Serve until Ctrl-C, or until the bot that has started us ends; then say what was traded.

    `end_at_once` ends a process that is stuck.

    Raises ValueError or OSError when it cannot start.
    """
    from market_maker.paper.api import judge
    from market_maker.paper.faults import schedule
    from market_maker.paper.server.service import serve

    if arguments.list_faults:
        for name, text in schedule.listed():
            print(f"{name:<18} {text}")
        return
    stop = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    if arguments.for_bot:
        logging.getLogger().setLevel(logging.WARNING)
    out = sys.stderr if arguments.json else sys.stdout  # JSON alone goes to stdout
    report = serve(
        port=arguments.port,
        seed=arguments.seed,
        tape=arguments.tape,
        volatility=arguments.volatility,
        speed=arguments.speed,
        faults=_schedule(arguments.faults),
        ready=_tell_the_bot(stop, end_at_once)
        if arguments.for_bot
        else partial(_tell_the_user, out),
        control=partial(_tell_of_control, out) if arguments.control else None,
        stop=stop,
    )
    if arguments.json:
        print(json.dumps(judge.as_plain(report)))
        return
    if arguments.for_bot and not report.accepted:
        return  # its start has failed, and the lines before this say why
    logging.getLogger().setLevel(logging.INFO)
    for line in judge.in_words(report):
        if arguments.for_bot:
            logger.info("The exchange's judge: %s", line)
        else:
            print(line)


def _tell_the_bot(
    stop: threading.Event, end_at_once: Callable[[], None]
) -> Callable[[str, str], None]:
    """Return what tells the bot where we are, and ends us when its pipe closes."""
    from market_maker.paper.server.venue import PAPER_KEY, PAPER_SECRET

    def stop_with_the_bot() -> None:
        sys.stdin.read()
        stop.set()
        threading.Event().wait(STUCK_SECONDS)
        end_at_once()

    def tell(rest: str, ws: str) -> None:
        answer = {"rest": rest, "ws": ws, "key": PAPER_KEY, "secret": PAPER_SECRET}
        print(json.dumps(answer), flush=True)
        threading.Thread(target=stop_with_the_bot, daemon=True).start()

    return tell


def _tell_the_user(out: TextIO, rest: str, ws: str) -> None:
    from market_maker.paper.server.venue import PAPER_KEY, PAPER_SECRET

    print(f"REST       {rest}\nWebSocket  {ws}", file=out)
    keys = f"Key        {PAPER_KEY}\nSecret     {PAPER_SECRET}\nCtrl-C ends it."
    print(keys, file=out, flush=True)


def _tell_of_control(out: TextIO, url: str, token: str) -> None:
    print(f"Control    {url}\nToken      {token}", file=out, flush=True)


def _schedule(file: Path | None) -> "list[Fault]":
    """Return the faults of a file: a JSON list such as [{"name": "cut", "after_ms": 5000}]."""
    from market_maker.paper.faults.schedule import Fault

    if file is None:
        return []
    try:
        return [Fault(**wanted) for wanted in json.loads(file.read_text("utf-8"))]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file}: {error}") from None
