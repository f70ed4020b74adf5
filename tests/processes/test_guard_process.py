"""The process of a guard loads what cancelling needs, and nothing else of the bot."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import account_of, wait_until

from market_maker.guard.guard import GOODBYE, PROGRAM, Guard, revealed
from market_maker.guard.runfiles import RunFiles
from market_maker.paper.server.in_process import PaperExchange

ROOT = Path(__file__).parents[1]
BOT_ROOMS = (
    "settings",
    "trading",
    "strategy",
    "safety",
    "money",
    "market_maker",
    "orders.executor",
)
SHOW_MODULES = f"""
import os, sys
from {PROGRAM} import main
os._exit = lambda status: print(*sys.modules)
main()
"""


@pytest.mark.parametrize("url", ["", "https://example.org/hook"])
def test_a_guard_loads_no_room_of_the_bot_but_the_sweep(venue: PaperExchange, url: str) -> None:
    account = account_of(venue)
    charge = {
        "account": revealed(account),
        "directory": str(RunFiles(account).directory),
        "lock": -1,
        "notify_url": url,
    }
    done = subprocess.run(
        [sys.executable, "-c", SHOW_MODULES],
        cwd=ROOT,
        input=json.dumps(charge).encode() + b"\n" + GOODBYE,
        capture_output=True,
        timeout=20,
        check=True,
    )
    loaded = set(done.stdout.decode().split())
    assert done.stderr == b""
    assert "market_maker.orders.sweep" in loaded
    forbidden = tuple(f"market_maker.{room}." for room in BOT_ROOMS)
    assert not [name for name in loaded if f"{name}.".startswith(forbidden)]
    assert ("market_maker.notify" in loaded) is bool(url)
    assert not loaded & {"argparse", "sqlite3", "aiohttp"}


def test_the_guard_of_a_bot_is_this_program(venue: PaperExchange) -> None:
    account = account_of(venue)
    guard = Guard(account, directory=RunFiles(account).directory)
    command = Path(f"/proc/{guard.pid}/cmdline")
    try:
        wait_until(lambda: f"from {PROGRAM} import main" in command.read_text())
    finally:
        guard.goodbye()
