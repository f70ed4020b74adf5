"""`python -m tests.settings_page`: writes the tables of settings.md, in both languages.

They are made of the settings' own descriptions, which settings.py.example has, too.
"""

import dataclasses
from pathlib import Path

from market_maker.app import docs
from market_maker.settings.chinese import MEANINGS, SECTIONS
from market_maker.settings.schema import FIELDS

HEADS = {
    "en": "| Name | Meaning and unit | Default | Range | Needs a restart |",
    "zh": "| 名称 | 含义与单位 | 默认值 | 范围 | 需要重启 |",
}
YES = {"en": "yes", "zh": "是"}
FIRST, AFTER = "### ", "\n## "


def page(language: str) -> Path:
    return docs.ROOT / language / "settings.md"


def tables(language: str) -> str:
    """Return a table for each section, with its heading."""
    parts: list[str] = []
    for name, field in FIELDS.items():
        if section := field.metadata["section"]:
            heading = SECTIONS[section] if language == "zh" else section
            parts += ["", f"### {heading}", "", HEADS[language], "|---|---|---|---|---|"]
        parts.append(row(name, language))
    return "\n".join(parts[1:]) + "\n"


def row(name: str, language: str) -> str:
    """Return the row of a setting; one that has no words of its own shares those before it."""
    about = FIELDS[name].metadata
    cells = (
        name,
        meaning(name, language),
        f"`{default(name)}`",
        limits(name),
        YES[language] if about["needs_restart"] else "",
    )
    return "| " + " | ".join(cells) + " |"


def meaning(name: str, language: str) -> str:
    lines = (MEANINGS[name] if language == "zh" else FIELDS[name].metadata["meaning"]).splitlines()
    if not lines:
        before = list(FIELDS)[list(FIELDS).index(name) - 1]
        return f"{'同' if language == 'zh' else 'as'} {before}"
    return ("" if language == "zh" else " ").join(lines)


def default(name: str) -> str:
    field = FIELDS[name]
    is_list = field.default is dataclasses.MISSING
    value = field.default_factory() if is_list else field.default  # type: ignore[misc]
    text = f'"{value}"' if isinstance(value, str) else str(value).replace("'", '"')
    return text.replace(", ", ",<br>") if is_list else text


def limits(name: str) -> str:
    about = FIELDS[name].metadata
    low, high = about["low"], about["high"]
    if about["choices"]:
        return " ".join(f"`{choice}`" for choice in about["choices"])
    if low is not None and high is not None:
        return f"`{low:g} .. {high:g}`"
    return f"`>= {low:g}`" if low is not None else f"`<= {high:g}`" if high is not None else ""


def with_tables(language: str) -> str:
    """Return the page with its tables as they should be: up to the next part."""
    text = page(language).read_text("utf-8")
    begin = text.index(FIRST)
    end = text.index(AFTER, begin)
    return text[:begin] + tables(language) + text[end:]


if __name__ == "__main__":
    for each in HEADS:
        page(each).write_text(with_tables(each), "utf-8")
