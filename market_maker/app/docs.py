"""The pages of the documentation, which come with the package."""

from collections.abc import Mapping
from pathlib import Path

from market_maker.app.arguments import program
from market_maker.errors import SettingsError

ROOT = Path(__file__).parents[1] / "docs"


def text_of(page: str | None, language: str) -> str:
    """Return a page, or without one the list of pages. Raises SettingsError for an unknown page."""
    pages = {path.stem: path.read_text("utf-8") for path in sorted((ROOT / language).glob("*.md"))}
    if not page:
        titles = [f"{name:<12} {text.splitlines()[0][2:]}\n" for name, text in pages.items()]
        return "".join([*titles, f"\n{program()} docs PAGE --lang {language}\n"])
    if page not in pages:
        raise SettingsError(f"no such page: {page}; there are {', '.join(pages)}")
    return pages[page]


def language_of(environment: Mapping[str, str]) -> str:
    """Return the language of the user's locale that there is: zh, else en."""
    names = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return "zh" if next(filter(None, names), "").startswith("zh") else "en"
