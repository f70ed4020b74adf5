"""The dependencies of trading: clock, venue client, random source, journal, previous runs."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from market_maker.clock import SYSTEM, Clock
from market_maker.gte import GTE
from market_maker.orders.orders import EarlierRuns
from market_maker.trading.records import MakesJournal


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What trading is given; all else of it is the same live, on paper and simulated."""

    clock: Clock = SYSTEM
    client: Callable[..., GTE] = GTE
    """Makes the venue client."""
    chance: random.Random = field(default_factory=random.SystemRandom)
    earlier: EarlierRuns = field(default_factory=EarlierRuns)
    """What is known of previous runs."""
    trades: Mapping[str, str] | None = None
    """Money before a restart for new code (`Money.as_text()`); None after any other end."""
    is_restart: bool = False
    """Whether this program has restarted itself for changed code: the money of the run goes on."""
    journal: MakesJournal | None = None
    """Makes the journal of the run; None for a run without one."""
    kind: str = ""
    """What the journal calls the run: backtest; empty: live, paper or dry, as it is."""
