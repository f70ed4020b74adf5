"""The stage: what a fresh paper exchange lists, who has an account there, and who else trades."""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from market_maker.paper.account import Wallet
from market_maker.paper.engine import Side
from market_maker.paper.exchange import Exchange
from market_maker.paper.instrument import CONTRACT, Key, listed
from market_maker.paper.market import Crowd, Depth, Move, Step

OWNER = "paper"
BTC_USD = Key(CONTRACT, "BTC", "BTC_USD")
DEPOSITS = {
    Wallet.CONTRACT: {"BTC": 50, "ETH": 500},
    Wallet.FUNDING: {"BTC": 10, "ETH": 100, "USDT": 100_000},
    Wallet.SPOT: {"BTC": 10, "ETH": 100, "USDT": 100_000},
}
GRID = Decimal("0.0003")  # distance of the crowd's levels, as a part of the price


class Market(NamedTuple):
    """What the other participants of one instrument do."""

    key: Key
    steps: Iterator[Step]


def new_exchange(tick: Decimal = Decimal("0.5")) -> Exchange:
    """Return a fresh venue where the paper key's owner has coins; `tick` is that of BTC_USD."""
    exchange = Exchange(listed(tick))
    exchange.ledger.open_account(OWNER)
    for wallet, amounts in DEPOSITS.items():
        for asset, amount in amounts.items():
            exchange.ledger.deposit(OWNER, wallet, asset, Decimal(amount))
    return exchange


def crowds(exchange: Exchange, seed: int) -> Iterator[Market]:
    """Yield a crowd for every instrument, each with chances of its own."""
    for key, listing in exchange.listings.items():
        instrument = listing.instrument
        crowd = Crowd(
            random.Random(f"{seed} {key}"),
            start=instrument.start,
            tick=instrument.tick,
            grid=max(int(instrument.start * GRID / instrument.tick), 1),
            size=600,
        )
        yield Market(key, crowd.steps())


def still_book() -> list[Move]:
    """Return 25 levels a side round 8490 and 8497.5 that others rest in BTC_USD, for tests."""
    moves: list[Move] = []
    for level in range(25):
        moves.append(Depth(Side.BUY, 16980 - 5 * level, 1000 + 100 * level))
        moves.append(Depth(Side.SELL, 16995 + 5 * level, 1000 + 100 * level))
    return moves
