"""Our settings.py from that of a bot of the BitMEX sample's family."""

from pathlib import Path
from typing import Any

from market_maker.settings.checks import problem
from market_maker.settings.example import example_text, literal
from market_maker.settings.sample import FAMILY, SYMBOLS
from market_maker.settings.schema import FIELDS, SECRETS
from market_maker.settings.sources import execute

OURS = {
    "API_URL_BASE": "the venue is another one; this is the paper exchange",
    "WS_URL": "the venue is another one; this is the paper exchange",
    "WATCHED_FILES": "the files of this program; that of your strategy is watched by itself",
    "DRY_RUN": "True, until you have looked at it",
}
"""Settings whose value is not taken from another bot's file, and why."""


def take_over(path: Path) -> tuple[str, list[str]]:
    """Execute another bot's settings file; return our text, and a line on each of its settings.

    Raises SettingsError as reading one of ours does.
    """
    return _converted(execute(path, may_be_open=False).values)


def _converted(theirs: dict[str, Any]) -> tuple[str, list[str]]:
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
            done.append(f"{name}: left as in the example; {wrong}")
        else:
            given[name] = value
            done.append(f"{name}: {literal(value)}")
    if own:
        given["STRATEGY_SETTINGS"] = list(own)
    lines = [f"{name} = {literal(value)}\n" for name, value in own.items()]
    head = "\n# --- Of your strategy " + "-" * 78 + "\n\n" if own else ""
    return example_text(given) + head + "".join(lines), done
