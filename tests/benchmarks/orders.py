"""Orders at the venue: real sockets, 50 ms there and back, the venue's own limits."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from unittest.mock import patch

from market_maker.market_maker import OrderManager
from market_maker.models import OrderRequest, Plan, Side
from market_maker.paper.exchange import engine
from market_maker.paper.exchange.exchange import Order
from market_maker.paper.server.in_process import PaperExchange
from market_maker.paper.server.venue import Venue
from market_maker.safety.trading_state import TradingState
from market_maker.settings import settings
from market_maker.trading.exchange_interface import ExchangeInterface
from market_maker.wire.endpoints import ORDER_CANCEL_BATCH
from tests.benchmarks.proxy import Proxy
from tests.benchmarks.table import Figure, percentile, until

QUOTE: dict[str, object] = {"ORDER_PAIRS": 30, "LOOP_INTERVAL": 5.0, "TIMEOUT": 5.0}
LIMIT = 10_000
FILLS = 100
LOOPS = 50
FIRST: dict[str, object] = {
    "MAINTAIN_SPREADS": True,  # so that ours are the first in the book
    "MIN_SPREAD": 0.0001,
    "CHECK_POSITION_LIMITS": False,
    "MAX_FILLS": 1_000,
}


@contextmanager
def venue_with(*, far: bool, **changed: object) -> Iterator[PaperExchange]:
    """Start a paper exchange, and load settings for it; a far one is 50 ms away."""
    with PaperExchange(crowd=False, book=True) as venue:
        port = int(venue.rest_url.rpartition(":")[2])
        near = venue.rest_url, venue.ws_url
        here = f":{port}"
        there = f":{Proxy(port).port}" if far else here
        urls = [url.replace(here, there) for url in near]
        given = {
            "API_URL_BASE": urls[0],
            "WS_URL": urls[1],
            "API_KEY": venue.key,
            "API_SECRET": venue.secret,
            "DRY_RUN": False,
        }
        settings.load(None, overrides=given | QUOTE | changed)
        yield venue


def far_orders(pairs: int) -> tuple[OrderRequest, ...]:
    """Return orders that rest where nobody meets them."""
    steps = range(1, pairs + 1)
    buys = [OrderRequest(side=Side.BUY, price=Decimal(8000 - n), qty=Decimal(10)) for n in steps]
    sells = [OrderRequest(side=Side.SELL, price=Decimal(9000 + n), qty=Decimal(10)) for n in steps]
    return (*buys, *sells)


def place_and_cancel() -> Iterator[Figure]:
    """Place 58 orders, then 60, and cancel 60 with proof."""
    with venue_with(far=True) as venue:
        exchange = ExchangeInterface(dry_run=False)
        exchange.start()
        exchange.refresh()
        begun = time.monotonic()
        while missing := _missing(exchange, far_orders(29)):  # a slice of time each
            exchange.execute(Plan(create=missing))
            exchange.refresh()
        took = time.monotonic() - begun
        assert len(venue.open_orders()) == 58
        breaches = venue.judge().refusals[-10053]
        yield Figure(
            what="place 58 orders, decision to last acknowledgement",
            value=took,
            unit="s",
            most=3.6,
            note=f"floor 1.9 to 2.85 s; -10053: {breaches}",
        )
        more = tuple(
            OrderRequest(side=Side.BUY, price=Decimal(price), qty=Decimal(10))
            for price in (7000, 7001)
        )
        exchange.refresh()
        exchange.execute(Plan(create=more))
        assert until(lambda: exchange.client._transport.is_free(ORDER_CANCEL_BATCH), 15)
        assert len(venue.open_orders()) == 60
        begun = time.monotonic()
        exchange.cancel_all_orders()
        took = time.monotonic() - begun
        assert venue.open_orders() == []
        sent = venue.judge().requests
        yield Figure(
            what="cancel 60 orders, proven gone",
            value=took,
            unit="s",
            most=1.2,
            note=f"{sent['pc/order/cancel_batch']} batch, {sent['pc/order/cancel']} single ones",
        )
        exchange.close()


def _missing(
    exchange: ExchangeInterface, wanted: Sequence[OrderRequest]
) -> tuple[OrderRequest, ...]:
    live = {(order.side, order.price) for order in exchange.orders.live()}
    return tuple(order for order in wanted if (order.side, order.price) not in live)


@contextmanager
def running() -> Iterator[OrderManager]:
    """Run a bot in a thread of this process."""
    bot = OrderManager()
    loop = threading.Thread(target=bot.run_loop, daemon=True)
    loop.start()
    yield bot
    bot.stop("the measurement is done")
    loop.join(timeout=30)


def replace() -> Iterator[Figure]:
    """Let the market move by 1 %, so that no order may stay."""
    limits = {"CHECK_POSITION_LIMITS": True, "MIN_POSITION": -LIMIT, "MAX_POSITION": LIMIT}
    sizes = {"ORDER_START_SIZE": 100, "ORDER_STEP_SIZE": 10}
    with venue_with(far=True, RELIST_INTERVAL=0.005, LOOP_INTERVAL=1.0, **limits, **sizes) as venue:
        with running() as bot:
            assert until(lambda: len(venue.open_orders()) == 60, 20)
            time.sleep(11)  # the one batch of ten seconds is free, as it is most of the time
            before = {order.order_id for order in venue.open_orders()}
            begun = time.monotonic()
            for side, price, qty in MOVE:
                venue.put(side, price, qty)
            assert until(lambda: _is_replaced(venue, before), 20)
            took = time.monotonic() - begun
            assert bot.control.halt_reason == ""
        report = venue.judge()
        worst = max(max(each.net_long, each.net_short) for each in report.exposure.values())
        assert worst <= LIMIT
        assert not report.refusals[-10053]
        yield Figure(
            what="replace 60 orders after a move of 1 %, market to last arrival",
            value=took,
            unit="s",
            most=4.8,
            note=f"worst exposure {worst} of {LIMIT}; -10053: 0",
        )


MOVE = [
    *(("sell", str(8497.5 + 2.5 * n), 0) for n in range(32)),
    *(("sell", str(8582.5 + 2.5 * n), 1000) for n in range(25)),
    *(("buy", str(8575 - 2.5 * n), 1000) for n in range(60)),
]


def _is_replaced(venue: PaperExchange, before: set[int]) -> bool:
    orders = venue.open_orders()
    return len(orders) == 60 and not before & {order.order_id for order in orders}


def stands() -> Iterator[Figure]:
    """Count the writes of a bot whose ladder stands as wanted."""
    ticks = 0
    tick = OrderManager.tick

    def counting(bot: OrderManager) -> None:
        nonlocal ticks
        tick(bot)
        ticks += bot.health.state is TradingState.ACTIVE

    with (
        patch.object(OrderManager, "tick", counting),
        venue_with(far=False, LOOP_INTERVAL=0.2) as venue,
        running(),
    ):
        assert until(lambda: len(venue.open_orders()) == 60, 20)
        time.sleep(1)
        writes, ticks = _writes(venue), 0
        assert until(lambda: ticks >= LOOPS, 30)
        yield Figure(
            what=f"REST writes while the ladder stands, {LOOPS} loops",
            value=_writes(venue) - writes,
            unit="",
            most=0,
        )


def _writes(venue: PaperExchange) -> int:
    requests = venue.judge().requests
    return sum(n for path, n in requests.items() if "create" in path or "cancel" in path)


def _best(venue: PaperExchange, side: str) -> Order:
    """Return the order of ours that somebody who buys (or sells) meets first."""
    wanted = engine.Side.SELL if side == "buy" else engine.Side.BUY
    orders = [order for order in venue.open_orders() if order.side is wanted]
    return min(
        orders, key=lambda order: order.price if wanted is engine.Side.SELL else -order.price
    )


def fill_to_replacement() -> Iterator[Figure]:
    """Take an order again and again; see when the one in its place arrives."""
    arrived: list[float] = []
    answer = Venue.answer

    def noting(venue: Venue, asked: object, *rest: object) -> object:
        if asked.path.endswith("order/create"):  # type: ignore[attr-defined]
            arrived.append(time.perf_counter())
        return answer(venue, asked, *rest)  # type: ignore[arg-type]

    Venue.answer = noting  # type: ignore[method-assign,assignment]
    delays = []
    try:
        with venue_with(far=False, **FIRST) as venue, running():
            assert until(lambda: len(venue.open_orders()) == 60, 20)
            time.sleep(2)
            for number in range(FILLS):
                side = ("buy", "sell")[number % 2]
                best = _best(venue, side)
                arrived.clear()
                begun = time.perf_counter()
                venue.take(side, str(best.price), int(best.left))
                until(lambda: arrived, 6)
                delays.append((arrived[0] - begun) * 1e3 if arrived else 6e3)
                time.sleep(0.4)
    finally:
        Venue.answer = answer  # type: ignore[method-assign]
    for part, most in ((0.5, 15), (0.99, 60)):
        yield Figure(
            what=f"fill to the arrival of its replacement, p{part * 100:.0f}",
            value=percentile(delays, part),
            unit="ms",
            most=most,
        )
