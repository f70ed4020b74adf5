"""The settings as a command needs them, and the log with them."""

import argparse
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from market_maker.app import logs
from market_maker.app.arguments import program
from market_maker.errors import SettingsError
from market_maker.settings import FILE, settings


def load(
    arguments: argparse.Namespace,
    overrides: dict[str, Any],
    *,
    may_be_missing: bool = False,
    only: Collection[str] = (),
    is_strict: bool = True,
) -> None:
    """Read the settings that the command line names. Raises SettingsError without a file.

    `may_be_missing` does without one; `only` reads no other names than these. With `is_strict`
    False, names that no setting has are kept until the strategy is known.
    """
    path: Path | None = arguments.settings or FILE
    if path == FILE and not FILE.exists():
        if not may_be_missing:
            raise SettingsError(
                f"There is no {FILE} here. `{program()} setup` writes one; "
                f"`{program()} --paper` runs without, on the built-in paper exchange."
            )
        path = None
    settings.load(
        path, symbol=arguments.symbol, overrides=overrides, only=only, is_strict=is_strict
    )
    if only:
        logs.mark_account(settings.account())
    else:
        logs.mark_lines(settings.kind_of_run)
    logging.getLogger().setLevel(settings.log_level())
    for noisy in ("urllib3", "websocket"):
        logging.getLogger(noisy).setLevel(logging.ERROR)  # their warnings quote the venue at length
