"""The dialogue of `setup`: symbol, sizes and limits, with proposals from the market."""

import ast
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from market_maker.account import Account
from market_maker.app import look
from market_maker.app.arguments import DEFAULT_STRATEGY
from market_maker.app.connection import connected
from market_maker.app.dialogue_words import IN, UNIT
from market_maker.app.logs import quiet
from market_maker.app.look import Assumed, Look
from market_maker.app.paper_child import PaperChild
from market_maker.app.plan import outlook_with
from market_maker.decimals import to_lot
from market_maker.errors import MarketMakerError, RequestError, SettingsError, VenueUnreachable
from market_maker.outlook import in_text, usual
from market_maker.settings import (
    FILE,
    Known,
    SettingsBase,
    completed,
    environment_without_keys,
    proposed,
    setting_problem,
    settings,
)
from market_maker.simulation.world import CONNECTION
from market_maker.symbol import base_of, quote_of

NUMBERS = ("ORDER_PAIRS", "ORDER_START_SIZE", "MIN_SPREAD", "MAX_POSITION", "MAX_LOSS")
MOVE = Decimal("0.2")
BALANCE = {"pc": Decimal(50), "bb": Decimal(10_000)}
"""What the plan at the end assumes, by type of instrument."""


def ask_settings(language: str, say: Callable[[str], None]) -> dict[str, Any] | None:
    """Ask for the settings; return those to write, or None if they are not wanted after all.

    Raises KeyboardInterrupt for Ctrl-C and for the end of the input.
    """
    try:
        with quiet(), _place() as (urls, is_paper):
            return _Dialogue(language, say, urls).run(is_paper=is_paper)
    except EOFError:
        raise KeyboardInterrupt from None


@contextmanager
def _place() -> Iterator[tuple[tuple[str, str] | None, bool]]:
    """Have the addresses of a market to look at, and whether it is a paper exchange of our own."""
    urls = SettingsBase.API_URL_BASE, SettingsBase.WS_URL
    if _answers(urls):
        yield urls, False
        return
    try:
        paper = PaperChild.start([], environment_without_keys())
    except SettingsError:
        yield None, False
        return
    try:
        yield (paper.rest, paper.ws), True
    finally:
        paper.end()


def _answers(urls: tuple[str, str]) -> bool:
    account = Account(base_url=urls[0], ws_url=urls[1], symbol="BTC_USD", settle_currency="BTC")
    try:
        with connected(account):
            return True
    except MarketMakerError:
        return False


class _Dialogue:
    """The questions of one dialogue, and what has been answered."""

    def __init__(
        self, language: str, say: Callable[[str], None], urls: tuple[str, str] | None
    ) -> None:
        self._words, self._unit = IN[language], UNIT[language]
        self._say = say
        self._urls = urls
        self._given: dict[str, Any] = {}
        self._look: Look | None = None
        self._has_failed = False
        """Whether no plan can be made of the answers."""

    def run(self, *, is_paper: bool) -> dict[str, Any] | None:
        """Ask, show the plan, and return the settings if they are to be written."""
        words, url = self._words, SettingsBase.API_URL_BASE
        self._say(words.intro)
        text = words.paper if is_paper else words.seen if self._urls else words.unseen
        self._say(text.format(url=url) + "\n")
        self._ask_market()
        known = self._known()
        for name in NUMBERS:
            default = proposed(name, self._given, known)
            self._given[name] = self._ask(name, default, known)
        found = completed(self._given, known)
        if self._look:
            self._say(f"\n{words.plan}\n")
            self._say(self._plan(self._look, found))
        if self._is_wanted():
            return found
        self._say(words.kept_away)
        return None

    def _is_wanted(self) -> bool:
        """Ask whether to write the file; no is proposed where its plan has failed."""
        words = self._words
        choice = "[y/N]" if self._has_failed else "[Y/n]"
        while True:
            answer = input(f"{words.write.format(file=FILE)} {choice} ").strip().lower()
            if not answer:
                return not self._has_failed
            if answer in words.yes + words.no:
                return answer in words.yes

    def _ask_market(self) -> None:
        """Ask for the symbol, until the venue has it where one can be asked."""
        while True:
            symbol = self._ask("SYMBOL", SettingsBase.SYMBOL, None)
            quote = quote_of(symbol)
            is_pair = "/" in symbol
            kind, area = ("bb", quote) if is_pair else ("pc", symbol.partition("_")[0])
            self._given = {"SYMBOL": symbol, "INSTRUMENTTYPE": kind, "SETTLECURRENCY": area}
            if not is_pair:
                self._given["SETTLECURRENCY"] = self._ask("SETTLECURRENCY", area, None)
            try:
                self._look = self._looked()
                return
            except SettingsError as error:
                self._say(self._words.wrong.format(why=error))
            except (VenueUnreachable, RequestError):
                self._look = None
                return

    def _looked(self) -> Look | None:
        """Return what is seen of the market. Raises SettingsError where the venue has none such."""
        if not self._urls:
            return None
        given = self._given
        account = Account(
            base_url=self._urls[0],
            ws_url=self._urls[1],
            symbol=given["SYMBOL"],
            settle_currency=given["SETTLECURRENCY"],
            instrument_type=given["INSTRUMENTTYPE"],
        )
        balance = BALANCE[given["INSTRUMENTTYPE"]]
        with connected(account) as gte:
            return look.look(gte, Assumed(), default=balance, every=1.0, watch=0.0)

    def _known(self) -> Known | None:
        if not self._look:
            return None
        snapshot = self._look.seen[-1].snapshot
        instrument = snapshot.instrument
        volatility = self._look.volatility or usual()
        return Known(
            price=instrument.valuation_price or snapshot.ticker.near,
            tick=instrument.tick,
            lot=instrument.lot,
            face=instrument.face_value,
            minute=volatility.per_root_second * math.sqrt(60),
        )

    def _ask(self, name: str, default: Any, known: Known | None) -> Any:
        """Ask for one setting until its value is valid, and return it."""
        base = base_of(self._given.get("SYMBOL", ""))
        unit = self._unit if self._given.get("INSTRUMENTTYPE") == "pc" else base
        about = self._words.about[name].format(
            unit=unit, currency=self._given.get("SETTLECURRENCY", "")
        )
        self._say(f"{name}: {about}")
        while True:
            text = input(f"  [{default}] ").strip()
            value = _value(text, default)
            why = setting_problem(name, value) or _wrong_size(name, value, known)
            if not why:
                return value
            self._say("  " + self._words.wrong.format(why=why))

    def _plan(self, seen: Look, given: Mapping[str, Any]) -> str:
        """Return what the settings would do, or in words why that cannot be shown."""
        try:
            settings.load(None, overrides={**given, **CONNECTION})
            return in_text(outlook_with(seen, DEFAULT_STRATEGY, move=MOVE))
        except MarketMakerError as error:
            self._has_failed = True
            return f"{error}\n"


def _value(text: str, default: Any) -> Any:
    """Return what was typed, as the kind of value that is asked for; the default for nothing."""
    if not text:
        return default
    if isinstance(default, str):
        return text.upper()
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _wrong_size(name: str, value: Any, known: Known | None) -> str:
    if name == "ORDER_START_SIZE" and known and not to_lot(value, known.lot):
        return f"{name} {value} is less than the lot {known.lot}"
    return ""
