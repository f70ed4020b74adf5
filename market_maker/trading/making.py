"""How a bot is made of a strategy's class, and which of its attributes are not the strategy's."""

from collections.abc import Container
from typing import Any, TypeVar

from market_maker.errors import MarketMakerError, SettingsError, in_users_words
from market_maker.trading.run import guard_loop
from market_maker.trading.runtime import Runtime

Kind = TypeVar("Kind")
OWN = frozenset(("clock", "control", "current_run", "exchange", "loop", "runtime"))
"""Attributes of a bot that stay what they are."""
MADE = "_is_made"
"""The attribute that tells that our own constructor was called."""
NUMBERS = frozenset(("tick",))
"""Methods whose name strategies of the family give to a number: the loop calls the class's."""


def made(kind: type[Kind], runtime: Runtime) -> Kind:
    """Return a bot of a class with these dependencies; its constructor takes no arguments.

    Raises SettingsError, with the user's file and line, where the constructor fails by itself.
    """
    bot: Any = kind.__new__(kind)
    bot.runtime = runtime
    failure: Exception | None = None
    try:
        bot.__init__()
    except Exception as error:
        failure = error
    except BaseException as error:
        _give_up(bot, error)
        raise
    if failure:
        _give_up(bot, failure)
    begun = MADE in vars(bot)
    if begun and failure is None:
        return bot  # type: ignore[no-any-return]
    if begun and isinstance(failure, MarketMakerError):
        raise failure
    words = f"{kind.__name__}.__init__()"
    if not begun and isinstance(failure, AttributeError | TypeError | MarketMakerError | None):
        words += " must begin with super().__init__(), without arguments"
    why = f": {in_users_words(failure)}" if failure else ""
    raise SettingsError(words + why) from failure


def begin(bot: Any, kind: type[Any]) -> None:
    """Begin a bot of our own class `kind`: note that its constructor was called, guard its loop."""
    vars(bot)[MADE] = True
    vars(bot).setdefault("runtime", bot.runtime)
    guard_loop(type(bot), kind.run_loop)


def _give_up(bot: Any, error: BaseException) -> None:
    if run := vars(bot).get("current_run"):
        run.give_up(bot, error)


def check_attribute(kind: type, has: Container[str], name: str, value: object) -> None:
    """Raise AttributeError where a strategy would put its own value in the place of the bot's.

    `kind` is the bot's own class, and `has` are the attributes that are set.
    """
    own = getattr(kind, name, None)
    is_hidden = isinstance(own, property) or (callable(own) and not callable(value))
    if (name in OWN and name in has) or (is_hidden and name not in NUMBERS):
        raise AttributeError(f"self.{name} is the bot's own: choose another name for yours")
