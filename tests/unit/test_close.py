"""`cancel --close`: the position is closed leg by leg, within the collar, and nothing is left."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from bot import settings_for
from conftest import client_of, wait_until

from market_maker.app import cli, close
from market_maker.errors import (
    AlreadyRunning,
    PositionLeft,
    RequestError,
    SettingsError,
    VenueUnreachable,
)
from market_maker.gte import GTE
from market_maker.guard.runfiles import RunFiles
from market_maker.guard.signals import HALT_SIGNAL, STOP_SIGNALS
from market_maker.orders import sweep
from market_maker.paper.server.in_process import PaperExchange
from market_maker.settings import settings

Configure = Callable[..., None]
ORDER_SECONDS, CLOSE_SECONDS = close.ORDER_SECONDS, close.CLOSE_SECONDS
PAGES = Path(close.__file__).parents[1] / "docs"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(close, "ORDER_SECONDS", 1.0)
    monkeypatch.setattr(close, "CLOSE_SECONDS", 5.0)
    monkeypatch.setattr(close, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(sweep, "LATE_SECONDS", 0.5)
    numbers = (*STOP_SIGNALS, HALT_SIGNAL)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def both_legs(venue: PaperExchange, configure: Configure) -> None:
    """An account that is long 200 and short 50."""
    configure()
    client = client_of(venue)
    client.buy(200, "8497.5")
    client.sell(50, "8490")
    client.exit()
    assert venue.position() == (200, 50)


def test_the_pages_name_its_times() -> None:
    en, zh = ((PAGES / lang / "operate.md").read_text("utf-8") for lang in ("en", "zh"))
    assert f"after {ORDER_SECONDS:.0f} s another one" in en
    assert f"After {CLOSE_SECONDS:.0f} s it gives up" in en
    assert f"{ORDER_SECONDS:.0f} 秒后按新价格再发一单，{CLOSE_SECONDS:.0f} 秒后放弃" in zh


def run(answer: bool = True) -> None:
    close.run(settings.account(), confirm=lambda: answer)


@pytest.mark.usefixtures("both_legs")
def test_both_legs_are_closed_and_no_order_is_left(
    venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    run()
    assert venue.position() == (0, 0)
    assert venue.open_orders() == []
    assert venue.judge().self_trades == 0
    assert "To close: Sell 200 @ 8490, at 8069 at worst." in log.text
    assert "To close: Buy 50 @ 8497.5, at 8918.5 at worst." in log.text
    assert "No position is left in BTC_USD." in log.text
    log.clear()
    run()
    assert "Sent" not in log.text, "there is nothing to close"


@pytest.mark.usefixtures("both_legs")
def test_what_was_closed_of_one_leg_leaves_the_other_to_be_closed_whole(
    log: pytest.LogCaptureFixture,
) -> None:
    run()
    sent = [message for message in log.messages if message.startswith("Sent: ")]
    assert sorted(sent) == ["Sent: Buy 50 @ 8497.5.", "Sent: Sell 200 @ 8490."]


@pytest.mark.usefixtures("both_legs")
def test_without_a_yes_nothing_is_sent(venue: PaperExchange) -> None:
    with pytest.raises(PositionLeft, match="no closing order was sent"):
        run(answer=False)
    assert venue.position() == (200, 50)


@pytest.mark.slow
@pytest.mark.usefixtures("both_legs")
@pytest.mark.parametrize("collar", [0.001, 0.02])
def test_no_order_is_beyond_the_collar_and_what_it_keeps_open_is_said(
    venue: PaperExchange, collar: float, log: pytest.LogCaptureFixture
) -> None:
    """The bids near the market are for less than the position."""
    settings.PRICE_COLLAR = collar
    worst = Decimal("8493.75") * (1 - Decimal(str(collar)))
    for price, _ in venue.levels("buy"):
        venue.put("buy", f"{price:f}", 0)
    venue.put("buy", "8490", 30)
    venue.put("buy", "8000", 1000)
    with pytest.raises(PositionLeft, match="the position is not closed: long 170, short 0 left"):
        run()
    assert venue.position() == (170, 0)
    assert venue.open_orders() == []
    assert venue.judge().self_trades == 0
    sent = [Decimal(line.split("@")[1].strip(" .")) for line in sold(log)]
    assert len(sent) >= 2, "another price is tried"
    assert min(sent) >= worst - Decimal("0.5")


def sold(log: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in log.messages if message.startswith("Sent: Sell")]


@pytest.mark.usefixtures("both_legs")
def test_bids_that_come_back_are_taken_by_the_next_order(venue: PaperExchange) -> None:
    before = venue.levels("buy")
    for price, _ in before:
        venue.put("buy", f"{price:f}", 0)
    venue.put("buy", "8490", 30)

    def come_back() -> bool:
        venue.put("buy", "8485", 1000)
        return True

    close.run(settings.account(), confirm=come_back)
    assert venue.position() == (0, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("both_legs")
@pytest.mark.parametrize("done", [True, False])
def test_an_order_whose_answer_is_lost_neither_opens_the_other_leg_nor_stays(
    venue: PaperExchange, done: bool
) -> None:
    venue.fault("lost", match="pc/order/create", done=done, times=1)
    run()
    assert venue.position() == (0, 0)
    assert venue.open_orders() == []


@pytest.mark.slow
@pytest.mark.usefixtures("both_legs")
def test_quantities_that_other_orders_bind_are_not_closed_twice(
    venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    client = client_of(venue, prefix="other_")
    close_by_hand(client, 150)
    with pytest.raises(PositionLeft, match="long 150, short 0 left"):
        run()
    assert venue.position() == (150, 0)
    assert len(venue.open_orders()) == 1, "the order of others"
    assert "150 are bound by other closing orders" in log.text
    client.exit()


def close_by_hand(client: GTE, qty: int) -> None:
    from market_maker.models import OrderRequest, Side

    request = OrderRequest(
        side=Side.SELL,
        price=Decimal(8600),
        qty=Decimal(qty),
        close=True,
        client_oid=client.new_client_oid(),
    )
    client.create_order(request)


@pytest.mark.usefixtures("both_legs")
def test_more_than_the_largest_order_goes_in_parts(venue: PaperExchange) -> None:
    settings.MAX_ORDER_QTY = 90
    run()
    assert venue.position() == (0, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("both_legs")
def test_what_has_come_since_the_question_stays(venue: PaperExchange) -> None:
    client = client_of(venue, prefix="other_")

    def more_comes() -> bool:
        client.buy(40, "8497.5")
        return True

    with pytest.raises(PositionLeft, match="long 40, short 0 left"):
        close.run(settings.account(), confirm=more_comes)
    assert venue.position() == (40, 0)
    client.exit()


@pytest.mark.usefixtures("both_legs")
def test_an_empty_side_of_the_book_asks_nothing(venue: PaperExchange) -> None:
    for price, _ in venue.levels("buy"):
        venue.put("buy", f"{price:f}", 0)
    with pytest.raises(VenueUnreachable, match="empty on a side"):
        run()
    assert venue.position() == (200, 50)


@pytest.mark.usefixtures("both_legs")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, HALT_SIGNAL])
def test_a_signal_ends_it_with_no_order_left_wherever_it_comes(
    venue: PaperExchange, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The create is on its way, and arrives a second later."""
    venue.fault("late", match="pc/order/create", value="1000", times=1)
    settings.PRICE_COLLAR = 0.001
    for price, _ in venue.levels("buy"):
        venue.put("buy", f"{price:f}", 0)
    venue.put("buy", "8490", 30)
    timer = threading.Timer(0.6, lambda: os.kill(os.getpid(), number))

    def sure() -> bool:
        timer.start()
        return True

    with pytest.raises(PositionLeft, match="not closed: long"):
        close.run(settings.account(), confirm=sure)
    timer.join()
    assert venue.open_orders() == []
    time.sleep(1.5)
    assert venue.open_orders() == []


@pytest.mark.slow
@pytest.mark.usefixtures("both_legs")
def test_an_order_of_another_prefix_is_not_traded_with(
    venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    client = client_of(venue, prefix="hand_")
    client.buy(500, "8491")
    with pytest.raises(PositionLeft, match="long 200, short 0 left"):
        run()
    assert venue.position() == (200, 0)
    assert venue.judge().self_trades == 0
    assert "Buy 500 @ 8491 of this account is in the way: cancel it first." in log.text
    client.exit()


@pytest.mark.usefixtures("both_legs")
def test_an_outage_is_waited_for(venue: PaperExchange) -> None:
    def away_for_a_while() -> bool:
        venue.fault("refuse", for_ms=1_500)
        return True

    close.run(settings.account(), confirm=away_for_a_while)
    assert venue.position() == (0, 0)


@pytest.mark.usefixtures("both_legs")
def test_a_key_that_is_refused_is_tried_once(
    venue: PaperExchange, log: pytest.LogCaptureFixture
) -> None:
    def revoke() -> bool:
        venue.fault("code", match="pc/order/create", value="-10055", for_ms=60_000)
        return True

    with pytest.raises(PositionLeft, match="lacks the permission"):
        close.run(settings.account(), confirm=revoke)
    assert venue.position() == (200, 50)
    assert sum("create Buy" in line or "create Sell" in line for line in log.messages) <= 2


@pytest.mark.usefixtures("both_legs")
def test_a_clock_that_is_off_does_not_keep_it_from_closing(venue: PaperExchange) -> None:
    venue.fault("clock_skew", value="60000", for_ms=60_000)
    run()
    assert venue.position() == (0, 0)


@pytest.mark.usefixtures("both_legs")
def test_a_venue_that_goes_away_leaves_a_doubt_that_is_said(
    venue: PaperExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(close, "FEED_SECONDS", 0.5)

    client = client_of(venue)

    def is_away() -> bool:
        try:
            client.instrument_query()
        except RequestError:
            return True
        return False

    def go_away() -> bool:
        venue.fault("refuse", for_ms=60_000)
        wait_until(is_away)
        return True

    with pytest.raises(PositionLeft, match="the position may not be closed: "):
        close.run(settings.account(), confirm=go_away)
    client.exit()
    venue.clear_faults()
    assert venue.position() == (200, 50)


@pytest.mark.usefixtures("both_legs")
@pytest.mark.parametrize(
    ("prefix", "words"),
    [("mm_gte_", "ORDERID_PREFIX mm_gte_"), ("mm_two_", "ORDERID_PREFIX mm_two_")],
)
def test_it_refuses_while_a_bot_of_any_prefix_trades_the_symbol(
    venue: PaperExchange, prefix: str, words: str, configure: Configure
) -> None:
    configure(ORDERID_PREFIX=prefix)
    files = RunFiles(settings.account())
    files.lock.take()
    configure()
    with pytest.raises(AlreadyRunning, match=words):
        run()
    files.lock.release()
    assert venue.position() == (200, 50)
    run()
    assert venue.position() == (0, 0)


def test_on_spot_there_is_nothing_to_close(configure: Configure) -> None:
    configure(INSTRUMENTTYPE="bb", SETTLECURRENCY="USDT", SYMBOL="BTC/USDT")
    with pytest.raises(SettingsError, match="spot"):
        run()


@pytest.mark.parametrize(
    ("changed", "arguments", "words"),
    [
        ({"DRY_RUN": True}, ["--yes"], "DRY_RUN is set"),
        ({}, [], "--yes closes without asking"),
    ],
)
@pytest.mark.usefixtures("both_legs")
def test_the_command_line_asks_or_needs_a_yes(
    venue: PaperExchange,
    tmp_path: Path,
    changed: dict[str, object],
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = settings_for(venue, tmp_path, **changed)
    assert cli.main(["cancel", "--close", *arguments, "--settings", str(path)]) == 2
    assert words in capsys.readouterr().err
    assert venue.position() == (200, 50)
