"""The ledger: exact rules case by case, and books that balance whatever happens."""

import random
from collections import Counter
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from typing import Any

import pytest

from market_maker.paper.exchange.account import (
    Contract,
    Leg,
    LegKey,
    Mode,
    Wallet,
    order_margin,
    worth,
)
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.engine import BACKGROUND, Side
from market_maker.paper.exchange.errors import ApiError, Code
from market_maker.paper.exchange.events import Filled, Liquidated
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.instrument import CONTRACT, SPOT, Key, listed
from market_maker.paper.exchange.ledger import INSURANCE, Ledger, Party
from market_maker.paper.exchange.moves import Depth, Depths, Index, Take

D = Decimal
BTC_USD = Key(CONTRACT, "BTC", "BTC_USD")
ETH_USD = Key(CONTRACT, "BTC", "ETH_USD")
SPOT_BTC = Key(SPOT, "USDT", "BTC/USDT")
LONG, SHORT = (LegKey("BTC", "BTC_USD", side) for side in (True, False))
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("qty", "price", "margin"),
    [  # what the venue held in January 2020, at leverage 10
        (273, "7421", "0.003733"),
        (100, "7379.5", "0.001375"),
        (273, "7342.5", "0.003773"),
        (40, "7250.5", "0.000559"),
    ],
)
def test_the_order_margin_is_the_captured_one(qty: int, price: str, margin: str) -> None:
    held = order_margin(qty=qty, face=D(1), price=D(price), leverage=D(10))
    assert held == D(margin)


@pytest.mark.parametrize(
    ("leg", "liquidation"),
    [  # the documented position rows
        (Leg(True, qty=120, cost=120 / D("7198.4"), margin=D("0.001667")), "6581.6"),
        (Leg(False, qty=75, cost=75 / D("7301"), margin=D("0.001027")), "8065.3"),
        (Leg(False, qty=75, cost=D("0.01"), margin=D("0.01")), "0"),
        (Leg(True), "0"),
    ],
)
def test_the_liquidation_price_is_the_documented_one(leg: Leg, liquidation: str) -> None:
    price = leg.price_at(face=D(1), ratio=D("0.00575"))
    assert price.quantize(D("0.1"), ROUND_DOWN) == D(liquidation)


def test_a_round_trip_wins_what_the_inverse_contract_says_less_the_fees() -> None:
    ledger = Ledger()
    for owner in ("ann", "bob"):
        ledger.open_account(owner, Mode.CROSS)
        ledger.deposit(owner, Wallet.CONTRACT, "BTC", D(1))
    contract = Contract("BTC", "BTC_USD")
    for price, close in ((8000, False), (10000, True)):
        buyer, seller = Party("ann", close, D("0.001")), Party("bob", close, D(0))
        if close:
            buyer, seller = Party("bob", close, D(0)), Party("ann", close, D("0.001"))
        each = worth(face=D(1), price=D(price))
        ledger.trade(contract, qty=1000, each=each, buyer=buyer, seller=seller)
    ann, bob = (ledger.accounts[owner] for owner in ("ann", "bob"))
    fees = D("0.000125") + D("0.0001")
    assert ann.balance(Wallet.CONTRACT, "BTC").total == D(1) + D("0.025") - fees
    assert bob.balance(Wallet.CONTRACT, "BTC").total == D(1) - D("0.025")
    assert ledger.fees["BTC"] == fees
    assert ann.leg(LONG) == Leg(True, realised=D("0.025") - fees)


class Venue:
    """An exchange with a user, other participants at 9999 and 10001, and short names."""

    def __init__(self, coins: str = "1") -> None:
        self.exchange = Exchange(listed())
        self.ledger = self.exchange.ledger
        self.ann = self.ledger.open_account("ann")
        self.ledger.deposit("ann", Wallet.CONTRACT, "BTC", D(coins))
        self.index(10000)
        depths = [Depth(Side.BUY, 19998, 10**6), Depth(Side.SELL, 20002, 10**6)]
        self.exchange.play(BTC_USD, depths, 0)

    @property
    def total(self) -> Decimal:
        return self.ledger.accounts["ann"].balance(Wallet.CONTRACT, "BTC").total

    def leg(self, key: LegKey = LONG) -> Leg:
        return self.ledger.accounts["ann"].leg(key)

    def index(self, price: int) -> None:
        self.exchange.play(BTC_USD, [Index(D(price))], 0)

    def buy(self, qty: int, price: str = "10001", close: bool = False) -> int:
        return self.order(Side.BUY, qty, price, close)

    def sell(self, qty: int, price: str = "9999", close: bool = False) -> int:
        return self.order(Side.SELL, qty, price, close)

    def order(self, side: Side, qty: int, price: str, close: bool) -> int:
        return self.exchange.create(
            "ann",
            BTC_USD,
            side=side,
            close=close,
            price=D(price),
            qty=D(qty),
            client_oid=None,
            now=0,
        )

    def leverage(self, leverage: str, mode: Mode = Mode.ISOLATED, long: bool = True) -> None:
        self.exchange.change_leverage(
            "ann", LONG.contract, mode=mode, long=long, leverage=D(leverage)
        )

    def transfer(self, amount: str) -> None:
        self.exchange.transfer(
            "ann", "BTC", source=Wallet.CONTRACT, target=Wallet.SPOT, amount=D(amount)
        )

    def marks(self) -> Any:
        return self.exchange.marks()


def error_of(act: Any, *args: Any, **named: Any) -> Code:
    with pytest.raises(ApiError) as caught:
        act(*args, **named)
    return caught.value.code


def test_a_liquidated_position_costs_its_margin_and_no_more() -> None:
    venue = Venue()
    venue.buy(1000)
    before, margin = venue.total, venue.leg().margin
    rest = venue.sell(10, "11000", close=True)
    venue.index(9200)
    assert venue.leg().qty == 1000
    venue.index(9100)
    assert venue.leg() == Leg(True, realised=venue.leg().realised, liquidated=True)
    assert venue.total == before - margin
    assert error_of(venue.exchange.cancel, "ann", BTC_USD, rest, 0) is Code.ALREADY_CANCELLED
    assert error_of(venue.sell, 1, close=True) is Code.LIQUIDATED
    assert venue.ledger.imbalance("BTC", venue.marks()) == 0


def test_what_one_liquidation_closes_of_another_s_position_is_not_liquidated_again() -> None:
    """Both are due at one mark; the first is closed against the second's order to close."""
    venue = Exchange(listed())
    eth = Key(CONTRACT, "BTC", "ETH_USD")
    for owner, mode, amount in (("ann", Mode.ISOLATED, "0.2"), ("bob", Mode.CROSS, "0.35")):
        venue.ledger.open_account(owner, mode)
        venue.ledger.deposit(owner, Wallet.CONTRACT, "BTC", D(amount))

    def order(owner: str, key: Key, side: Side, price: str, qty: int, close: bool = False) -> None:
        given = {"side": side, "close": close, "price": D(price), "qty": D(qty)}
        venue.create(owner, key, **given, client_oid=None, now=0)  # type: ignore[arg-type]

    def rest(key: Key, side: Side, price: str, size: int) -> None:
        ticks = venue.listings[key].instrument.ticks(D(price))
        venue.play(key, [Depth(side, ticks, size)], 0)

    for key, bid, ask in ((BTC_USD, "8493", "8494"), (eth, "165", "165.05")):
        rest(key, Side.BUY, bid, 10**6)
        rest(key, Side.SELL, ask, 10**6)
    order("ann", BTC_USD, Side.BUY, "8494", 10_000)
    order("bob", BTC_USD, Side.SELL, "8493", 500)
    order("bob", eth, Side.BUY, "165.05", 400)
    rest(BTC_USD, Side.BUY, "8493", 0)
    order("bob", BTC_USD, Side.BUY, "7800", 500, close=True)
    venue.listings[eth].index = D(40)
    venue.play(BTC_USD, [Index(D(7700))], 0)
    assert not any(leg.qty for leg in venue.ledger.accounts["bob"].legs.values())
    assert venue.ledger.accounts["ann"].leg(LONG).qty == 0
    assert venue.ledger.imbalance("BTC", venue.marks()) == 0


@pytest.mark.parametrize("is_whole", [False, True])
def test_an_order_that_a_change_of_levels_reaches_is_settled(is_whole: bool) -> None:
    venue = Venue()
    venue.buy(10, "10000")
    reaching = [(Side.BUY, 19998, 0), (Side.SELL, 19996, 50), (Side.BUY, 19990, 5)]
    venue.exchange.play(BTC_USD, [Depths(reaching, is_whole)], 0)
    assert venue.leg(LONG).qty == 10
    assert venue.exchange.blotter.live("ann") == []
    assert venue.exchange.listing(BTC_USD).book.size(Side.SELL, 19996) == 40


def test_what_a_gap_costs_beyond_the_margin_the_insurance_fund_pays() -> None:
    venue = Venue()
    fund = venue.ledger.accounts[INSURANCE].balance(Wallet.CONTRACT, "BTC")
    venue.sell(1000)
    before, margin, insured = venue.total, venue.leg(SHORT).margin, fund.total
    venue.exchange.play(BTC_USD, [Depth(Side.SELL, 20002, 0), Index(D(20000))], 0)
    assert venue.total == before - margin
    assert fund.total < insured
    assert venue.ledger.imbalance("BTC", venue.marks()) == 0


def test_crossed_legs_share_the_balance_and_fall_together() -> None:
    venue = Venue("0.2")
    venue.leverage("10", Mode.CROSS)
    venue.buy(5000)
    venue.index(7500)
    assert venue.leg().qty == 5000
    venue.index(7000)
    assert (venue.leg().qty, venue.total) == (0, 0)
    assert venue.ledger.imbalance("BTC", venue.marks()) == 0


def test_automatic_top_up_saves_a_leg_while_there_is_something_available() -> None:
    venue = Venue("0.12")
    venue.exchange.set_top_up("ann", LONG, True)
    venue.buy(1000)
    venue.index(9000)
    assert venue.leg().qty == 1000
    assert venue.leg().margin > D("0.02")
    venue.index(4000)
    assert venue.leg().qty == 0


def test_funding_goes_from_longs_to_shorts_every_eight_hours() -> None:
    venue = Venue()
    venue.buy(1000)
    before = venue.total
    for hour in (1, 7, 8, 15):
        venue.exchange.tick(hour * HOUR)
    assert venue.total == before - D("0.1") * D("0.0001")
    assert venue.ledger.imbalance("BTC", venue.marks()) == 0


def test_a_clock_that_was_ahead_and_is_right_again_funds_nothing_twice() -> None:
    venue = Venue()
    venue.buy(1000)
    before = venue.total
    for hour in (7, 9, 7, 9):
        venue.exchange.tick(hour * HOUR)
    assert venue.total == before - D("0.1") * D("0.0001")


def test_leverage_changes_margin_but_not_while_orders_rest() -> None:
    venue = Venue()
    venue.buy(1000)
    venue.leverage("20")
    assert venue.leg().margin == (venue.leg().cost / 20).quantize(D("1e-18"))
    assert error_of(venue.leverage, "100.5") is Code.LEVERAGE_TOO_HIGH
    assert error_of(venue.leverage, "0.5") is Code.PARAM_VALUE
    assert error_of(venue.leverage, "2.001") is Code.PARAM_VALUE
    venue.buy(1, "9000")
    assert error_of(venue.leverage, "10") is Code.ORDERS_REST
    assert error_of(venue.leverage, "100.5") is Code.LEVERAGE_TOO_HIGH
    assert error_of(venue.leverage, "0.5") is Code.PARAM_VALUE


@pytest.mark.parametrize("long", [True, False])
def test_the_leverage_in_force_set_again_leaves_added_margin_alone(long: bool) -> None:
    venue = Venue()
    venue.buy(1000)
    venue.sell(1000)
    key = LONG if long else SHORT
    venue.exchange.change_margin("ann", key, D("0.05"))
    margin = venue.leg(key).margin
    venue.leverage("10.00", long=long)
    assert venue.leg(key).margin == margin
    venue.leverage("20", long=not long)
    assert venue.leg(key).margin == margin
    venue.leverage("20", long=long)
    assert venue.leg(key).margin < margin


def test_leverage_that_the_balance_does_not_carry_changes_nothing() -> None:
    venue = Venue("0.02")
    venue.buy(1000)
    margin = venue.leg().margin
    assert error_of(venue.leverage, "2") is Code.MARGIN_INSUFFICIENT
    assert venue.leg().margin == margin
    assert venue.exchange.setting("ann", LONG.contract).long == 10


def test_margin_is_added_from_and_removed_to_what_is_available() -> None:
    venue = Venue()
    change = venue.exchange.change_margin
    assert error_of(change, "ann", LONG, D("0.01")) is Code.PARAM_VALUE
    venue.buy(1000)
    before = venue.leg().margin
    change("ann", LONG, D("0.05"))
    assert venue.leg().margin == before + D("0.05")
    assert error_of(change, "ann", LONG, D("-0.06")) is Code.MARGIN_NOT_REMOVABLE
    assert error_of(change, "ann", LONG, D("2")) is Code.MARGIN_INSUFFICIENT
    change("ann", LONG, D("-0.04"))
    assert venue.leg().margin == before + D("0.01")


def test_what_is_bound_or_lost_cannot_be_moved_away() -> None:
    venue = Venue()
    venue.buy(5000, "9000")
    assert error_of(venue.transfer, "0.99") is Code.BALANCE_INSUFFICIENT
    assert error_of(venue.transfer, "0") is Code.AMOUNT_NOT_POSITIVE
    venue.transfer("0.5")
    assert venue.total == D("0.5")
    venue = Venue()
    venue.leverage("10", Mode.CROSS)
    venue.buy(5000)
    venue.index(8000)
    assert error_of(venue.transfer, "0.9") is Code.BALANCE_INSUFFICIENT
    venue.transfer("0.7")


def test_an_order_needs_margin_for_what_it_would_trade_at_now() -> None:
    venue = Venue("0.1")
    assert error_of(venue.buy, 11000) is Code.MARGIN_INSUFFICIENT
    # 19,000 at 20,000 would fit, but it trades at 10,001, where a contract is worth twice as much.
    assert error_of(venue.buy, 19000, "20000") is Code.MARGIN_INSUFFICIENT
    venue.buy(9000, "20000")
    assert venue.leg().qty == 9000


def test_a_close_needs_a_position_that_no_other_close_has_taken() -> None:
    venue = Venue()
    assert error_of(venue.sell, 1, close=True) is Code.NOT_CLOSABLE
    venue.buy(100)
    venue.sell(60, "10500", close=True)
    assert error_of(venue.sell, 41, "10500", close=True) is Code.NOT_CLOSABLE
    assert error_of(venue.sell, 40, "9000", close=True) is Code.BEYOND_BANKRUPTCY
    venue.sell(40, close=True)
    assert (venue.leg().qty, venue.leg().bound) == (60, 60)


def test_margin_that_a_resting_close_order_needs_is_not_removable() -> None:
    venue = Venue("2")
    venue.buy(1000)
    change = venue.exchange.change_margin
    change("ann", LONG, D("1.5"))
    rest = venue.sell(1000, "19000", close=True)
    change("ann", LONG, D("-0.1"))
    venue.exchange.cancel("ann", BTC_USD, rest, 0)
    venue.index(1000)
    venue.exchange.play(BTC_USD, [Depth(Side.BUY, 19998, 0)], 0)
    rest = venue.sell(1000, "1000", close=True)
    venue.index(10000)
    assert error_of(change, "ann", LONG, D("-1.39")) is Code.MARGIN_NOT_REMOVABLE
    change("ann", LONG, D("-0.5"))
    venue.exchange.cancel("ann", BTC_USD, rest, 0)
    change("ann", LONG, D("-0.89"))


def test_a_close_beyond_bankruptcy_costs_the_margin_and_the_fund_pays_the_rest() -> None:
    ledger = Ledger()
    for owner, mode in (("ann", Mode.ISOLATED), ("bob", Mode.CROSS)):
        ledger.open_account(owner, mode)
        ledger.deposit(owner, Wallet.CONTRACT, "BTC", D(1))
    ann, bob = Party("ann", False, D(0)), Party("bob", None, D(0))
    ledger.trade(LONG.contract, qty=1000, each=D("0.0001"), buyer=ann, seller=bob)
    ann = Party("ann", True, D(0))
    ledger.trade(LONG.contract, qty=400, each=D("0.001"), buyer=bob, seller=ann)
    assert ledger.accounts["ann"].balance(Wallet.CONTRACT, "BTC").total == D("0.996")
    assert ledger.accounts["ann"].leg(LONG).margin == D("0.006")
    assert ledger.accounts["bob"].balance(Wallet.CONTRACT, "BTC").total == D("1.36")
    assert ledger.accounts[INSURANCE].balance(Wallet.CONTRACT, "BTC").total == D("-0.356")
    assert ledger.imbalance("BTC", {LONG.contract: D("0.0001")}) == 0


@pytest.mark.parametrize(
    ("mode", "price", "moved"),
    [(Mode.ISOLATED, "9092", "0.1899"), (Mode.CROSS, "1000", "0.18")],
)
def test_a_wallet_without_a_position_owes_nothing(mode: Mode, price: str, moved: str) -> None:
    venue = Venue("0.2")
    venue.leverage("10", mode)
    venue.buy(1000)
    venue.exchange.play(BTC_USD, [Depth(Side.BUY, 19998, 0)], 0)
    venue.sell(1000, price, close=True)
    venue.transfer(moved)
    if mode is Mode.ISOLATED:
        venue.transfer("0.000026")
    venue.exchange.play(BTC_USD, [Take(Side.BUY, 2 * int(price), 1000)], 0)
    assert (venue.leg().qty, venue.total) == (0, 0)
    assert venue.ledger.imbalance("BTC", venue.marks()) == 0


def test_funding_that_the_wallet_cannot_pay_comes_out_of_the_margin() -> None:
    venue = Venue("0.1")
    venue.buy(1000)
    venue.transfer(str(venue.ledger.accounts["ann"].available(Wallet.CONTRACT, "BTC"))[:10])
    margin = venue.leg().margin
    venue.exchange.tick(HOUR)
    venue.exchange.tick(8 * HOUR)
    assert margin - D("0.00001") <= venue.leg().margin < margin
    assert venue.total >= venue.leg().margin
    assert venue.ledger.imbalance("BTC", venue.marks()) == 0


USERS = ("ann", "bob", "eve")
TRADED = (BTC_USD, ETH_USD, SPOT_BTC)


class Life:
    """A random life of a small venue, checked after every event."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        instruments = [instrument for instrument in listed() if instrument.key in TRADED]
        self.exchange = Exchange(instruments)
        self.ledger = self.exchange.ledger
        self.now = 0
        self.held: Counter[tuple[str, LegKey]] = Counter()
        for owner in USERS:
            self.ledger.open_account(owner, self.chance.choice(list(Mode)))
            for wallet in Wallet:
                self.ledger.deposit(owner, wallet, "BTC", D(self.chance.choice(["0.01", "1"])))
            self.ledger.deposit(owner, Wallet.SPOT, "USDT", D(5000))
        for key, listing in self.exchange.listings.items():
            middle = int(listing.instrument.start / listing.instrument.tick)
            book = [Depth(Side.BUY, middle - 20, 5000), Depth(Side.SELL, middle + 20, 5000)]
            self.exchange.play(key, book, self.now)

    def live(self, events: int) -> None:
        acts = [*[self.create] * 4, *[self.index] * 2, self.depth, self.take]
        acts += [self.cancel, self.leverage, self.margin, self.top_up, self.transfer, self.fund]
        acts += [self.far_close]
        for _ in range(events):
            self.attempt(self.chance.choice(acts))

    def attempt(self, act: Callable[[], object]) -> None:
        try:
            act()
        except ApiError:
            assert not [
                e for e in self.exchange.outbox.drain() if isinstance(e, Filled | Liquidated)
            ]
        self.check()

    def key(self) -> Key:
        return self.chance.choice(TRADED)

    def price(self, key: Key, spread: int = 40) -> int:
        instrument = self.exchange.listings[key].instrument
        middle = int(instrument.start / instrument.tick)
        return middle + self.chance.randint(-spread, spread) * middle // 400

    def create(self) -> None:
        key, chance = self.key(), self.chance
        instrument = self.exchange.listings[key].instrument
        close = key.kind == CONTRACT and chance.random() < 0.4
        spread = chance.choice([40, 360]) if close else 40
        self.exchange.create(
            chance.choice(USERS),
            key,
            side=chance.choice(list(Side)),
            close=close,
            price=instrument.price(self.price(key, spread)),
            qty=instrument.qty(chance.choice([1, 10, 100, 1000])),
            client_oid=None,
            now=self.now,
        )

    def cancel(self) -> None:
        owner = self.chance.choice(USERS)
        orders = self.exchange.blotter.live(owner)
        if orders:
            order = self.chance.choice(orders)
            self.exchange.cancel(owner, order.instrument.key, order.order_id, self.now)

    def depth(self) -> None:
        key = self.key()
        side, size = self.chance.choice(list(Side)), self.chance.choice([0, 5, 500, 5000])
        self.exchange.play(key, [Depth(side, self.price(key), size)], self.now)

    def take(self) -> None:
        key = self.key()
        side, qty = self.chance.choice(list(Side)), self.chance.choice([5, 500, 5000, 50000])
        spread = self.chance.choice([40, 360])
        self.exchange.play(key, [Take(side, self.price(key, spread), qty)], self.now)

    def index(self) -> None:
        key = self.key()
        instrument = self.exchange.listings[key].instrument
        price = instrument.price(self.price(key, self.chance.choice([4, 40, 300])))
        self.exchange.play(key, [Index(price)], self.now)

    def leverage(self) -> None:
        leverage = D(self.chance.choice(["1", "2.5", "10", "50", "100"]))
        self.exchange.change_leverage(
            self.chance.choice(USERS),
            self.leg().contract,
            mode=self.chance.choice(list(Mode)),
            long=self.chance.random() < 0.5,
            leverage=leverage,
        )

    def leg(self) -> LegKey:
        return self.chance.choice([LONG, SHORT, LegKey("BTC", "ETH_USD", True)])

    def margin(self) -> None:
        amount = D(self.chance.choice(["0.5", "0.1", "0.001", "-0.001", "-0.1", "-0.49"]))
        self.exchange.change_margin(self.chance.choice(USERS), self.leg(), amount)

    def far_close(self) -> None:
        """Rest a close far away on much margin, then take the margin and all else away."""
        owner, leg, side = self.chance.choice(USERS), self.leg(), Side.SELL
        if not leg.long:
            side = side.other
        key = Key(CONTRACT, leg.area, leg.symbol)
        listing, account = self.exchange.listings[key], self.ledger.accounts[owner]
        price = self.price(key, 360)
        self.attempt(lambda: self.exchange.change_margin(owner, leg, D("0.5")))
        far = [Depth(side.other, level, 0) for level in list(listing.book.prices(side.other))]
        self.attempt(lambda: self.exchange.play(key, far, self.now))
        self.attempt(
            lambda: self.exchange.create(
                owner,
                key,
                side=side,
                close=True,
                price=listing.instrument.price(price),
                qty=D(account.leg(leg).qty - account.leg(leg).bound or 1),
                client_oid=None,
                now=self.now,
            )
        )
        self.attempt(lambda: self.exchange.change_margin(owner, leg, D("-0.49")))
        out = account.usable("BTC", self.exchange.marks()).quantize(D("1e-8"), ROUND_DOWN)
        self.attempt(
            lambda: self.exchange.transfer(
                owner, "BTC", source=Wallet.CONTRACT, target=Wallet.SPOT, amount=out
            )
        )
        take = Take(side.other, price, 5000)
        self.attempt(lambda: self.exchange.play(key, [take], self.now))

    def top_up(self) -> None:
        on = self.chance.random() < 0.5
        self.exchange.set_top_up(self.chance.choice(USERS), self.leg(), on)

    def transfer(self) -> None:
        source, target = self.chance.choice(list(Wallet)), self.chance.choice(list(Wallet))
        owner, amount = self.chance.choice(USERS), D(self.chance.choice(["0.001", "0.5"]))
        self.exchange.transfer(owner, "BTC", source=source, target=target, amount=amount)
        self.exchange.withdraw(owner, "BTC", D("0.0001"), self.now)

    def fund(self) -> None:
        self.now += 5 * HOUR
        self.exchange.tick(self.now)

    def check(self) -> None:
        marks = self.exchange.marks()
        for asset in ("BTC", "USDT"):
            assert self.ledger.imbalance(asset, marks) == 0
        for event in self.exchange.outbox.drain():
            if isinstance(event, Filled) and event.order.instrument.key.kind == CONTRACT:
                order, sign = event.order, -1 if event.order.close else 1
                key = order.instrument.key
                leg = LegKey(key.area, key.symbol, (order.side is Side.BUY) != order.close)
                self.held[order.owner, leg] += sign * int(event.trade.qty)
            if isinstance(event, Liquidated):
                self.held[event.owner, event.leg] -= event.qty
        for contract in marks:
            longs, shorts = (
                sum(account.leg(LegKey(*contract, side)).qty for account in self.accounts())
                for side in (True, False)
            )
            assert longs == shorts
        for owner in USERS:
            self.check_owner(owner)
        for listing in self.exchange.listings.values():
            bid, ask = listing.book.best(Side.BUY), listing.book.best(Side.SELL)
            assert bid is None or ask is None or bid < ask

    def accounts(self) -> Any:
        assert set(self.ledger.accounts) == {*USERS, BACKGROUND, INSURANCE}
        return self.ledger.accounts.values()

    def check_owner(self, owner: str) -> None:
        account, orders = self.ledger.accounts[owner], self.exchange.blotter.live(owner)
        for key, leg in account.legs.items():
            assert leg.qty == self.held[owner, key]
            assert 0 <= leg.bound <= leg.qty
            assert leg.margin >= 0
            closing = [order for order in orders if order.close and order.side.value != key.long]
            mine = [o for o in closing if o.instrument.key.symbol == key.symbol]
            assert leg.bound == sum(order.left for order in mine)
        wallets = {Wallet.CONTRACT: CONTRACT, Wallet.SPOT: SPOT}
        for (wallet, asset), balance in account.balances.items():
            if wallet is Wallet.CONTRACT:
                parts = (account.available(wallet, asset), balance.held, account.pos_margin(asset))
                assert balance.total == sum(parts)
                if not any(account.crossed_in(asset)):
                    assert balance.total >= account.pos_margin(asset) >= 0
            else:
                assert 0 <= balance.held <= balance.total
            if wallet in wallets:
                bound = [
                    order.held
                    for order in orders
                    if order.instrument.key.kind == wallets[wallet] and pays(order) == asset
                ]
                assert balance.held == sum(bound)


def pays(order: Order) -> str:
    instrument = order.instrument
    return (
        instrument.base
        if instrument.key.kind == SPOT and order.side is Side.SELL
        else instrument.key.area
    )


@pytest.mark.parametrize(
    "block", [0, *(pytest.param(block, marks=pytest.mark.slow) for block in range(1, 10))]
)
def test_the_books_balance_after_every_event_of_ten_thousand_random_lives(block: int) -> None:
    for seed in range(1000 * block, 1000 * (block + 1)):
        try:
            Life(seed).live(10)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error


def test_the_books_balance_through_a_long_life() -> None:
    Life(-1).live(3000)
