"""The table of a sweep: its settings side by side, in and out of sample, with what to doubt."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from market_maker.control import HALTED
from market_maker.report.parts import ZERO

SHOWN = 50
"""Rows of the text at most; the page has all."""
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one trial came to."""

    fills: int
    profit: Decimal | None
    """After fees; None where no price was known, or the trial failed."""
    failed: str = ""
    """Why it failed; empty if it did not."""
    halted: str = ""
    """Why the bot halted before the end; empty if it did not."""

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> "Outcome":
        """Return it from the JSON of a result."""
        if "failed" in result:
            return cls(0, None, str(result["failed"]))
        figures = result["figures"]
        profit, ended = figures["profit"], str(figures["ended"])
        halted = ended.removeprefix(HALTED) if ended.startswith(HALTED) else ""
        return cls(figures["fills"], Decimal(profit["total"]) if profit else None, halted=halted)


@dataclass(frozen=True, slots=True)
class Row:
    """One combination of settings."""

    key: str
    """The key of one of its trials: it orders rows that earned the same."""
    settings: Mapping[str, Any]
    """Those that vary."""
    outcomes: Mapping[tuple[int, str], Outcome]
    """By part and fill model."""

    def profit(self, parts: Sequence[int], model: str) -> Decimal | None:
        """Return what it earned on these parts; None where one of them is not known."""
        profits = [self.outcomes[part, model].profit for part in parts]
        known = [profit for profit in profits if profit is not None]
        return sum(known, ZERO) if len(known) == len(profits) else None

    def fills(self, parts: Sequence[int], model: str) -> int:
        """Return how often it was filled on these parts."""
        return sum(self.outcomes[part, model].fills for part in parts)

    @property
    def failed(self) -> str:
        """Why its first failed trial has failed; empty where none has."""
        return next((each.failed for each in self.outcomes.values() if each.failed), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A sweep that is done. The last part is out of sample."""

    models: tuple[str, ...]
    """The fill models, the most optimistic first."""
    parts: tuple[str, ...]
    varying: tuple[str, ...]
    currency: str
    rows: tuple[Row, ...]
    trials: int

    @property
    def inside(self) -> range:
        """The parts in sample."""
        return range(len(self.parts) - 1)

    @property
    def outside(self) -> range:
        """The part out of sample."""
        return range(len(self.parts) - 1, len(self.parts))

    def ranked(self, parts: Sequence[int]) -> list[Row]:
        """Return the rows by what the most conservative model earned on parts, the best first."""

        def place(row: Row) -> tuple[bool, Decimal, str]:
            profit = row.profit(parts, self.models[-1])
            return profit is None, -(profit or ZERO), row.key

        return sorted(self.rows, key=place)


def sweep_text(table: Table) -> str:
    """Return the table as text."""
    cells = [heads_of(table), *map(list, cells_of(table))]
    shown = cells[: SHOWN + 1]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = [*head_of(table), ""]
    lines += [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]
    if len(shown) < len(cells):
        lines.append(f"{len(cells) - len(shown)} more are not shown: --html shows them.")
    return "\n".join([*lines, "", *notes_of(table)]) + "\n"


def head_of(table: Table) -> list[str]:
    """Return what was tried."""
    *inside, outside = table.parts
    return [
        f"{table.trials} trials: {len(table.rows)} combinations of settings on "
        f"{len(table.parts)} parts, fills by {' and '.join(table.models)}",
        f"In sample:     {', '.join(inside)}",
        f"Out of sample: {outside}",
        f"Profit in {table.currency} after fees, by {' .. '.join(_ends(table))}; the best in "
        f"sample by {table.models[-1]} first",
    ]


def heads_of(table: Table) -> list[str]:
    """Return the heads of the columns."""
    return [*table.varying, "in sample", "out of sample", "fills in", "fills out"]


def cells_of(table: Table) -> Iterator[list[str]]:
    """Yield the cells of each row, the best in sample first."""
    for row in table.ranked(table.inside):
        yield [
            *(str(row.settings[name]) for name in table.varying),
            earned(table, row, table.inside),
            earned(table, row, table.outside),
            _filled(table, row, table.inside),
            _filled(table, row, table.outside),
        ]


def earned(table: Table, row: Row, parts: Sequence[int]) -> str:
    """Return what a row earned on parts, from the optimistic to the conservative model."""
    outcomes = [row.outcomes[part, model] for part in parts for model in table.models]
    if any(each.failed for each in outcomes):
        return "failed"
    profits = [row.profit(parts, model) for model in _ends(table)]
    text = " .. ".join(NOTHING if each is None else f"{each:+.8f}" for each in profits)
    return f"{text} halted" if any(each.halted for each in outcomes) else text


def notes_of(table: Table) -> list[str]:
    """Return what to know before the best settings are believed."""
    notes: list[str] = []
    if len(table.parts) > 2:
        notes += _walk_forward(table)
    if doubt := doubt_of(table):
        notes.append(doubt)
    notes += _halted(table)
    outcomes = [each for row in table.rows for each in row.outcomes.values()]
    if not any(each.fills or each.halted for each in outcomes):
        notes.append("No trial was filled: it quotes too far off, or the tapes are too short.")
    failed = [row for row in table.ranked(table.inside) if row.failed]
    if failed:
        words = failed[0].failed.splitlines()[0]
        notes.append(f"FAILED: trials of {len(failed)} combinations. {_named(failed[0])}: {words}")
    notes.append(
        f"The best of {len(table.rows)} looks better than it is, the more the more were tried. "
        "Impact is not modelled."
    )
    return notes


def doubt_of(table: Table) -> str:
    """Return a warning where the best in sample is not in the upper half out of sample.

    Empty text where it is, or where there is nothing to compare.
    """
    count, model = len(table.rows), table.models[-1]
    best = table.ranked(table.inside)[0]
    profit = best.profit(table.outside, model)
    others = [row.profit(table.outside, model) for row in table.rows]
    better = sum(each is not None and (profit is None or each > profit) for each in others)
    if count < 2 or (profit is not None and 2 * (better + 1) <= count):
        return ""
    place = f"number {better + 1} of {count}" if profit is not None else "not known"
    return (
        f"WARNING: the best in sample ({_named(best)}) is not in the upper half out of sample: "
        f"there it is {place}. What it earned in sample may be chance."
    )


def _halted(table: Table) -> Iterator[str]:
    """Yield how many trials halted, and why the first of them."""
    trials = [each for row in table.rows for each in row.outcomes.values()]
    count = sum(bool(each.halted) for each in trials)
    for row in table.ranked(table.inside) if count else ():
        if words := next((each.halted for each in row.outcomes.values() if each.halted), ""):
            yield (
                f"HALTED: {count} of {len(trials)} trials. {_named(row)}: {words}. A halted bot "
                "quotes no more, and what it holds gains or loses until the end."
            )
            return


def _walk_forward(table: Table) -> Iterator[str]:
    """Yield what the best of the parts before each part earned on it."""
    yield "Walk-forward, the best of all parts before on each part:"
    for part in range(1, len(table.parts)):
        best = table.ranked(range(part))[0]
        yield f"  {table.parts[part]}: {earned(table, best, [part])} ({_named(best)})"


def _ends(table: Table) -> tuple[str, ...]:
    """Return the most optimistic and the most conservative model."""
    return tuple(dict.fromkeys((table.models[0], table.models[-1])))


def _filled(table: Table, row: Row, parts: Sequence[int]) -> str:
    return " .. ".join(str(row.fills(parts, model)) for model in _ends(table))


def _named(row: Row) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.settings.items()) or "the only one"
