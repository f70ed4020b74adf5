"""Our settings.py from that of a bot of the BitMEX sample's family."""

from pathlib import Path
from typing import Any

from market_maker.settings.assignments import execute
from market_maker.settings.checks import problem
from market_maker.settings.example import example_text, literal, section_line
from market_maker.settings.sample import FAMILY, SYMBOLS
from market_maker.settings.schema import FIELDS, SECRETS, defaults

OURS = {
    "API_URL_BASE": "the venue is another one; this is the paper exchange",
    "WS_URL": "the venue is another one; this is the paper exchange",
    "WATCHED_FILES": "the files of this program; that of your strategy is watched by itself",
    "DRY_RUN": "True, until you have looked at it",
}
"""Settings whose value is not taken from another bot's file, and why."""


def take_over(path: Path, language: str = "en") -> tuple[str, list[str]]:
    """Execute another bot's settings file; return our text, and a line on each of its settings.

    What it does not name has its default, as a missing line of ours has. `language` is that of the
    comments. Raises SettingsError as reading one of ours does.
    """
    given, own, done = _converted(execute(path, may_be_open=False).values)
    done.append("What it does not name has its default, as a missing line has.")
    text = example_text(defaults() | given, language)
    if own:
        text += f"\n{section_line('Of your strategy', language)}\n\n"
    return text + "".join(f"{name} = {literal(value)}\n" for name, value in own.items()), done


def _converted(theirs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Return what of it is set here, what its strategy keeps, and a line on each."""
    given: dict[str, Any] = {"DRY_RUN": True}
    own: dict[str, Any] = {}
    done = []
    for name, value in theirs.items():
        if name == "SYMBOL" and value in SYMBOLS:
            given[name] = SYMBOLS[value]
            done.append(f"SYMBOL: {SYMBOLS[value]} for {value}")
        elif name in SECRETS:
            done.append(
                f"{name}: not copied; GTE's own goes into a file that GTE_{name}_FILE names"
            )
        elif name in OURS:
            done.append(f"{name}: {OURS[name]}")
        elif name in FAMILY:
            done.append(f"{name}: left out; {FAMILY[name]}")
        elif name not in FIELDS:
            own[name] = value
            done.append(f"{name}: kept for your strategy, in STRATEGY_SETTINGS")
        elif wrong := problem(name, value):
            done.append(f"{name}: left at its default; {wrong}")
        else:
            given[name] = value
            done.append(f"{name}: {literal(value)}")
    if own:
        given["STRATEGY_SETTINGS"] = list(own)
    return given, own, done
