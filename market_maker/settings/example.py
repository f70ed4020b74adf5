"""The text of settings.py.example."""

from collections.abc import Mapping
from dataclasses import Field
from typing import Any

from market_maker.settings.schema import FIELDS

HEAD = """\
# Settings of the GTE market maker; `python marketmaker setup` makes settings.py of this.
# It is Python and is executed: keep it where only you can write. A line may be left out;
# its default is then the safe one."""


def example_text(given: Mapping[str, Any] | None = None) -> str:
    """Return the text: each setting with its meaning, and the value `given` or of the example."""
    lines = [HEAD]
    for name, field in FIELDS.items():
        if section := field.metadata["section"]:
            lines += ["", f"# --- {section} ".ljust(100, "-")]
        lines += _lines(name, field)
        if given and name in given:
            lines[-1] = f"{name} = {literal(given[name])}"
    return "\n".join(lines) + "\n"


def own_text(own: Mapping[str, Field[Any]]) -> str:
    """Return the settings of a strategy's own: meaning, range and default of each."""
    lines = []
    for name, field in own.items():
        low, high, choices = (field.metadata[each] for each in ("low", "high", "choices"))
        lines += _lines(name, field)
        if choices or low is not None or high is not None:
            bounds = " or ".join(map(repr, choices)) or f"{low} to {high}".replace("None", "any")
            lines[-1] += f"  # {bounds}"
    return "\n".join(lines).strip()


def _lines(name: str, field: Field[Any]) -> list[str]:
    about = field.metadata
    meaning = [f"# {line}" for line in about["meaning"].splitlines()]
    return [*([""] if meaning else []), *meaning, f"{name} = {literal(about['example'])}"]


def literal(value: Any) -> str:
    """Return a value as settings.py has it."""
    if value and isinstance(value, list):
        return "[\n" + "".join(f"    {literal(item)},\n" for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
