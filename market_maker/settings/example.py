"""The text of settings.py.example."""

from collections.abc import Mapping
from dataclasses import Field
from typing import Any

from market_maker.settings import chinese
from market_maker.settings.schema import FIELDS

HEAD = """\
# Settings of the GTE market maker; `python marketmaker setup` makes settings.py of this.
# It is Python and is executed: keep it where only you can write. A line may be left out;
# its default is then the safe one."""


def example_text(given: Mapping[str, Any] | None = None, language: str = "en") -> str:
    """Return the text: each setting with its meaning, and the value `given` or of the example.

    `language` is that of the comments, "en" or "zh".
    """
    is_chinese = language == "zh"
    lines = [chinese.HEAD if is_chinese else HEAD]
    for name, field in FIELDS.items():
        if section := field.metadata["section"]:
            lines += ["", section_line(section, language)]
        meaning = chinese.MEANINGS[name] if is_chinese else field.metadata["meaning"]
        lines += _lines(name, field, meaning)
        if given and name in given:
            lines[-1] = f"{name} = {literal(given[name])}"
    return "\n".join(lines) + "\n"


def section_line(section: str, language: str) -> str:
    """Return the line above the settings of a section, which is named in English."""
    if language == "zh":
        words = chinese.SECTIONS[section]
        return f"# --- {words} ".ljust(100 - len(words), "-")  # its characters are two wide
    return f"# --- {section} ".ljust(100, "-")


def own_text(own: Mapping[str, Field[Any]]) -> str:
    """Return the settings of a strategy's own: meaning, range and default of each."""
    lines = []
    for name, field in own.items():
        low, high, choices = (field.metadata[each] for each in ("low", "high", "choices"))
        lines += _lines(name, field, field.metadata["meaning"])
        if choices or low is not None or high is not None:
            bounds = " or ".join(map(repr, choices)) or f"{low} to {high}".replace("None", "any")
            lines[-1] += f"  # {bounds}"
    return "\n".join(lines).strip()


def _lines(name: str, field: Field[Any], meaning: str) -> list[str]:
    about = [f"# {line}" for line in meaning.splitlines()]
    value = literal(field.metadata["example"])
    return [*([""] if about else []), *about, f"{name} = {value}"]


def literal(value: Any) -> str:
    """Return a value as settings.py has it."""
    if value and isinstance(value, list):
        return "[\n" + "".join(f"    {literal(item)},\n" for item in value) + "]"
    is_simple = isinstance(value, str) and '"' not in value and repr(value) == f"'{value}'"
    return f'"{value}"' if is_simple else repr(value)
