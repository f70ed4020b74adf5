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
from secrets import token_urlsafe
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
    from market_maker.paper.faults import reading, schedule
    from market_maker.paper.server import service

    if arguments.list_faults:
        for name, text in schedule.listed():
            print(f"{name:<18} {text}")
        print(f"\n{reading.FIELDS_HELP}")
        return
    stop = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    secret = arguments.secret or token_urlsafe(24)
    out = sys.stderr if arguments.json else sys.stdout  # JSON alone goes to stdout
    ready = partial(_tell_the_user, secret, out)
    if arguments.for_bot:
        logging.getLogger().setLevel(logging.WARNING)
        logging.getLogger(service.__name__).setLevel(logging.INFO)
        ready = partial(_tell_the_bot, stop, end_at_once, secret)
    report = service.serve(
        port=arguments.port,
        seed=arguments.seed,
        tape=arguments.tape,
        tape_as=arguments.tape_as or "",
        volatility=arguments.volatility,
        speed=arguments.speed,
        latency_ms=arguments.latency,
        secret=secret,
        faults=_schedule(arguments.faults),
        ready=ready,
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
    stop: threading.Event, end_at_once: Callable[[], None], secret: str, rest: str, ws: str
) -> None:
    """Tell the bot where we are and which key pair we take, and end when its pipe closes."""
    from market_maker.paper.server.venue import PAPER_KEY

    def stop_with_the_bot() -> None:
        sys.stdin.read()
        stop.set()
        threading.Event().wait(STUCK_SECONDS)
        end_at_once()

    print(json.dumps({"rest": rest, "ws": ws, "key": PAPER_KEY, "secret": secret}), flush=True)
    threading.Thread(target=stop_with_the_bot, daemon=True).start()


def _tell_the_user(secret: str, out: TextIO, rest: str, ws: str) -> None:
    from market_maker.paper.server.venue import PAPER_KEY

    print(f"REST       {rest}\nWebSocket  {ws}", file=out)
    print(f"Key        {PAPER_KEY}\nSecret     {secret}", file=out)
    pair = f"GTE_API_KEY={PAPER_KEY} GTE_API_SECRET={secret}"
    print(f"Ctrl-C ends it. In the terminal of its bot: export {pair}", file=out, flush=True)


def _tell_of_control(out: TextIO, url: str, token: str) -> None:
    print(f"Control    {url}\nToken      {token}", file=out, flush=True)


def _schedule(file: Path | None) -> "list[Fault]":
    """Return the faults of a file: a JSON list such as [{"name": "cut", "after_ms": 5000}]."""
    from market_maker.paper.faults.reading import read_faults

    if file is None:
        return []
    try:
        return read_faults(json.loads(file.read_text("utf-8-sig")))
    except UnicodeDecodeError:
        raise ValueError(f"{file}: not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: {error}") from None
