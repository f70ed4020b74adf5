"""Faults of order entry: what becomes of cancels."""

import json
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from market_maker.errors import AuthError
from market_maker.models import OrderState
from market_maker.paper.api.dispatch import RawRequest
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.quirks import Quirks
from market_maker.safety.trading_state import TradingState
from tests.world.oracle import assert_well
from tests.world.scene import (
    BATCH,
    CANCEL,
    CREATE,
    FINE,
    every_venue,
    move_bids,
    quoting,
    said,
    state,
    watch,
)
from tests.world.world import World


def single(**options: Any) -> Any:
    """Give a world whose bot has one order a side, so that one cancel goes alone."""
    return quoting(ORDER_PAIRS=1, **FINE, **options)


def bought_at(world: World) -> set[Decimal]:
    return {order.price for order in world.orders() if order.side is Side.BUY}


def ids_of(asked: RawRequest) -> list[str]:
    return list(json.loads(dict(asked.query)["filter"])["order_id"])


def never_two_buys(world: World) -> list[int]:
    """Note how many buys rested at a time, at every moment."""
    counts: list[int] = []
    world.timeline.every(0.01, lambda: counts.append(len(bought_at(world))))
    return counts


@every_venue
@pytest.mark.parametrize("fault", ["lost", "reset", "status", "truncated"])
def test_a_cancel_whose_answer_is_lost_is_asked_again_until_the_order_is_seen_ended(
    quirks: Quirks, fault: str
) -> None:
    with single(quirks=quirks) as world:
        counts = never_two_buys(world)
        world.fault(fault, match=CANCEL, done=True, times=1, value="502")
        move_bids(world)
        world.run(40)
        assert_well(world)
        assert bought_at(world) == {Decimal(8453)}
        assert max(counts) == 1


@every_venue
@pytest.mark.parametrize("fault", ["lost", "reset"])
def test_a_cancel_that_did_not_arrive_keeps_the_slot_taken(quirks: Quirks, fault: str) -> None:
    with single(quirks=quirks) as world:
        counts, cancels = never_two_buys(world), watch(world, CANCEL)
        world.fault(fault, match=CANCEL, times=3)
        move_bids(world)
        world.run(50)
        assert_well(world)
        assert len(cancels) == 4
        assert bought_at(world) == {Decimal(8453)}
        assert max(counts) == 1


@every_venue
def test_a_cancel_that_stays_pending_counts_is_repeated_and_pauses_after_half_a_minute(
    quirks: Quirks, log: pytest.LogCaptureFixture
) -> None:
    with single(quirks=quirks) as world:
        counts, creates = never_two_buys(world), watch(world, CREATE)
        at: list[float] = []
        world.network.watchers.append(
            lambda a: at.append(world.timeline.monotonic()) if a.path.endswith(CANCEL) else None
        )
        world.fault("cancel_pending", match=CANCEL, value="60000", for_ms=60_000)
        move_bids(world)
        world.run(29)
        assert state(world) is TradingState.ACTIVE
        assert [o.state for o in world.bot.exchange.orders.tracker.live()].count(
            OrderState.CANCELLING
        ) == 1
        world.run(10)
        assert state(world) is TradingState.PAUSED
        assert creates == []
        assert all(4.5 < b - a < 8 for a, b in pairwise(at))
        assert len(at) >= 5
        world.run(60)
        assert_well(world)
        assert max(counts) == 1
    assert said(log, "PAUSED, not quoting: cancel not confirmed for over 30 s") == 1


def hit_buys(world: World) -> None:
    """Let somebody sell to all that bids down to our own buys, and others come back after that."""
    world.take("sell", str(min(bought_at(world))), 10**6)
    for level in range(25):
        world.put("buy", str(Decimal(8490) - Decimal("2.5") * level), 1000 + 100 * level)


@every_venue
def test_a_fill_that_overtakes_the_cancel_is_booked_once_and_ends_it(
    quirks: Quirks,
) -> None:
    with single(quirks=quirks) as world:
        cancels = watch(world, CANCEL)

        def race(asked: RawRequest) -> None:
            if asked.path.endswith(CANCEL) and len(cancels) == 1:
                hit_buys(world)

        world.network.watchers.append(race)
        move_bids(world)
        world.run(40)
        assert_well(world)
        assert world.report.refusals[-13003] == 1
        assert len(cancels) <= 3
        assert world.bot.exchange.money.trades.bought == world.report.bought == 100


@every_venue
def test_a_fill_while_the_cancel_is_pending_is_booked_once(quirks: Quirks) -> None:
    with single(quirks=quirks) as world:
        world.fault("cancel_pending", match=CANCEL, value="3000", times=1)
        move_bids(world)
        world.timeline.after(3.5, lambda: hit_buys(world) if world.report.bought == 0 else None)
        world.run(40)
        assert_well(world)
        assert world.bot.exchange.money.trades.bought == world.report.bought


@pytest.mark.parametrize("unknown_order", [-13004, -11066])
@pytest.mark.parametrize("code", [-11066, -13002, -13004])
def test_an_order_said_to_be_gone_is_looked_up_and_cancelled_again_if_it_is_not(
    code: int, unknown_order: Any
) -> None:
    with single(quirks=Quirks(unknown_order=unknown_order)) as world:
        counts = never_two_buys(world)
        world.fault("code", match=CANCEL, value=str(code), times=2)
        move_bids(world)
        world.run(40)
        assert_well(world)
        assert bought_at(world) == {Decimal(8453)}
        assert max(counts) == 1


@pytest.mark.parametrize("unknown_order", [-13004, -11066])
def test_an_order_that_the_venue_has_forgotten_ends_after_two_scans(
    unknown_order: Any, log: pytest.LogCaptureFixture
) -> None:
    with single(quirks=Quirks(unknown_order=unknown_order)) as world:
        buy = next(order for order in world.orders() if order.side is Side.BUY)
        world.exchange.listing(buy.instrument.key).book.cancel(buy.order_id)
        world.exchange.blotter._live[buy.owner].pop(buy.order_id)
        creates = timed(world, CREATE)
        forgotten_at = world.timeline.monotonic()
        move_bids(world)
        world.run(40)
        assert_well(world)
        assert creates[0][0] - forgotten_at > 5
        assert bought_at(world) == {Decimal(8453)}
    assert "Traceback" not in log.text


@every_venue
def test_a_batch_that_cancelled_only_some_is_finished_one_by_one(
    quirks: Quirks, log: pytest.LogCaptureFixture
) -> None:
    with quoting(quirks=quirks, **FINE) as world:
        singles, batches = watch(world, CANCEL), watch(world, BATCH)
        world.fault("batch_half", match=BATCH, times=1)
        move_bids(world)
        world.run(40)
        assert_well(world)
        assert len(world.orders()) == 6
        assert max(bought_at(world)) == Decimal(8453)
        assert (len(batches), len(singles)) == (1, 1)
    assert said(log, "Cancelling 1 orders again: not confirmed within 5 s.") == 1


REJECTED_THEN_BROKEN = (("code", "-10055"), ("status", "502"))
"""Faults of two cancels: the key is rejected on one, and nothing is known of the other."""
WIDE = {"ORDER_PAIRS": 35, "ORDER_STEP_SIZE": 0, "INTERVAL": 0.001, "ORDER_START_SIZE": 10} | FINE


def timed(world: World, path: str) -> list[tuple[float, RawRequest]]:
    """Collect the requests to an endpoint with the moment of each."""
    seen: list[tuple[float, RawRequest]] = []

    def note(asked: RawRequest) -> None:
        if asked.path.endswith(path):
            seen.append((world.timeline.monotonic(), asked))

    world.network.watchers.append(note)
    return seen


def move_both(world: World) -> None:
    world.put("buy", "8495", 1000)
    world.put("sell", "8496", 1000)


def test_a_second_batch_waits_its_ten_seconds_and_singles_go_meanwhile() -> None:
    with quoting(ORDER_PAIRS=3, **FINE) as world:
        batches, singles = timed(world, BATCH), timed(world, CANCEL)
        for turn in range(8):
            move_bids(world, str(Decimal("8491") + Decimal("0.5") * turn))
            world.run(3)
        world.run(30)
        assert_well(world)
        times = [at for at, _ in batches]
        assert len(times) >= 2
        assert all(b - a >= 10 for a, b in pairwise(times))
        assert singles
        assert len(world.orders()) == 6


def test_more_than_fifty_cancels_go_as_one_batch_and_singles_within_the_limits() -> None:
    with quoting(**WIDE) as world:
        assert len(world.orders()) == 70
        batches, singles = timed(world, BATCH), timed(world, CANCEL)
        move_both(world)
        world.run(40)
        assert_well(world)
        assert len(world.orders()) == 70
        assert [len(ids_of(asked)) for _, asked in batches] == [50]
        times = [at for at, _ in singles]
        assert len(times) >= 20
        assert all(b - a >= 1 for a, b in zip(times, times[20:], strict=False))


def test_the_way_out_cancels_all_within_the_limits() -> None:
    with quoting(**WIDE) as world:
        batches = timed(world, BATCH)
        world.bot.exit()
        assert world.orders() == []
        assert all(len(ids_of(asked)) <= 50 for _, asked in batches)


@pytest.mark.parametrize("faults", [REJECTED_THEN_BROKEN, REJECTED_THEN_BROKEN[::-1]])
def test_a_key_that_one_of_several_cancels_shows_to_be_rejected_is_told_whatever_the_others_show(
    faults: Sequence[tuple[str, str]],
) -> None:
    with single() as world:
        assert world.bot
        orders = world.bot.exchange.orders
        world.fault("status", match=BATCH, value="502", times=1)
        orders.executor.cancel(orders.live())  # so that the next ones go one by one
        cancels = watch(world, CANCEL)
        for name, value in faults:
            world.fault(name, match=CANCEL, value=value, times=1)
        with pytest.raises(AuthError):
            orders.executor.cancel(orders.live())
        assert len(cancels) == 2
        assert {order.state for order in orders.live()} == {OrderState.OPEN}


def test_an_order_whose_cancel_has_not_left_is_open_and_cancelled_at_once_later() -> None:
    with single() as world:
        assert world.bot
        orders = world.bot.exchange.orders
        world.network.cut_off = True
        world.network.drop_all()
        orders.executor.cancel(orders.live())
        assert {order.state for order in orders.live()} == {OrderState.OPEN}
        assert len(world.orders()) == 2
        world.network.cut_off = False
        orders.executor.cancel(orders.live())
        assert world.orders() == []
