"""The settings: one object, `settings`, replaced whole or not at all."""

from market_maker.settings.store import (
    FILE,
    defaults,
    environment_without_keys,
    example_text,
    settings,
)

__all__ = ["FILE", "defaults", "environment_without_keys", "example_text", "settings"]
