"""What a run is given from outside: clock, client of the venue, chance, earlier runs."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from market_maker.clock import SYSTEM, Clock
from market_maker.gte import GTE
from market_maker.orders.orders import EarlierRuns


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What a run is given from outside. Live, paper and simulated runs differ in nothing else."""

    clock: Clock = SYSTEM
    client: Callable[..., GTE] = GTE
    """Makes the client of the venue, with the connections that it is to use."""
    chance: random.Random = field(default_factory=random.SystemRandom)
    earlier: EarlierRuns = field(default_factory=EarlierRuns)
    """What is known of the runs before this one."""
    can_restart: bool = False
    """Whether this program can be started anew for changed code."""
