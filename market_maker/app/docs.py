"""`marketmaker docs`: the pages of the documentation, which come with the package."""

import argparse
import os
import pydoc
import sys
from collections.abc import Mapping
from pathlib import Path

from market_maker.app.arguments import program
from market_maker.errors import SettingsError

ROOT = Path(__file__).parents[1] / "docs"


def run(arguments: argparse.Namespace) -> None:
    """Show a page, in a pager on a terminal, or list the pages; SettingsError for an unknown one."""
    directory = ROOT / (arguments.lang or language(os.environ))
    pages = {path.stem: path.read_text("utf-8") for path in sorted(directory.glob("*.md"))}
    if not arguments.page:
        for name, text in pages.items():
            print(f"{name:<12} {text.splitlines()[0].lstrip('# ')}")
        print(f"\n{program()} docs PAGE")
    elif arguments.page not in pages:
        raise SettingsError(f"no such page: {arguments.page}; there are {', '.join(pages)}")
    elif sys.stdout.isatty():
        pydoc.pager(pages[arguments.page])
    else:
        print(pages[arguments.page], end="")


def language(environment: Mapping[str, str]) -> str:
    """Return the language of the user's locale that there is: zh, else en."""
    names = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return "zh" if next(filter(None, names), "").startswith("zh") else "en"
