"""What a run did, as a short text: two runs with the same digest did the same."""

import hashlib
from typing import TYPE_CHECKING

from market_maker.paper.api.dispatch import RawRequest
from market_maker.paper.exchange.events import Event, Filled

if TYPE_CHECKING:
    from market_maker.market_maker import OrderManager
    from tests.world.world import World

DIGITS = 12


class Digest:
    """Hashes the requests (without signature and expiry), the fills and the trading states."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._hashes = {name: hashlib.sha256() for name in ("requests", "fills", "states")}
        world.network.watchers.append(self._request)
        judge = world.venue.judge
        see = judge.see

        def watch(event: Event, now: int) -> None:
            see(event, now)
            if isinstance(event, Filled):
                self._note("fills", now, event.order.order_id, event.order.filled)

        judge.see = watch  # type: ignore[method-assign]

    def tick(self, bot: "OrderManager") -> None:
        """Note the state after a tick."""
        self._note("states", bot.health.state.name)

    def __str__(self) -> str:
        """Return the first digits of each hash."""
        return " ".join(each.hexdigest()[:DIGITS] for each in self._hashes.values())

    def _request(self, asked: RawRequest) -> None:
        self._note("requests", asked.method, asked.path, sorted(asked.query))

    def _note(self, name: str, *what: object) -> None:
        self._hashes[name].update(f"{self._world.timeline.true_ms()} {what}\n".encode())
