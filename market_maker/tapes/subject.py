"""The one market that is read of a tape, and its grid: from text to whole ticks and lots."""

import re
from decimal import Decimal

from market_maker.decimals import plain
from market_maker.tapes.market import NOTHING, Market, Options, market_of, name_of
from market_maker.tapes.records import TapeError

NUMBER = re.compile(r"[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
REMEMBERED = 200_000
"""Distinct texts that are kept; there are fewer in a day, but for sizes of spot."""
OF_MANY = ("bitmex",)
"""Venues whose recordings hold many markets in one file."""
SHOWN = 60  # characters of a wrong value


class Steps(dict[str, int]):
    """The whole number of steps that the text of a price or a size means; each is computed once."""

    def __init__(self, step: Decimal, option: str, *, may_be_zero: bool) -> None:
        """`option` is the one that says another step."""
        super().__init__()
        self._step, self._option, self._may_be_zero = step, option, may_be_zero

    def __missing__(self, text: object) -> int:
        """Compute and keep the steps of a text. Raises TapeError for what is not whole steps."""
        if not isinstance(text, str) or not NUMBER.fullmatch(text):
            raise TapeError(f"{str(text)[:SHOWN]!r} is no number from 0")
        number = Decimal(text)
        if number >= 10**12:
            raise TapeError(f"{text[:SHOWN]!r} is no number from 0 to 1e12")
        if not number and not self._may_be_zero:
            raise TapeError("a price is above 0")
        if number % self._step:
            raise self._off(plain(number))
        if len(self) >= REMEMBERED:
            self.clear()
        self[text] = steps = int(number // self._step)
        return steps

    def nearest(self, number: float) -> int:
        """Return the steps of a float, which may be off by a thousandth of a step of rounding."""
        steps = number / float(self._step)
        whole = round(steps) if 0 <= steps < 2**62 else -1
        if whole < 0 or abs(steps - whole) > 1e-3:
            raise self._off(str(number))
        if not whole and not self._may_be_zero:
            raise TapeError("a price is above 0")
        return whole

    def _off(self, number: str) -> TapeError:
        step = f"{self._option.lstrip('-')} {plain(self._step)}"
        return TapeError(f"{number} is off the {step}; {self._option} says another")


class Subject:
    """The market that is read: the one that is asked for, or the first one that a file names."""

    def __init__(self, options: Options = NOTHING, market: Market | None = None) -> None:
        self._options = options
        self._name = options.name
        self._is_chosen = bool(options.name)
        self.market: Market | None = None
        if market:
            self.settle(market)

    @property
    def name(self) -> str:
        """The source's name of the market, or empty text while none is known."""
        return self._name

    def settle(self, market: Market) -> None:
        """Read this market from now on."""
        self.market, self._name = market, market.name
        self.prices = Steps(market.tick, "--tick", may_be_zero=False)
        self.sizes = Steps(market.lot, "--lot", may_be_zero=True)

    def settle_by_header(self, market: Market) -> None:
        """Read the market of a tape's header. Raises TapeError where it differs from an option."""
        for option in ("tick", "lot", "face"):
            said, has = getattr(self._options, option), getattr(market, option)
            if said not in (None, has):
                raise TapeError(f"tape: its {option} is {plain(has)}, not --{option} {plain(said)}")
        self.settle(market)

    def is_ours(self, name: str, venue: str) -> bool:
        """Return whether a message is about the market that is read; the first one decides.

        A message without a name (empty text) is. Raises TapeError for an unknown market.
        """
        if self.market is None:
            if self._name and name and name != self._name:
                return False
            self.settle(market_of(venue, name or self._name, self._options))
        is_open = venue in OF_MANY and self._options.place and not self._is_chosen
        if is_open and name and name != self._name:
            raise TapeError(
                f"it is about {self._name} and {name}: --symbol {self._name}={self._options.place}"
                " says which one is meant"
            )
        return not name or name == self._name

    def choose(self, names: list[str], venue: str) -> None:
        """Choose among the markets of a file that holds many; `names` are the first of them.

        Raises TapeError where it is open.
        """
        place = self._options.place
        self._name = self._name or (name_of(venue, place) if place else "")
        self._is_chosen = True
        if not self._name and (place or len(names) > 1):
            raise TapeError(
                f"it holds {', '.join(names[:20])}{' and more' * (len(names) > 20)}: --symbol NAME"
                " says which one, or NAME=AREA/SYMBOL"
            )
