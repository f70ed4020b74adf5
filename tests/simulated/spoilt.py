"""Messages with one field spoilt: what a venue may send, leaf by leaf."""

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any

Path = tuple[str, ...]
"""Names from the top of a message to a field; `*` is each element of a list."""
MARK = "\N{DOUBLE EXCLAMATION MARK}"
TEXTS = ("", "1E-7", "NaN", "-1", "9" * 30, "0", "abc")
WAYS: dict[str, Any] = {
    "null": None,
    "a list": [],
    "an object": {},
    "true": True,
    "a number": 7,
} | {f"text {text[:6]!r}": text for text in TEXTS}
"""What a field is replaced by."""
CUTS = ("missing", "name twice")
"""What else may become of a field of an object."""
SHAPES = ("each twice", "an object for the list", "rows that are none")
"""What may become of a list."""


def paths(message: Any, at: Path = ()) -> Iterator[tuple[Path, bool]]:
    """Yield every field of a message, with whether it is a list."""
    if at:
        yield at, isinstance(message, list)
    if isinstance(message, dict):
        for name, value in message.items():
            yield from paths(value, (*at, name))
    elif isinstance(message, list) and message:
        longest = max(message, key=lambda each: len(each) if isinstance(each, dict | list) else 0)
        yield from paths(longest, (*at, "*"))


def ways(path: Path, is_list: bool) -> Sequence[str]:
    """Return what may become of a field."""
    cuts = () if path[-1] == "*" else CUTS
    return [*WAYS, *cuts, *(SHAPES if is_list else ())]


def spoil(text: str, path: Path, way: str) -> str:
    """Return a message with a field spoilt wherever it has it."""
    message = copy.deepcopy(json.loads(text))
    _spoil(message, path, way)
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).replace(MARK, "")


def _spoil(node: Any, path: Path, way: str) -> None:
    name, rest = path[0], path[1:]
    keys = range(len(node)) if isinstance(node, list) and name == "*" else [name]
    for key in keys:
        if isinstance(node, dict) and key not in node:
            continue
        if not isinstance(node, dict | list) or isinstance(node, list) != isinstance(key, int):
            continue
        if rest:
            _spoil(node[key], rest, way)
        else:
            _replace(node, key, way)


def _replace(node: Any, key: Any, way: str) -> None:
    value = node[key]
    if way == "missing":
        del node[key]
    elif way == "name twice":
        node[key + MARK] = value
    elif way == "each twice":
        node[key] = [each for each in value for _ in range(2)] if isinstance(value, list) else value
    elif way == "an object for the list":
        node[key] = {str(index): each for index, each in enumerate(value or [])}
    elif way == "rows that are none":
        node[key] = [None, 1, "x", []]
    else:
        node[key] = copy.deepcopy(WAYS[way])
