"""The machine of a simulated bot: its run files, its lock and latch, its guard, and `cancel`."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from market_maker.account import Account
from market_maker.app import cancel
from market_maker.bot import Runtime
from market_maker.gte import GTE
from market_maker.guard.runfiles import RunFiles
from market_maker.guard.session import Session
from market_maker.guard.watch import Watch
from market_maker.settings import settings
from market_maker.simulation.connections import SimulatedConnections
from tests.world.world import World


class Machine:
    """Keeps the real run files of a bot, and does what their other readers do."""

    def __init__(self, world: World, directory: Path) -> None:
        self._world = world
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
        made = {"clock": self._world.timeline, "chance": self._world.bots_chance} | given
        return GTE(account, connections=connections, **made)

    def _begin(self, account: Account, **_: Any) -> Session:
        clears, self.clears_halt = self.clears_halt, False
        self._session = Session(
            account,
            has_guard=False,
            clear_halt=clears,
            directory=self._directory,
            clock=self._world.timeline,
            client=self._client,
        )
        return self._session

    def bury(self) -> None:
        """Close what the system closes when a process ends, in whatever way."""
        if self._session:
            self._session.files.close()
        for each in self._shared:
            each.close()
        self._session, self._shared = None, []

    def guard(self) -> bool:
        """Do what the guard of a dead bot does; return whether it has proven that none is left."""
        account, timeline = settings.account(), self._world.timeline
        files = RunFiles(account, directory=self._directory, clock=timeline)
        files.lock.take()
        client = self._client(account, shared=files.shared())
        Watch(client, files, BytesIO(), timeline).clean_up()
        client.exit()
        is_proven = files.may_be_late() is False
        files.close()
        return is_proven

    def cancel(self) -> None:
        """Type `marketmaker cancel`. Raises MarketMakerError where it proves nothing."""
        given: dict[str, Any] = {"directory": self._directory, "clock": self._world.timeline}
        cancel.run(settings.account(), and_halt=False, client=self._client, **given)
