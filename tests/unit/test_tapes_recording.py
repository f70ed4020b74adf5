"""The recorder: what it writes of a feed, hour by hour, and that each file can be read alone."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from market_maker.clock import Clock
from market_maker.tapes import (
    Gap,
    Image,
    Level,
    Market,
    Recorder,
    Side,
    TapeError,
    Trades,
    Update,
    open_tape,
)

HOUR = 3_600_000
BEGAN = 1_700_000_000_000 // HOUR * HOUR + HOUR - 10_000  # ms, ten seconds before an hour begins
PLACE = ("pc", "BTC", "BTC_USD")
MARKET = Market("pc/BTC/BTC_USD", *PLACE, Decimal("0.5"), Decimal(1), Decimal(1), "the venue")


class ByHand(Clock):
    """A clock that a test sets."""

    ms = BEGAN

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000 - 1_000_000


@pytest.fixture
def clock() -> ByHand:
    return ByHand()


@pytest.fixture
def recorder(tmp_path: Path, clock: ByHand) -> Recorder:
    return Recorder(tmp_path / "tapes", clock)


def frame(time: int, action: str, **row: str) -> bytes:
    names = dict(zip(("instrument_type", "settle_currency", "symbol"), PLACE, strict=True))
    content = {"table": "order_book", "action": action, "data": [{**names, **row}]}
    if action == "trade":
        content = {"table": "trade", "data": content["data"]}
    return json.dumps({**content, "time": str(BEGAN + time)}).encode()


WHOLE = frame(0, "partial", id="1", side="buy", price="8490", size="40")
ASK = frame(100, "insert", id="2", side="sell", price="8490.5", size="7")
TRADE = frame(200, "trade", side="sell", price="8490", qty="15")
LESS = frame(12_000, "update", id="1", size="25")
MORE = frame(13_000, "delete", id="2")


def ns(ms: int) -> int:
    return (BEGAN + ms) * 10**6


def test_frames_are_kept_as_they_came_with_the_times_of_their_arrival(
    recorder: Recorder, clock: ByHand
) -> None:
    """What came before the market was known is kept, too."""
    clock.ms += 7
    recorder.take(WHOLE)
    recorder.begin(MARKET)
    clock.ms += 100
    recorder.take(ASK)
    recorder.take(b'{"status":"0","request":"{}"}')
    clock.ms += 100
    recorder.take(TRADE.replace(b'"data"', b'\n "data"'))
    recorder.close()
    (path,) = recorder.files
    assert path.name == "pc-BTC-BTC_USD-20231114T225950Z.tape"
    assert recorder.frames == 4
    tape = open_tape(path)
    assert (tape.market.place, tape.market.tick) == ("pc/BTC/BTC_USD", Decimal("0.5"))
    assert [*tape.records()] == [
        Image(ns(0), ns(7), [Level(Side.BUY, 16980, 40)]),
        Update(ns(100), ns(107), [Level(Side.SELL, 16981, 7)]),
        Trades(ns(200), ns(207), [Level(Side.SELL, 16980, 15)]),
    ]
    assert f"{ns(107)} {ASK.decode()}" in path.read_text().splitlines()


def test_each_hour_is_a_file_that_begins_with_the_book_and_all_are_one_tape(
    recorder: Recorder, clock: ByHand
) -> None:
    recorder.begin(MARKET)
    for at, data in ((0, WHOLE), (100, ASK), (200, TRADE), (12_000, LESS), (13_000, MORE)):
        clock.ms = BEGAN + at + 5
        recorder.take(data)
    recorder.close()
    first, second = recorder.files
    book = [Level(Side.BUY, 16980, 40), Level(Side.SELL, 16981, 7)]
    then = [
        Update(ns(12_000), ns(12_005), [Level(Side.BUY, 16980, 25)]),
        Update(ns(13_000), ns(13_005), [Level(Side.SELL, 16981, 0)]),
    ]
    again = Image(ns(100), ns(105), book)
    assert [*open_tape(second).records()] == [again, *then]
    both = [*open_tape([second, first]).records()]
    assert len(both) == 6
    assert both[-2:] == then


def test_a_lost_feed_and_a_frame_that_is_not_valid_are_gaps(
    recorder: Recorder, clock: ByHand, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.begin(MARKET)
    recorder.take(WHOLE)
    for data in (b"\xff", b"[1]", ASK.replace(b"8490.5", b"8490.3")):
        recorder.take(data)
    clock.ms += 50
    recorder.lose()
    recorder.close()
    gaps = [each for each in open_tape(recorder.files).records() if isinstance(each, Gap)]
    assert gaps == [Gap(ns(0), "a frame that was not valid is left out")] * 3 + [
        Gap(ns(50), "the feed was lost")
    ]
    assert "left out of the tape: price: 8490.3 is off the tick 0.5" in caplog.text


def test_what_is_written_is_in_the_file_each_second_and_both_clocks_each_minute(
    recorder: Recorder, clock: ByHand
) -> None:
    recorder.flush()  # before anything has come
    recorder.begin(MARKET)
    recorder.take(WHOLE)
    recorder.flush()
    (path,) = recorder.files
    header, _ = path.read_text().splitlines()
    assert json.loads(header)["tape"]["clock"] == {
        "wall_ns": ns(0),
        "steady_ns": ns(0) - 10**15,
    }
    clock.ms += 60_000
    recorder.flush()
    recorder.flush()
    *_, marked = path.read_text().splitlines()
    assert json.loads(marked) == {
        "clock": {"wall_ns": ns(60_000), "steady_ns": ns(60_000) - 10**15}
    }
    assert len([*open_tape(path).records()]) == 1
    recorder.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TapeError, match="file/tapes cannot be made: Not a directory"):
        Recorder(tmp_path / "file" / "tapes")
