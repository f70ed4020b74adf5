"""Every command that the README and the pages print, typed once."""

import gzip
import re
import shlex
import shutil
import signal
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bot import Bot, settings_for
from listener import Listener

from market_maker import custom_strategy
from market_maker.app import docs
from market_maker.journal import runs_in
from market_maker.paper.server.in_process import PaperExchange
from market_maker.tapes import MadeTape, write_records
from tests.unit.test_docs import PAGES, README, blocks

ELSEWHERE = {
    "pip install -e '.[paper]'": "a fresh clone, by hand",
    "pip install -e '.[test]' && pytest": ".ci/run",
    "python -m tests.chaos --hours 30 --seed 0": ".ci/run, for fewer hours",
    "export GTE_API_KEY_FILE=~/.gte/key GTE_API_SECRET_FILE=~/.gte/secret": "test_cli.py",
}
"""Commands that are tried in other places."""
QUOTES = r"orders open as wanted|Cancelling \d+ orders?: |Bought|Sold"
"""What a bot logs once it has orders at the exchange: one that is creating may have none yet."""
ENDLESS = {
    "paper": r"Ctrl-C ends it",
    "paper --faults faults.json": r"Ctrl-C ends it",
    "web": r"Live page: ",
    "": QUOTES,
    "BTC_USD": QUOTES,
    "ETH_USD": QUOTES,
    "--clear-halt": QUOTES,
    "--log-file bot.log": QUOTES,
    "--paper": QUOTES,
    "--paper --strategy mine:Mine": QUOTES,
    "--paper --strategy custom_strategy.py": QUOTES,
    "--paper --strategy glft": QUOTES,
}
"""Commands that run until Ctrl-C, with what they print once they are up."""
SUBSTITUTED = {"1h": "30s", "30m": "15s", "TAPE": "made.tape.gz", "12": "1"}
MORE = {"paper": ("--port", "0"), "web": ("--port", "0"), "cancel": ("--yes",)}
"""What is added: free ports, and no question where nobody can answer."""
BOOK = """\
{"topic":"orderbook.200.BTCUSD","type":"snapshot","ts":1700000000000,"cts":1699999999998,\
"data":{"s":"BTCUSD","b":[["60000","500"]],"a":[["60000.5","300"]],"u":10,"seq":900}}
{"topic":"orderbook.200.BTCUSD","type":"delta","ts":1700000000100,"cts":1700000000097,\
"data":{"s":"BTCUSD","b":[["59999.5","40"]],"a":[],"u":11,"seq":907}}
"""
TRADES = """\
timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional
1700000000.0420,BTCUSD,Sell,100,60000,ZeroMinusTick,a,166666.67,100,0.0016666667
"""


def printed() -> list[str]:
    """Return the distinct commands of README and pages, in order."""
    lines = (
        re.sub(r"\s+#.*", "", line.strip().removeprefix("$ "))
        for page in (README, *PAGES["en"].values())
        for block in blocks(page)
        for line in block.splitlines()
    )
    program = r"(?:nohup )?python (?:marketmaker|-m tests)\b|pip install|export "
    return list(dict.fromkeys(line for line in lines if re.match(program, line)))


@pytest.fixture
def place(tmp_path: Path, listener: Listener) -> Iterator[Path]:
    """A directory in which a user works: settings for a venue, a strategy, files to convert."""
    page = (docs.ROOT / "en/paper.md").read_text("utf-8")
    faults = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    strategy = re.search(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert faults
    assert strategy
    (tmp_path / "faults.json").write_text(faults[1])
    (tmp_path / "mine.py").write_text(strategy[1])
    shutil.copy(custom_strategy.__file__, tmp_path)
    (tmp_path / "old.py").write_text('SYMBOL = "XBTUSD"\nORDER_PAIRS = 6\n')
    plan = re.search(r"```toml\n(.*?)```", PAGES["en"]["backtest.md"].read_text("utf-8"), re.DOTALL)
    assert plan
    (tmp_path / "plan.toml").write_text(plan[1])
    tape = MadeTape(seed=7, seconds=30)
    write_records(tape.records(), tape.market, tmp_path / "made.tape.gz")
    with zipfile.ZipFile(tmp_path / "book.data.zip", "w") as archive:
        archive.writestr("book.data", BOOK)
    with gzip.open(tmp_path / "trades.csv.gz", "wt") as file:
        file.write(TRADES)
    with PaperExchange(seed=3) as venue:
        settings_for(venue, tmp_path, NOTIFY_URL=f"http://{listener.at}/hook")
        yield tmp_path


@pytest.mark.slow
def test_every_printed_command_ends_well(place: Path) -> None:
    tried, settings = [], (place / "settings.py").read_text()
    run = Bot(place, "--loops", "2", "--no-guard")
    assert run.process.wait(60) == 0
    for line in printed():
        if line in ELSEWHERE:
            continue
        asked = re.sub(r"\s*(2> /dev/null)? &$", "", line.removeprefix("nohup "))
        words = [SUBSTITUTED.get(word, word) for word in shlex.split(asked)[2:]]
        if words[:1] == ["setup"]:
            (place / "settings.py").unlink()
        with running(place) if words[:1] == ["status"] else nullcontext():
            status, text = typed(place, words)
        assert status == 0, f"{line}\n{text}"
        if words[:1] == ["setup"]:
            (place / "settings.py").write_text(settings)
            (place / "settings.py").chmod(0o600)
        tried.append(line)
    assert len(tried) > 30


@contextmanager
def running(place: Path) -> Iterator[None]:
    """Have a bot running meanwhile."""
    bot = Bot(place, "--paper")
    bot.wait_for(QUOTES, 60)
    yield
    assert bot.end(signal.SIGINT) == 0


def typed(place: Path, words: list[str]) -> tuple[int, str]:
    """Type a command; return its exit status and what it printed. Ctrl-C ends an endless one."""
    journals = sorted((place / "state").rglob("*.journal"))
    back_tests = [path.stem for path in journals if path.parent.name == "backtests"]
    names = {"FILE": str(journals[0]) if journals else "", "0562cacc842c-2": "-"}
    names |= {"0562cacc842c-2": back_tests[-1]} if back_tests else {}
    if words[:1] == ["why"]:
        runs = [run for path in journals if path.stem not in back_tests for run in runs_in(path)]
        last = max(runs, key=lambda run: run.row["begun_ms"])
        row = next(row for row in last.raw("orders", "time_ms", "order_id") if row["order_id"])
        at = datetime.fromtimestamp(row["time_ms"] / 1000 + 1, UTC)
        names |= {"ORDER_ID": row["order_id"], "10:20:30": f"{at:%H:%M:%S}"}
    given = [names.get(word, word) for word in words]
    more = (
        [] if given == ["cancel"] or "--list-faults" in given else MORE.get((given or [""])[0], ())
    )
    more = [] if given[1:] == ["--halt"] else more
    bot = Bot(place, *given, *more)
    if pattern := ENDLESS.get(" ".join(words)):
        bot.wait_for(pattern, 60)
        status = bot.end(signal.SIGINT)
        return (0 if status == 130 else status), bot.text
    return bot.process.wait(120), bot.text


def test_a_command_is_tried_here_or_elsewhere_once() -> None:
    lines = printed()
    assert set(ELSEWHERE) <= set(lines)
    endless = {" ".join(shlex.split(re.sub(r" 2>.*", "", line))) for line in lines}
    assert {f"python marketmaker {words}".strip() for words in ENDLESS} <= {
        line.removeprefix("nohup ") for line in endless
    }
