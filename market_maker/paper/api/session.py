"""A session of the feed: one client, its authentication and its subscriptions."""

from collections.abc import Callable

from market_maker.paper.api.encoding import LevelValue, Row
from market_maker.paper.api.topic import Topic
from market_maker.paper.exchange.events import Action
from market_maker.paper.exchange.instrument import Key


class Session:
    """One client of the feed. It never sends a frame itself; `send` does."""

    def __init__(
        self,
        send: Callable[[str, str], None],
        send_levels: Callable[[list[list[LevelValue]], int], None] | None = None,
    ) -> None:
        """`send` takes a frame and the name of its table.

        `send_levels` takes changes of the book in place of its frames: the levels of each, and
        their time in ms.
        """
        self.send = send
        self.send_levels = send_levels
        self.owner = ""
        self.topics: dict[Topic, None] = {}
        self.shown: dict[Key, Row] = {}  # instrument rows as last sent to this client
        self.legs: set[tuple[str, str, str]] = set()
        """Area, symbol and side of the positions that were sent to this client."""

    def show(self, position: Row) -> Action:
        """Note the row of a position that is being sent; return what it is to this client."""
        leg = position["settle_currency"], position["symbol"], position["side"]
        action = Action.UPDATE if leg in self.legs else Action.INSERT
        self.legs.add(leg)
        return action

    def is_subscribed(self, topic: Topic, owner: str = "") -> bool:
        """Return whether the client gets frames on a topic; private ones are those of `owner`."""
        if owner and owner != self.owner:
            return False
        return topic in self.topics or topic._replace(symbol="") in self.topics
