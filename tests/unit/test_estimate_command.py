"""`marketmaker tape estimate`: what it prints, writes and refuses."""

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from market_maker.app.cli import main
from market_maker.journal import Journal
from market_maker.journal.file import Beginning
from market_maker.strategies.microprice_model import table_of
from market_maker.tapes import MadeTape, Market, Record, Trades, write_records
from market_maker.tapes.made import MADE, VOLATILITY

Capture = pytest.CaptureFixture[str]
QUOTES = """\
timestamp,symbol,bidSize,bidPrice,askPrice,askSize
2023-11-14D22:13:20.000000000,XBTUSD,500,60000,60000.5,300
2023-11-14D22:13:21.000000000,XBTUSD,500,60000.5,60001,300
2023-11-14D22:13:22.000000000,XBTUSD,500,60000,60000.5,100
2023-11-14D22:13:23.000000000,XBTUSD,700,60000,60000.5,300
"""
TRADES = """\
timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional
2023-11-14D22:13:20.500000000,XBTUSD,Buy,100,60000.5,PlusTick,a,1,1,1
2023-11-14D22:13:21.500000000,XBTUSD,Buy,100,60002,PlusTick,a,1,1,1
2023-11-14D22:13:22.500000000,XBTUSD,Sell,100,60000,PlusTick,a,1,1,1
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("made") / "made.tape", MadeTape(7, 1200).records())


def written(path: Path, records: Iterable[Record], market: Market = MADE) -> Path:
    write_records(records, market, path)
    return path


def estimated(capsys: Capture, *words: object) -> str:
    assert main(["tape", "estimate", *map(str, words)]) == 0
    return capsys.readouterr().out


def refused(capsys: Capture, *words: object) -> str:
    assert main(["tape", "estimate", *map(str, words)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err


# --- what it prints -------------------------------------------------------------------------------


def test_the_settings_come_first_and_can_be_pasted(
    made: Path, capsys: Capture, tmp_path: Path
) -> None:
    text = estimated(capsys, made)
    pasted, rest = text.split("\n\n")
    names: dict[str, Any] = {}
    exec(pasted, names)
    found = json.loads(estimated(capsys, made, "--json"))
    for name, value in (
        ("VOLATILITY", found["volatility"][0]["value"]),
        ("FILL_RATE", found["intensity"]["a"]),
        ("FILL_DECAY", found["intensity"]["k"]),
    ):
        assert names[name] == pytest.approx(value, rel=1e-3)
    assert "1,200 returns of the mid over 1 s, 0 left out" in rest
    assert f"{found['intensity']['n']:,} market orders in 1,200 s" in rest
    assert len(text.splitlines()) < 15
    assert max(map(len, text.splitlines())) < 130


def test_the_volatility_of_a_made_market_is_that_of_its_fair_price_over_long_steps(
    made: Path, capsys: Capture
) -> None:
    steps = json.loads(estimated(capsys, made, "--json"))["volatility"]
    assert [each["step_seconds"] for each in steps] == [1, 5, 30]
    last = steps[-1]
    assert abs(last["value"] - VOLATILITY) < 3 * last["error"]
    assert steps[0]["value"] > VOLATILITY  # the mid is on a grid: it bounces


def test_it_measures_and_fits_at_depths_that_orders_reach(made: Path, capsys: Capture) -> None:
    found = json.loads(estimated(capsys, made, "--json"))
    first, *_ = rows = found["rows"]
    assert first["measured"] == pytest.approx(found["intensity"]["n"] / 2 / 1199.9, rel=1e-3)
    assert first["fitted"] == pytest.approx(first["measured"], rel=0.02)
    measured = [row["measured"] for row in rows]
    assert measured == sorted(measured, reverse=True)
    assert found["depths"] == [3.0, None]


def test_a_fit_that_is_poor_is_said_with_the_way_out(made: Path, capsys: Capture) -> None:
    """A made market has a level each second tick, so no exponential fits it well."""
    assert re.search(r"fit is poor: at [0-9]+ ticks .* --depths FROM,TO", estimated(capsys, made))


def test_depths_are_those_that_are_asked_for(made: Path, capsys: Capture) -> None:
    found = json.loads(estimated(capsys, made, "--json", "--depths", "5,9"))
    assert found["depths"] == [5.0, 9.0]
    assert found["rows"][0]["ticks"] == 5
    assert max(row["ticks"] for row in found["rows"]) <= 9
    assert "from 5 to 9 ticks" in estimated(capsys, made, "--depths", "5,9")


@pytest.mark.slow
def test_neither_tick_nor_lot_nor_face_changes_what_is_pasted(
    made: Path, capsys: Capture, tmp_path: Path
) -> None:
    records = [*MadeTape(7, 1200).records()]
    other = Market("OTHER", "pc", "BTC", "BTC_USD", Decimal(25), Decimal(10), Decimal(100), "")
    path = written(tmp_path / "other.tape", records, other)
    settings = [
        re.sub("#.*", "", estimated(capsys, each).split("\n\n")[0]) for each in (made, path)
    ]
    assert settings[0] == settings[1]


def test_the_micro_price_is_written_as_ticks_by_spread_and_bucket(
    made: Path, capsys: Capture, tmp_path: Path
) -> None:
    out = tmp_path / "table.json"
    text = estimated(capsys, made, "--microprice", out, "--buckets", 3)
    table = json.loads(out.read_text())
    assert table_of(out.read_text()).symbol == "BTC_USD", "the strategy reads it"
    assert (table["symbol"], table["tick"], table["buckets"]) == ("BTC_USD", 0.5, 3)
    assert table["spreads"]
    for spread, row in zip(table["spreads"], table["adjustment"], strict=True):
        assert f"spread {spread}" in text
        assert row == pytest.approx([-each for each in reversed(row)], abs=1e-9)


# --- tapes that do not tell all -------------------------------------------------------------------


def test_a_tape_of_best_prices_and_trades_tells_all(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "quotes.csv").write_text(QUOTES)
    (tmp_path / "trades.csv").write_text(TRADES)
    text = estimated(capsys, tmp_path / "quotes.csv", tmp_path / "trades.csv")
    assert "3 returns" in text
    assert "3 market orders in 3 s" in text
    assert "FILL_DECAY = " in text


def test_a_book_without_trades_tells_no_intensity(capsys: Capture, tmp_path: Path) -> None:
    records = (each for each in MadeTape(1, 60).records() if not isinstance(each, Trades))
    text = estimated(capsys, written(tmp_path / "book.tape", records))
    assert "# no FILL_RATE and FILL_DECAY: the tape has no trades" in text
    assert "VOLATILITY = " in text


def test_trades_alone_tell_nothing(capsys: Capture, tmp_path: Path) -> None:
    records = (each for each in MadeTape(1, 60).records() if isinstance(each, Trades))
    tape = written(tmp_path / "trades.tape", records)
    assert "trades only: all estimates need the book" in refused(capsys, tape)


def test_a_tape_that_is_too_short_says_what_is_missing(capsys: Capture, tmp_path: Path) -> None:
    text = estimated(capsys, written(tmp_path / "short.tape", MadeTape(1, 0.5).records()))
    assert "# no VOLATILITY: 0 returns over 1 s do not tell: it takes a longer tape" in text
    assert "# no FILL_RATE and FILL_DECAY: " in text


# --- mistakes -------------------------------------------------------------------------------------


def test_mistakes_are_one_clear_line(made: Path, capsys: Capture, tmp_path: Path) -> None:
    short = written(tmp_path / "short.tape", MadeTape(1, 1).records())
    for words, expected in (
        ((), "name tapes, or a run by --run"),
        ((made, "--run", "1"), "not both"),
        ((tmp_path / "nowhere",), "cannot be read"),
        ((made, "--microprice", made), "is a file of the tape itself"),
        ((made, "--microprice", tmp_path / "no" / "out"), "cannot be written"),
        (("--run", "nowhere.journal"), "there is no such file"),
        (("--run", "1", "--depths", "2"), "need a tape"),
        ((short, "--microprice", tmp_path / "t"), "no micro-price: no spread was seen with all 9"),
    ):
        assert expected in refused(capsys, *words)


@pytest.mark.parametrize(
    "words",
    [("--depths", "0,5"), ("--depths", "5,2"), ("--depths", "a"), ("--buckets", "21")],
)
def test_an_option_that_is_not_possible_ends_with_its_name(
    words: tuple[str, str], made: Path, capsys: Capture
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["tape", "estimate", str(made), *words])
    assert f"argument {words[0]}: must be" in capsys.readouterr().err


# --- a run ----------------------------------------------------------------------------------------


def journal(directory: Path, *, dropped: int = 0, fills: int = 20) -> Path:
    """Write a run of 1000 s with a quote 2 % and one 4 % above the mid; each fourth goes deep."""
    begun = 1_700_000_000_000
    written = Journal("run", directory=directory, has_thread=False)
    written.begin(
        Beginning(
            kind="live",
            instrument_type="pc",
            area="BTC",
            symbol="BTC_USD",
            prefix="mm_",
            run_id="r1",
            version="1",
            settings="{}",
            is_restart=False,
            begun_ms=begun,
            pid=0,
        )
    )

    def put(table: str, *row: Any) -> None:
        written.put(table, lambda *values: values, *row)

    for oid, at in (("a", "102"), ("b", "104")):
        put("orders", begun, oid, oid, "open", "Sell", at, "9", "0", 0, 1)
    for second in range(1000):
        bid = 99 + (second % 2) / 1000
        put("prices", begun + second * 1000, second, str(bid), "101", None)
    for number in range(fills):
        for oid, at in (("a", "102"), ("b", "104"))[: 1 + (number % 4 == 0)]:
            ms = begun + 500 + number * 40_000
            row = (ms, 1, oid, oid, "Sell", 0, "1", at, None, "", 1, "99", "101", "", "0")
            put("fills", *row)
    written.dropped = dropped
    written.end("stopped", proven=True, ended_ms=begun + 1_000_000)
    return written.path


def test_a_run_tells_of_its_own_quotes_and_fills(tmp_path: Path, capsys: Capture) -> None:
    found = json.loads(estimated(capsys, "--run", journal(tmp_path), "--json"))
    assert found["intensity"]["n"] == 20
    assert found["intensity"]["seconds"] == pytest.approx(999, abs=1)
    # of 20 orders 5 went past the second quote: exp(-k (0.04 - 0.02)) = 1 / 4
    assert found["intensity"]["k"] == pytest.approx(69.31, rel=0.01)
    assert found["volatility"][0]["n"] == 999
    text = estimated(capsys, "--run", tmp_path / "run.journal")
    assert text.startswith("# BTC_USD from run 1 (live)\nVOLATILITY = ")
    assert "20 market orders that own quotes met in 999 s" in text


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"dropped": 3}, "the journal is incomplete: 3 rows are missing"),
        ({"fills": 1}, "1 market orders in "),
        ({"fills": 0}, "0 market orders in "),
    ],
)
def test_a_journal_that_does_not_tell_says_why(
    about: dict[str, int], words: str, tmp_path: Path, capsys: Capture
) -> None:
    text = estimated(capsys, "--run", journal(tmp_path, **about))
    assert f"# no FILL_RATE and FILL_DECAY: {words}" in text
    assert "VOLATILITY = " in text
