"""The machine of a soak's bot, judged: what its guard and `cancel` have proven must be so."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from market_maker.account import Account
from market_maker.errors import AlreadyRunning, MarketMakerError
from market_maker.gte import GTE
from market_maker.guard.session import Session
from market_maker.settings import settings
from tests.world.machine import Machine

if TYPE_CHECKING:
    from tests.chaos.soak import Soak

GONE_AFTER = 12.0
"""Seconds after a kill by which no order may rest, where nothing is wrong."""
PROVEN_AFTER = 25.0
"""Seconds by which the guard must have proven it."""


class JudgedMachine(Machine):
    """The machine of one soak."""

    def __init__(self, soak: "Soak", directory: Path) -> None:
        super().__init__(soak.world, directory)
        self._soak = soak

    def _client(self, account: Account, *, shared: Any = None, **given: Any) -> GTE:
        self._soak.invariants.requests.starts()  # no answer has told this process
        return super()._client(account, shared=shared, **given)

    def _begin(self, account: Account, **given: Any) -> Session:
        session = super()._begin(account, **given)
        self._check_lock(account)
        return session

    def _check_lock(self, account: Account) -> None:
        """A second bot with the same prefix does not start (I35)."""
        try:
            Session(account, has_guard=False, directory=self._directory)
        except AlreadyRunning:
            return
        self._soak.invariants.breach("I35", "a second bot has started")

    def guard(self) -> bool:
        """Do what the guard of a dead bot does, and judge it (I34)."""
        if settings.DRY_RUN:
            return False
        soak, timeline = self._soak, self._world.timeline
        begun, was_calm = timeline.monotonic(), soak.reachable_for()
        gone: list[int] = []
        timeline.after(GONE_AFTER, lambda: gone.append(len(self._world.orders())))
        if is_proven := super().guard():
            self._check_proven("the guard")
        took = timeline.monotonic() - begun
        is_calm = min(was_calm, soak.reachable_for() - took) > 0
        if is_calm and (took > PROVEN_AFTER or not is_proven):
            words = "has proven nothing" if not is_proven else f"took {took:.0f} s"
            soak.invariants.breach("I34", f"the guard {words}")
        if is_calm and any(gone):
            soak.invariants.breach("I34", f"{gone[0]} orders rest {GONE_AFTER:g} s after a kill")
        return is_proven

    def cancel(self) -> None:
        """Type `marketmaker cancel`; what it has proven must be so (I34)."""
        if settings.DRY_RUN:
            return
        try:
            super().cancel()
        except MarketMakerError:
            return
        self._check_proven("a person")

    def _check_proven(self, who: str) -> None:
        """Check that no order is left of a run that is proven to have left none, now or later."""
        if self._world.orders():
            text = f"{who} has proven that none is left, and {self._world.orders()[0]} rests"
            self._soak.invariants.breach("I34", text)
        self._soak.invariants.has_left_clean(self._world.runs[-1])
