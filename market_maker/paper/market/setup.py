"""The setup of a new paper exchange: instruments, the user's account and the markets."""

import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from market_maker.paper.exchange.account import Wallet
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.exchange.instrument import Instrument, Key, listed
from market_maker.paper.exchange.moves import Depth, Move
from market_maker.paper.exchange.quirks import DEFAULTS, Quirks
from market_maker.paper.market.crowd import Crowd, Step
from market_maker.paper.market.tape import Survey, play, survey

OWNER = "paper"
DEPOSITS = {
    Wallet.CONTRACT: {"BTC": 50, "ETH": 500},
    Wallet.FUNDING: {"BTC": 10, "ETH": 100, "USDT": 100_000},
    Wallet.SPOT: {"BTC": 10, "ETH": 100, "USDT": 100_000},
}
TYPICAL_LOTS = 600
GRID = Decimal("0.0003")  # distance of the crowd's levels, as a fraction of the price


class Market:
    """The steps of the other participants of one instrument. It never skips or repeats a step."""

    def __init__(self, key: Key, steps: Iterator[Step], about: str = "") -> None:
        """`about` says what a recorded market is."""
        self.key = key
        self.about = about
        self._steps = steps
        self._next: Step | None = None

    def upcoming(self) -> Step | None:
        """Return the next step, the same one until `done` is called; None at the end."""
        if self._next is None:
            self._next = next(self._steps, None)
        return self._next

    def done(self) -> None:
        """Go on to the next step."""
        self._next = None


class Setup(NamedTuple):
    """A new exchange and its markets, before the first step."""

    exchange: Exchange
    markets: list[Market]


def set_up(
    *,
    seed: int = 1,
    crowd: bool = True,
    tape: Path | None = None,
    tape_as: str = "",
    volatility: float = 1.0,
    speed: float = 1.0,
    quirks: Quirks = DEFAULTS,
) -> Setup:
    """Return a new exchange with a crowd in every instrument; a tape replaces one of the crowds.

    `tape_as` names the instrument that plays it, where its own name does not. `volatility` is a
    multiple of a real market's; the tape and the crowds live `speed` times as fast. Raise
    ValueError for a tape that cannot be read or whose beginning is not valid.
    """
    surveyed = survey(tape, listed(), tape_as) if tape else None
    exchange = Exchange(_listed(surveyed), quirks)
    exchange.ledger.open_account(OWNER)
    for wallet, amounts in DEPOSITS.items():
        for asset, amount in amounts.items():
            exchange.ledger.deposit(OWNER, wallet, asset, Decimal(amount))
    markets = []
    for key in exchange.listings:
        if surveyed and key == surveyed.key:
            steps = play(surveyed, speed=speed)
            markets.append(Market(key, steps, str(surveyed)))
        elif crowd:
            instrument = exchange.listings[key].instrument
            chance = random.Random(f"{seed} {key}")
            members = Crowd(
                chance,
                start=instrument.start,
                tick=instrument.tick,
                grid=max(int(instrument.start * GRID / instrument.tick), 1),
                size=TYPICAL_LOTS,
                volatility=volatility,
                speed=speed,
            )
            markets.append(Market(key, members.steps()))
    return Setup(exchange, markets)


def _listed(surveyed: Survey | None) -> list[Instrument]:
    return [
        replace(instrument, tick=surveyed.tick, lot=surveyed.lot, start=surveyed.start)
        if surveyed and instrument.key == surveyed.key
        else instrument
        for instrument in listed()
    ]


def still_book() -> list[Move]:
    """Return 25 levels a side of BTC_USD, from 8490 down and from 8497.5 up, for tests."""
    moves: list[Move] = []
    for level in range(25):
        moves.append(Depth(Side.BUY, 16980 - 5 * level, 1000 + 100 * level))
        moves.append(Depth(Side.SELL, 16995 + 5 * level, 1000 + 100 * level))
    return moves
