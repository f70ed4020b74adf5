"""The small file by which bot, guard and `cancel` know what was spent of the rate limits."""

import os
import time
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import account

from market_maker.gte import GTE
from market_maker.guard.shared import RECORDS, SharedFile
from market_maker.models import OrderRequest, Side
from market_maker.paper.server.in_process import PaperExchange
from market_maker.private_files import PrivateFiles


def shared(directory: Path) -> SharedFile:
    return SharedFile(PrivateFiles(directory / "state", "who"))


def use(file: SharedFile, endpoint: str, at: float) -> None:
    """Make a request that is answered at once."""
    file.answered(endpoint, file.use(endpoint, at), at)


def test_a_process_learns_what_others_have_used_and_not_what_it_has_itself(tmp_path: Path) -> None:
    mine, theirs, third = (shared(tmp_path) for _ in range(3))
    use(mine, "cancel", 100.0)
    use(theirs, "cancel", 101.0)
    use(theirs, "create", 102.0)
    assert mine.used_by_others("cancel", 105.0) == [101.0]
    assert theirs.used_by_others("cancel", 105.0) == [100.0]
    assert third.used_by_others("cancel", 105.0) == [100.0, 101.0]
    assert third.used_by_others("cancel", 110.5) == [101.0], "older than any window"
    assert third.used_by_others("cancel", 50.0) == [], "of an earlier boot of the machine"


def test_the_latest_are_kept(tmp_path: Path) -> None:
    mine, theirs = shared(tmp_path), shared(tmp_path)
    for number in range(3 * RECORDS):
        use(mine, "cancel", 100.0 + number / 100)
    seen = theirs.used_by_others("cancel", 102.0)
    assert len(seen) == RECORDS
    assert seen[-1] == 100.0 + (3 * RECORDS - 1) / 100
    use(mine, "cancel", 5.0)  # after a boot
    assert theirs.used_by_others("cancel", 6.0) == [5.0]


def test_a_request_in_flight_counts_as_one_of_now_until_its_answer_or_for_a_while(
    tmp_path: Path,
) -> None:
    mine, theirs = shared(tmp_path), shared(tmp_path)
    place = mine.use("cancel", 100.0)
    assert theirs.used_by_others("cancel", 102.4) == [102.4]
    assert theirs.used_by_others("cancel", 103.0) == [100.0], "its process may have died"
    mine.answered("cancel", place, 103.5)
    assert theirs.used_by_others("cancel", 104.0) == [103.5]


def test_a_process_that_stands_still_with_the_file_locked_holds_nobody_up(tmp_path: Path) -> None:
    mine, theirs = shared(tmp_path), shared(tmp_path)
    begun = time.monotonic()
    with mine.alone(), theirs.alone():
        use(theirs, "cancel", 100.0)
    assert time.monotonic() - begun < 1
    assert mine.used_by_others("cancel", 100.0) == [100.0]


@pytest.mark.parametrize("spoilt", [b"", b"x", b"\xff" * 40_000, b"venue 1 2 3\n"])
def test_a_spoilt_file_says_nothing_and_is_used_again(tmp_path: Path, spoilt: bytes) -> None:
    mine = shared(tmp_path)
    (tmp_path / "state" / "who.shared").write_bytes(spoilt)
    assert mine.address("venue") == ""
    assert mine.used_by_others("cancel", 100.0) == []
    mine.found("venue", "192.0.2.1")
    use(shared(tmp_path), "cancel", 100.0)
    assert mine.address("venue") == "192.0.2.1"
    assert mine.used_by_others("cancel", 100.0) == [100.0]


def test_where_there_can_be_no_file_nothing_is_known_of_others(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    mine = SharedFile(PrivateFiles(tmp_path / "pipe" / "state", "who"))
    use(mine, "cancel", 1.0)
    mine.found("venue", "192.0.2.1")
    assert not mine.is_usable
    assert mine.address("venue") == ""
    assert mine.used_by_others("cancel", 1.0) == []


def test_a_file_that_is_given_up_while_it_is_locked_harms_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(27, "File too large")

    file = shared(tmp_path)
    monkeypatch.setattr(os, "pwrite", full)
    with file.alone():
        file.use("create", 1.0)
    assert not file.is_usable


def test_the_processes_of_an_account_keep_its_limits_together(
    venue: PaperExchange, tmp_path: Path
) -> None:
    def client() -> GTE:
        place = {"base_url": venue.rest_url, "symbol": "BTC_USD", "settle_currency": "BTC"}
        keys = {"api_key": venue.key, "api_secret": venue.secret}
        return GTE(account(**place, **keys), shared=shared(tmp_path))

    with ExitStack() as stack:
        bot, guard, by_hand = (client() for _ in range(3))
        for each in (bot, guard, by_hand):
            stack.callback(each.exit)
        wanted = [
            OrderRequest(
                side=Side.BUY,
                price=Decimal(8000 - n),
                qty=Decimal(1),
                client_oid=bot.new_client_oid(),
            )
            for n in range(15)
        ]
        assert not any(outcome.error for outcome in bot.create_bulk_orders(wanted))
        for each in (bot, guard, by_hand):
            orders = each.query_orders()
            outcomes = each.cancel_bulk_orders(orders)
            assert not any("frequent" in str(outcome.error) for outcome in outcomes)
        assert not venue.judge().breaches
        assert venue.judge().requests["pc/order/cancel_batch"] == 1, "free at once, and then not"
