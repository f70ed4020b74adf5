"""What the loop calls on a bot."""

from typing import Protocol

NUMERIC_HOOKS = frozenset(("tick",))
"""Hooks whose name strategies of the family give to a number: that of the class is called then."""


class Hooks(Protocol):
    """What the loop calls on an `OrderManager`. A strategy may override each method."""

    def tick(self) -> None:
        """Run one tick; calls `Loop.tick()`."""

    def sanity_check(self) -> None:
        """Read instrument and ticker; the trading state is determined before."""

    def print_status(self) -> None:
        """Log the account and the position."""

    def place_orders(self) -> object:
        """Determine the wanted orders and converge to them."""

    def check_file_change(self) -> bool:
        """Check the watched files; return whether settings have changed."""

    def exit(self) -> None:
        """Cancel all own orders and prove that none is left."""


def run_tick(bot: Hooks) -> None:
    """Call `tick()`, that of the class where a strategy has a number of that name."""
    if callable(bot.tick):
        bot.tick()
    else:
        type(bot).tick(bot)
