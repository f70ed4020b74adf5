"""Our settings.py from that of a bot of the BitMEX sample's family."""

import ast
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from market_maker.errors import SettingsError
from market_maker.settings.assignments import Assigned, execute, executed
from market_maker.settings.checks import free_names, given_names, problem, unknown
from market_maker.settings.example import example_text, literal, section_line
from market_maker.settings.sample import FAMILY, SYMBOLS
from market_maker.settings.schema import FIELDS, SECRETS, defaults
from market_maker.settings.sources import Sources, checked, listed
from market_maker.settings.store import FILE, TAKEN

OURS = {
    "API_URL_BASE": "the venue is another one; this is the paper exchange",
    "WS_URL": "the venue is another one; this is the paper exchange",
    "WATCHED_FILES": "the files of this program; that of your strategy is watched by itself",
    "DRY_RUN": "True, until you have looked at it",
}
"""Settings whose value is not taken from another bot's file, and why."""
WEIGHTY = (
    *("ORDER_PAIRS", "ORDER_START_SIZE", "ORDER_STEP_SIZE", "INTERVAL", "MIN_SPREAD"),
    *("RELIST_INTERVAL", "CHECK_POSITION_LIMITS", "MIN_POSITION", "MAX_POSITION", "MAX_LOSS"),
)
"""Settings whose default is told where the file names none: sizes, distances and limits."""
BOUNDS = ("MIN_POSITION", "MAX_POSITION")
"""Settings whose default may be far wider than what was meant."""
NOT_PLAIN = "it is no plain value"


def take_over(path: Path, language: str = "en") -> tuple[str, list[str]]:
    """Execute another bot's settings file; return our text, and a line on each of its settings.

    What it does not name has its default, as a missing line of ours has. `language` is that of the
    comments. The text can be loaded. Raises SettingsError where there is none such, for a name that
    looks like a misspelt one, and as reading one of ours does.
    """
    theirs = execute(path, may_be_open=False)
    if misspelt := _misspelt(theirs):
        raise SettingsError(listed(f"{path}", misspelt))
    given, own, told = _converted({**theirs.values, **_kept(theirs)})
    if not told:  # not even one that is left out
        raise SettingsError(f"{path} assigns no setting")
    _reconcile(given, told)
    text = example_text(defaults() | given, language)
    if own:
        text += f"\n{section_line('Of your strategy', language)}\n\n"
    text += "".join(f"{name} = {literal(value)}\n" for name, value in own.items())
    keys = dict.fromkeys(SECRETS, "")  # those of the environment are none of this
    checked(Sources(path, overrides=keys), executed(text.encode(), FILE))
    return text, [*(f"{name}: {words}" for name, words in told.items()), _defaults_told(told)]


def _misspelt(theirs: Assigned) -> list[str]:
    """Return what to say of names that nearly are those of settings."""
    free = free_names(defaults() | theirs.values, {}, is_strict=False)
    found = [
        unknown(name)
        for name in theirs.values
        if name not in FIELDS and name not in FAMILY and name not in free
    ]
    odd = [name for name in _kept(theirs) if name.upper() in FIELDS.keys() - theirs.values.keys()]
    return found + [f"{name} is not a setting; did you mean {name.upper()}?" for name in odd]


def _kept(theirs: Assigned) -> dict[str, Any]:
    """Return the names not in capitals that a strategy may read: neither imported nor private."""
    return {
        name: value
        for name, value in theirs.others.items()
        if name not in theirs.imported and not name.startswith("_")
    }


def _converted(
    theirs: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """Return what of it is set here, what its strategy keeps, and what is told of each."""
    given: dict[str, Any] = {"DRY_RUN": True}
    own: dict[str, Any] = {}
    told = {}
    keys = {theirs[name] for name in SECRETS if isinstance(theirs.get(name), str)} - {""}
    for name, value in ((name, _as_number(name, value)) for name, value in theirs.items()):
        if name == "SYMBOL" and isinstance(value, str) and value in SYMBOLS:
            given[name] = SYMBOLS[value]
            told[name] = f"{SYMBOLS[value]} for {value}"
        elif name in SECRETS:
            told[name] = f"not copied; GTE's own goes into a file that GTE_{name}_FILE names"
        elif name in OURS:
            told[name] = OURS[name]
        elif name in FAMILY:
            told[name] = f"left out; {FAMILY[name]}"
        elif isinstance(value, str) and value in keys:
            told[name] = "not copied; it is a key"
        elif name in TAKEN or (name not in FIELDS and not _is_plain(value)):
            why = "settings have something else of that name" if name in TAKEN else NOT_PLAIN
            told[name] = f"left out; {why}: put it into the strategy's file"
        elif name not in FIELDS:
            own[name] = value
            told[name] = "kept for your strategy, in STRATEGY_SETTINGS"
        elif wrong := problem(name, value) or ("" if _is_plain(value) else NOT_PLAIN):
            told[name] = f"left at its default, {defaults()[name]!r}; {wrong}"
            if name in BOUNDS:
                given[name] = 0
                told[name] = f"0 until you set it, and nothing adds to the position; {wrong}"
        else:
            given[name] = value
            told[name] = repr(value)
    if own:
        named = sorted(given_names(given) - own.keys())
        given["STRATEGY_SETTINGS"] = [*named, *own]
    return given, own, told


def _as_number(name: str, value: Any) -> Any:
    """Return the number that a setting wants where a value is one in another form: 4.0, "0.01"."""
    is_wanted = name in FIELDS and FIELDS[name].type in (int, float)
    if not is_wanted or isinstance(value, bool) or not isinstance(value, str | float | Decimal):
        return value
    try:
        number = Decimal(str(value).strip())
    except ArithmeticError:
        return value
    is_whole = number.is_finite() and number == number.to_integral_value()
    return int(number) if is_whole else float(number)


def _is_plain(value: Any) -> bool:
    """Return whether a settings file can have a value as it is: as a literal."""
    try:
        return bool(ast.literal_eval(literal(value)) == value)
    except Exception:  # of a user's own class, too
        return False


def _reconcile(given: dict[str, Any], told: dict[str, str]) -> None:
    """Change settings that are each right and cannot go together, and tell it."""
    values = defaults() | given
    sizes = {name: values[name] for name in ("MIN_ORDER_SIZE", "MAX_ORDER_SIZE")}
    smallest, largest = sizes.values()
    if smallest > largest:
        why = f"MIN_ORDER_SIZE = {smallest} is more than MAX_ORDER_SIZE = {largest}"
        for name in sizes:
            given.pop(name, None)
            told[name] = f"left at its default, {defaults()[name]}; {why}"
    needed = 2 * values["ORDER_PAIRS"]
    if "MAX_OPEN_ORDERS" not in given and needed > values["MAX_OPEN_ORDERS"]:
        given["MAX_OPEN_ORDERS"] = needed
        told["MAX_OPEN_ORDERS"] = f"{needed}, which ORDER_PAIRS = {values['ORDER_PAIRS']} needs"


def _defaults_told(told: Mapping[str, str]) -> str:
    values = defaults()
    rest = ", ".join(f"{name} = {values[name]}" for name in WEIGHTY if name not in told)
    end = f": {rest}." if rest else "."
    return f"What it does not name has its default, as a missing line has{end}"
