"""The setup of a new paper exchange: instruments, the user's account and the markets."""

import gzip
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

    def __init__(self, key: Key, steps: Iterator[Step]) -> None:
        self.key = key
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
    volatility: float = 1.0,
    speed: float = 1.0,
    quirks: Quirks = DEFAULTS,
) -> Setup:
    """Return a new exchange with a crowd in every instrument; a tape replaces one of the crowds.

    `volatility` and `speed` multiply those of the crowds. Raise ValueError for a tape that cannot
    be read or is not valid.
    """
    try:
        recorded = survey(read(tape), str(tape)) if tape else None
    except (OSError, EOFError) as error:
        raise ValueError(f"{tape} cannot be read: {error}") from None
    exchange = Exchange(_listed(recorded), quirks)
    exchange.ledger.open_account(OWNER)
    for wallet, amounts in DEPOSITS.items():
        for asset, amount in amounts.items():
            exchange.ledger.deposit(OWNER, wallet, asset, Decimal(amount))
    markets = []
    for key in exchange.listings:
        if tape and recorded and key == recorded.key:
            markets.append(Market(key, play(read(tape), str(tape), recorded.tick)))
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


def read(tape: Path) -> Iterator[str]:
    """Yield the lines of a file, plain or gzip."""
    with tape.open("rb") as plain:
        packed = plain.read(2) == b"\x1f\x8b"
    with gzip.open(tape, "rt", encoding="utf-8") if packed else tape.open() as lines:
        yield from lines


def _listed(recorded: Survey | None) -> list[Instrument]:
    instruments = listed()
    if recorded is None:
        return instruments
    if recorded.key not in {instrument.key for instrument in instruments}:
        raise ValueError(f"the tape is about {'/'.join(recorded.key)}, which is not listed here")
    return [
        replace(instrument, tick=recorded.tick, start=recorded.start)
        if instrument.key == recorded.key
        else instrument
        for instrument in instruments
    ]


def still_book() -> list[Move]:
    """Return 25 levels a side of BTC_USD, from 8490 down and from 8497.5 up, for tests."""
    moves: list[Move] = []
    for level in range(25):
        moves.append(Depth(Side.BUY, 16980 - 5 * level, 1000 + 100 * level))
        moves.append(Depth(Side.SELL, 16995 + 5 * level, 1000 + 100 * level))
    return moves
