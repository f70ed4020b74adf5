"""The machine of a soak's bot: its run files, its lock and latch, its guard, and `cancel`."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from market_maker.account import Account
from market_maker.app import cancel
from market_maker.bot import Runtime
from market_maker.errors import AlreadyRunning, MarketMakerError
from market_maker.gte import GTE
from market_maker.guard.runfiles import RunFiles
from market_maker.guard.session import Session
from market_maker.guard.watch import Watch
from market_maker.settings import settings
from market_maker.simulation.connections import SimulatedConnections

if TYPE_CHECKING:
    from tests.chaos.soak import Soak

GONE_AFTER = 12.0
"""Seconds after a kill by which no order may rest, where nothing is wrong."""
PROVEN_AFTER = 25.0
"""Seconds by which the guard must have proven it."""


class Machine:
    """Keeps the real run files of a soak's bot, and does what their other readers do."""

    def __init__(self, soak: "Soak", directory: Path) -> None:
        self._soak = soak
        self._world = soak.world
        self._directory = directory
        self._session: Session | None = None
        self._shared: list[Any] = []
        self.clears_halt = False
        """Whether the next start is a person's, with --clear-halt."""

    def runtime(self) -> Runtime:
        """Return what a bot is given: with a session of its own."""
        return replace(self._world.runtime(), session=self._begin, client=self._client)

    def _client(self, account: Account, *, shared: Any = None, **given: Any) -> GTE:
        """Make a client that knows, as a live one does, what others use of the rate limits."""
        connections = SimulatedConnections(self._world.network)
        connections.shared = shared
        if shared:
            self._shared.append(shared)
        self._soak.invariants.requests.starts()  # no answer has told this process
        made = {"clock": self._world.timeline, "chance": self._world.bots_chance}
        return GTE(account, connections=connections, **made, **given)

    def _begin(self, account: Account, **_: Any) -> Session:
        given = {"directory": self._directory, "clock": self._world.timeline}
        clears, self.clears_halt = self.clears_halt, False
        self._session = Session(account, has_guard=False, clear_halt=clears, **given)
        self._check_lock(account)
        return self._session

    def _check_lock(self, account: Account) -> None:
        """A second bot with the same prefix does not start (I35)."""
        try:
            Session(account, has_guard=False, directory=self._directory)
        except AlreadyRunning:
            return
        self._soak.invariants.breach("I35", "a second bot has started")

    def bury(self) -> None:
        """Close what the system closes when a process ends, in whatever way."""
        if self._session:
            self._session.files.close()
        for each in self._shared:
            each.close()
        self._session, self._shared = None, []

    def guard(self) -> None:
        """Do what the guard of a dead bot does, and judge it (I34)."""
        if settings.DRY_RUN:
            return
        soak, timeline = self._soak, self._world.timeline
        begun, was_calm = timeline.monotonic(), soak.reachable_for()
        gone: list[int] = []
        timeline.after(GONE_AFTER, lambda: gone.append(len(self._world.orders())))
        account = settings.account()
        files = RunFiles(account, directory=self._directory, clock=timeline)
        files.lock.take()
        client = self._client(account, shared=files.shared())
        Watch(client, files, BytesIO(), timeline).clean_up()
        client.exit()
        is_proven = files.may_be_late() is False
        if is_proven:
            self._check_proven("the guard")
        files.close()
        took = timeline.monotonic() - begun
        is_calm = min(was_calm, soak.reachable_for() - took) > 0
        if is_calm and (took > PROVEN_AFTER or not is_proven):
            words = "has proven nothing" if not is_proven else f"took {took:.0f} s"
            soak.invariants.breach("I34", f"the guard {words}")
        if is_calm and any(gone):
            soak.invariants.breach("I34", f"{gone[0]} orders rest {GONE_AFTER:g} s after a kill")

    def cancel(self) -> None:
        """Type `marketmaker cancel`; what it has proven must be so (I34)."""
        if settings.DRY_RUN:
            return
        given: dict[str, Any] = {"directory": self._directory, "clock": self._world.timeline}
        try:
            cancel.run(settings.account(), and_halt=False, client=self._client, **given)
        except MarketMakerError:
            return
        self._check_proven("a person")

    def _check_proven(self, who: str) -> None:
        """Check that no order is left of a run that is proven to have left none, now or later."""
        if self._world.orders():
            text = f"{who} has proven that none is left, and {self._world.orders()[0]} rests"
            self._soak.invariants.breach("I34", text)
        self._soak.invariants.has_left_clean(self._world.runs[-1])
