"""A schedule of faults as JSON: its fields, and errors that name the one that is wrong."""

from market_maker.paper.faults.schedule import Fault

FIELDS = {
    "name": "one of the names above",
    "match": 'what it strikes: an endpoint such as "pc/order/create", a table or a symbol; "": all',
    "value": 'its value as a text, such as "-10002"',
    "done": "true: the request takes effect all the same; false",
    "after_ms": "whole ms until it begins; 0",
    "for_ms": "whole ms that it lasts; null: for ever",
    "times": "how often it strikes at most; null: no limit",
    "chance": "how likely it strikes each time, from 0 to 1; 1",
}
FIELDS_HELP = "\n".join(
    [
        'A schedule is a JSON list of faults, such as [{"name": "cut", "after_ms": 5000}]. The',
        "fields of a fault, and after the semicolon what holds when one is left out:",
        *(f"{name:<18} {text}" for name, text in FIELDS.items()),
    ]
)


def read_faults(content: object) -> list[Fault]:
    """Return the faults of a schedule from JSON; raise ValueError with the fault and the field."""
    if not isinstance(content, list):
        raise ValueError('expected a list of faults, such as [{"name": "cut", "after_ms": 5000}]')
    faults = []
    for number, wanted in enumerate(content, 1):
        try:
            faults.append(read_fault(wanted))
        except ValueError as error:
            raise ValueError(f"fault {number}: {error}") from None
    return faults


def read_fault(content: object) -> Fault:
    """Return one fault from JSON; raise ValueError with the field that is wrong."""
    if not isinstance(content, dict):
        raise ValueError('expected an object such as {"name": "cut", "after_ms": 5000}')
    for field in content:
        if field not in FIELDS:
            raise ValueError(f"there is no field {field!r}; the fields are {', '.join(FIELDS)}")
    if "name" not in content:
        raise ValueError("name: missing")
    return Fault(**content)
