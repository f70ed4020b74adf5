"""The settings: one object, `settings`, replaced whole or not at all.

schema       every setting, described         chinese      the descriptions in Chinese
store        the settings object              sources      where values come from, which wins
assignments  what a settings file assigns     files        who else can read or write one
checks       what is wrong with one           values       types and ranges
pairs        settings against each other      reload       which files have changed
example      the text of a settings file      sample       names of the BitMEX sample
takeover     from another bot's file          proposals    what setup proposes
"""

from market_maker.settings.assignments import Assigned
from market_maker.settings.checks import problem as setting_problem
from market_maker.settings.example import example_text, own_text
from market_maker.settings.pairs import doubtful_pairs
from market_maker.settings.proposals import Known, completed, proposed
from market_maker.settings.schema import SECRETS, SettingsBase, defaults, setting
from market_maker.settings.sources import files_of
from market_maker.settings.store import FILE, environment_without_keys, settings
from market_maker.settings.takeover import take_over

__all__ = [
    "FILE",
    "SECRETS",
    "Assigned",
    "Known",
    "SettingsBase",
    "completed",
    "defaults",
    "doubtful_pairs",
    "environment_without_keys",
    "example_text",
    "files_of",
    "own_text",
    "proposed",
    "setting",
    "setting_problem",
    "settings",
    "take_over",
]
