"""Our ladder on a tape in nautilus_trader: run by an interpreter that has it, see `peers.py`.

    python peer_nautilus.py TAPE

TAPE is a text file: a line of JSON that says what is traded and how, then a line for each record,
with its kind, time and levels. What it took and what came of it is printed as a line of JSON.
"""

import json
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, TextIO

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import BTC, USD
from nautilus_trader.model.data import (
    BookOrder,
    OrderBookDelta,
    OrderBookDeltas,
    TradeTick,
)
from nautilus_trader.model.enums import (
    AccountType,
    AggressorSide,
    BookAction,
    BookType,
    OmsType,
    OrderSide,
    RecordFlag,
)
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.model.orders import LimitOrder
from nautilus_trader.trading.config import StrategyConfig
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("GTE")
SIDES = {"Buy": OrderSide.BUY, "Sell": OrderSide.SELL}
TAKERS = {"Buy": AggressorSide.BUYER, "Sell": AggressorSide.SELLER}


class Ladder(Strategy):
    """Keeps one order for each level, as ours does where no two levels have the same size."""

    def __init__(self, instrument: CryptoPerpetual, wanted: dict[str, Any]) -> None:
        super().__init__(StrategyConfig(log_events=False, log_commands=False))
        self._instrument = instrument
        self._wanted = wanted
        self._resting: dict[tuple[OrderSide, int], LimitOrder] = {}
        self.submitted = self.cancelled = 0

    def on_start(self) -> None:
        self.subscribe_order_book_deltas(self._instrument.id, BookType.L2_MBP)
        every = timedelta(seconds=self._wanted["LOOP_INTERVAL"])
        self.clock.set_timer("tick", every, callback=self._tick)

    def on_stop(self) -> None:
        for order in self._resting.values():
            if not order.is_closed:
                self._cancel(order)

    def on_order_filled(self, event: OrderFilled) -> None:
        order = self.cache.order(event.client_order_id)
        if order.is_closed:
            self._resting = {at: o for at, o in self._resting.items() if o is not order}
            self._tick()

    def _tick(self, _event: object = None) -> None:
        """Place what is missing, and anew what is further than RELIST_INTERVAL off."""
        prices = self._prices()
        for (side, level), price in prices.items():
            order = self._resting.get((side, level))
            if order is not None and not order.is_closed:
                off = abs(float(order.price) - price)
                if off <= self._wanted["RELIST_INTERVAL"] * price:
                    continue
                self._cancel(order)
            self._place(side, level, price)

    def _prices(self) -> dict[tuple[OrderSide, int], float]:
        """Return the price of each level; none while a side of the book is empty."""
        book = self.cache.order_book(self._instrument.id)
        bid, ask = book.best_bid_price(), book.best_ask_price()
        if bid is None or ask is None:
            return {}
        tick, wanted = float(self._instrument.price_increment), self._wanted
        buy, sell = float(bid) + tick, float(ask) - tick
        if buy >= sell:
            buy, sell = float(bid), float(ask)
        if buy * (1 + wanted["MIN_SPREAD"]) > sell:
            buy *= 1 - wanted["MIN_SPREAD"] / 2
            sell *= 1 + wanted["MIN_SPREAD"] / 2
        found = {}
        for level in range(wanted["ORDER_PAIRS"]):
            further = (1 + wanted["INTERVAL"]) ** level
            found[OrderSide.BUY, level] = buy / further
            found[OrderSide.SELL, level] = sell * further
        return found

    def _place(self, side: OrderSide, level: int, price: float) -> None:
        qty = self._wanted["ORDER_START_SIZE"] + level * self._wanted["ORDER_STEP_SIZE"]
        order = self.order_factory.limit(
            instrument_id=self._instrument.id,
            order_side=side,
            quantity=self._instrument.make_qty(qty),
            price=self._instrument.make_price(price),
            post_only=True,
        )
        self._resting[side, level] = order
        self.submitted += 1
        self.submit_order(order)

    def _cancel(self, order: LimitOrder) -> None:
        self.cancelled += 1
        self.cancel_order(order)


def main() -> None:
    """Run it, and print what it took and what came of it."""
    begun = time.process_time()
    with open(sys.argv[1], encoding="ascii") as file:
        about = json.loads(file.readline())
        instrument = _instrument(about)
        data = list(_data(file, instrument))
    engine = _engine(about, instrument)
    engine.add_data(data)
    ladder = Ladder(instrument, about)
    engine.add_strategy(ladder)
    loaded = time.process_time()
    engine.run()
    ended = time.process_time()
    events = [event for order in engine.cache.orders() for event in order.events]
    fills = [event.last_qty for event in events if isinstance(event, OrderFilled)]
    found = {
        "seconds": ended - loaded,
        "reading": loaded - begun,
        "submitted": ladder.submitted,
        "cancelled": ladder.cancelled,
        "fills": len(fills),
        "filled": sum(int(qty) for qty in fills),
    }
    sys.stdout.write(json.dumps(found))


def _instrument(about: dict[str, Any]) -> CryptoPerpetual:
    tick = Price.from_str(about["tick"])
    return CryptoPerpetual(
        instrument_id=InstrumentId(Symbol("BTCUSD"), VENUE),
        raw_symbol=Symbol("BTCUSD"),
        base_currency=BTC,
        quote_currency=USD,
        settlement_currency=BTC,
        is_inverse=True,
        price_precision=tick.precision,
        size_precision=0,
        price_increment=tick,
        size_increment=Quantity.from_int(about["lot"]),
        multiplier=Quantity.from_int(about["face"]),
        margin_init=Decimal("0.1"),
        margin_maint=Decimal("0.005"),
        maker_fee=Decimal(str(about["MAKER_FEE"])),
        taker_fee=Decimal(str(about["TAKER_FEE"])),
        ts_event=0,
        ts_init=0,
    )


def _engine(about: dict[str, Any], instrument: CryptoPerpetual) -> BacktestEngine:
    logging = LoggingConfig(bypass_logging=True)
    engine = BacktestEngine(BacktestEngineConfig(logging=logging, run_analysis=False))
    engine.add_venue(
        venue=VENUE,
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=BTC,
        starting_balances=[Money(50, BTC)],
        book_type=BookType.L2_MBP,
        trade_execution=True,
        latency_model=LatencyModel(base_latency_nanos=about["latency_ns"]),
    )
    engine.add_instrument(instrument)
    return engine


def _data(file: TextIO, instrument: CryptoPerpetual) -> Iterator[OrderBookDeltas | TradeTick]:
    """Yield what the engine takes: the changes of a record together, trades one by one."""
    tick = instrument.price_increment.as_decimal()
    for number, line in enumerate(file):
        kind, time_ns, *levels = line.split()
        now = int(time_ns)
        rows = [
            (side, instrument.make_price(int(price) * tick), Quantity.from_int(int(size)))
            for side, price, size in (level.split(",") for level in levels)
        ]
        if kind == "Trades":
            for place, (side, price, size) in enumerate(rows):
                name = TradeId(f"{number}-{place}")
                yield TradeTick(instrument.id, price, size, TAKERS[side], name, now, now)
        else:
            yield _deltas(instrument.id, rows, now, is_image=kind == "Image")


def _deltas(
    where: InstrumentId, rows: list[tuple[str, Price, Quantity]], now: int, *, is_image: bool
) -> OrderBookDeltas:
    flags = RecordFlag.F_SNAPSHOT.value if is_image else 0
    found = [OrderBookDelta.clear(where, 0, now, now)] if is_image else []
    for place, (side, price, size) in enumerate(rows, 1):
        action = BookAction.UPDATE if size > 0 else BookAction.DELETE
        order = BookOrder(SIDES[side], price, size, 0)
        last = RecordFlag.F_LAST.value if place == len(rows) else 0
        found.append(OrderBookDelta(where, action, order, flags | last, 0, now, now))
    return OrderBookDeltas(where, found)


main()
