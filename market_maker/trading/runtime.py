"""The dependencies of a run: clock, venue client, random source, previous runs."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from market_maker.clock import SYSTEM, Clock
from market_maker.gte import GTE
from market_maker.orders.orders import EarlierRuns


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The dependencies of a run. Live, paper and simulated runs differ in nothing else."""

    clock: Clock = SYSTEM
    client: Callable[..., GTE] = GTE
    """Makes the venue client."""
    chance: random.Random = field(default_factory=random.SystemRandom)
    earlier: EarlierRuns = field(default_factory=EarlierRuns)
    """What is known of previous runs."""
    trades: Mapping[str, str] | None = None
    """Trades before a restart for new code (`ProfitLedger.as_text()`); None after any other end."""
    can_restart: bool = False
    """Whether this program can restart itself for changed code."""
