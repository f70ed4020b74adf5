"""The settings: one object, `settings`, replaced whole or not at all."""

from market_maker.settings.example import example_text
from market_maker.settings.schema import defaults
from market_maker.settings.store import FILE, environment_without_keys, settings

__all__ = ["FILE", "defaults", "environment_without_keys", "example_text", "settings"]
