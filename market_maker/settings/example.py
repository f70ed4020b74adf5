"""The text of settings.py.example."""

from typing import Any

from market_maker.settings.schema import FIELDS

HEAD = """\
# Settings of the GTE market maker; `python marketmaker setup` makes settings.py of this.
# It is Python and is executed: keep it where only you can write. A line may be left out;
# its default is then the safe one."""


def example_text() -> str:
    """Return the text: each setting with its meaning and the value of the example."""
    lines = [HEAD]
    for name, field in FIELDS.items():
        about = field.metadata
        if about["section"]:
            lines += ["", f"# --- {about['section']} ".ljust(100, "-")]
        if about["meaning"]:
            lines += ["", *(f"# {line}" for line in about["meaning"].splitlines())]
        lines.append(f"{name} = {_literal(about['example'])}")
    return "\n".join(lines) + "\n"


def _literal(value: Any) -> str:
    if value and isinstance(value, list):
        return "[\n" + "".join(f"    {_literal(item)},\n" for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
