"""The mapping of the BitMEX sample whose keys are attributes, too."""

from typing import Any


class dotdict(dict[str, Any]):  # noqa: N801  # the family's name
    """A dict whose keys may be read, set and deleted as attributes; None for one it lacks."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)

    __setattr__ = dict.__setitem__
    __delattr__ = dict.__delitem__
