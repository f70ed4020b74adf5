"""How a bot is made of a strategy's class, and which of its attributes are not the strategy's."""

import dataclasses
import inspect
from collections.abc import Container
from typing import Any, TypeVar

from market_maker.bot.run import wrap_own_loop
from market_maker.bot.runtime import Runtime
from market_maker.errors import MarketMakerError, SettingsError, in_users_words
from market_maker.trading import NUMERIC_HOOKS

Kind = TypeVar("Kind")
OWN = frozenset(("clock", "control", "current_run", "exchange", "loop", "runtime"))
"""Attributes of a bot that stay what they are."""
MADE = "_is_made"
"""The attribute that tells that our own constructor was called."""
MUST = "must begin with super().__init__(), without arguments"


def made(kind: type[Kind], runtime: Runtime) -> Kind:
    """Return a bot of a class with these dependencies; its constructor takes no arguments.

    Raises SettingsError, with the user's file and line, where the constructor fails by itself.
    """
    _check_call(kind)
    bot: Any = kind.__new__(kind)
    bot.runtime = runtime
    try:
        bot.__init__()
    except BaseException as error:
        if run := vars(bot).get("current_run"):
            run.give_up(bot, error)
        begun = MADE in vars(bot)
        if not isinstance(error, Exception) or (begun and isinstance(error, MarketMakerError)):
            raise
        raise SettingsError(_in_words(kind, error, begun=begun)) from error
    if MADE not in vars(bot):
        is_generated = dataclasses.is_dataclass(kind)
        why = ": a dataclass writes its own, so use plain attributes" if is_generated else ""
        raise SettingsError(f"{kind.__name__}.__init__() {MUST}{why}")
    return bot  # type: ignore[no-any-return]


def _in_words(kind: type, error: Exception, *, begun: bool) -> str:
    """Return what a constructor has raised; of one that has not begun with ours, that it must."""
    needs_ours = not begun and isinstance(error, AttributeError | TypeError | MarketMakerError)
    must = f" {MUST}" if needs_ours else ""
    return f"{kind.__name__}.__init__(){must}: {in_users_words(error)}"


def _check_call(kind: type[Any]) -> None:
    """Raise SettingsError for a constructor that cannot be called without arguments."""
    try:
        inspect.signature(kind.__init__).bind(None)
    except TypeError as error:
        code = kind.__init__.__code__
        raise SettingsError(
            f"{kind.__name__}.__init__() is called without arguments: {error} "
            f"({code.co_filename}, line {code.co_firstlineno}); read it from settings instead"
        ) from None


def begin(bot: Any, kind: type[Any]) -> None:
    """Begin a bot of our own class `kind`: note that its constructor was called, guard its loop."""
    vars(bot)[MADE] = True
    for each in type(bot).__mro__[: type(bot).__mro__.index(kind)]:
        for name, value in vars(each).items():
            if not hasattr(value, "__get__"):  # no function, property or the like
                check_attribute(kind, (), name, value)
    vars(bot).setdefault("runtime", bot.runtime)  # that of its class, in a script
    wrap_own_loop(type(bot), kind.run_loop)


def check_attribute(kind: type, has: Container[str], name: str, value: object) -> None:
    """Raise AttributeError where a strategy would put its own value in the place of the bot's.

    `kind` is the bot's own class, and `has` are the attributes that are set.
    """
    own = getattr(kind, name, None)
    is_hidden = isinstance(own, property) or (callable(own) and not callable(value))
    if (name in OWN and name in has) or (is_hidden and name not in NUMERIC_HOOKS):
        raise AttributeError(f"self.{name} is the bot's own: choose another name for yours")
