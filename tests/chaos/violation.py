"""A breach of what must hold."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach: which invariant, when, and what was seen."""

    invariant: str
    time: int
    text: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.time}: {self.text}"
