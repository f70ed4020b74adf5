"""A minute of a real bot over real sockets: its report is what the exchange's ledger holds."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bot import ENVIRONMENT, ROOT, Bot, settings_for

from market_maker.paper.exchange.account import ZERO, Wallet, worth
from market_maker.paper.server.in_process import PaperExchange

UNIT = Decimal("0.000001")
NARROW = {"MIN_SPREAD": 0.0002, "INTERVAL": 0.0003, "RELIST_INTERVAL": 0.0003}


def report_in(directory: Path) -> dict[str, Any]:
    """Return the report of the last run, as `marketmaker report --json` prints it."""
    command = [sys.executable, str(ROOT / "marketmaker"), "report", "--json"]
    state = {"XDG_STATE_HOME": str(directory / "state")}
    text = subprocess.check_output(command, cwd=directory, env=ENVIRONMENT | state, text=True)
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["net", "hedge"])
def test_the_report_of_a_minute_over_sockets_is_what_the_ledger_holds(
    tmp_path: Path, mode: str
) -> None:
    seed = int.from_bytes(os.urandom(2))
    sys.stderr.write(f"seed {seed}\n")  # shown where it fails
    with PaperExchange(seed=seed) as venue:
        settings_for(
            venue, tmp_path, POSITION_MODE=mode, ORDER_STEP_SIZE=0, LOOP_INTERVAL=1, **NARROW
        )
        begun = venue.account().balance(Wallet.CONTRACT, "BTC").total
        bot = Bot(tmp_path, "--loops", "75")
        assert bot.process.wait(180) == 0
        account, orders, judged = venue.account(), venue.orders(), venue.judge()
    told = report_in(tmp_path)
    assert told["fills"] >= len({fill.order_id for fill in judged.fills}) > 5
    assert (Decimal(told["bought"]), Decimal(told["sold"])) == (judged.bought, judged.sold)
    legs = {key.long: leg for key, leg in account.legs_in("BTC")}
    long, short = (legs[side].qty if side in legs else ZERO for side in (True, False))
    assert Decimal(told["net"]) == long - short  # the legs are shown as of the last tick
    assert abs(Decimal(told["profit"]["fees"]) + sum((each.fee for each in orders), ZERO)) < UNIT
    each = worth(face=Decimal(1), price=Decimal(told["mark"]))
    gained = account.balance(Wallet.CONTRACT, "BTC").total - begun
    equity = gained + sum((leg.profit(each) for leg in legs.values()), ZERO)
    assert abs(Decimal(told["profit"]["total"]) - equity) < UNIT
    assert abs(Decimal(told["balance"]["residual"])) < 2 * UNIT
    assert Decimal(told["balance"]["unexplained"]) == 0
