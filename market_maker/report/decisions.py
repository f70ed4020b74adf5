"""The recorded decisions of a run, each with all its inputs."""

import json
import zlib
from collections.abc import Iterator

from market_maker.journal import Row, Run, Unreadable, value_of
from market_maker.strategy import Decided


def decisions_of(run: Run) -> Iterator[tuple[int, Decided]]:
    """Yield all decisions of a run with their times in ms, those too that repeat one.

    One that repeats a decision that is no longer recorded is left out. Raises Unreadable.
    """
    latest: tuple[int, Decided] | None = None
    for row in run.raw("decisions", "time_ms", "same_as", "detail"):
        if row["same_as"] is None:
            latest = row["time_ms"], decided_in(run, row)
        if latest and latest[0] == (row["same_as"] or row["time_ms"]):
            yield row["time_ms"], latest[1]


def decided_in(run: Run, row: Row) -> Decided:
    """Return the decision of a row that has it in full. Raises Unreadable."""
    try:
        found = value_of(Decided, json.loads(zlib.decompress(row["detail"])))
    except (zlib.error, ValueError, TypeError, KeyError, ArithmeticError) as error:
        words = f"the decision at {row['time_ms']} cannot be understood"
        raise Unreadable(f"{run.path}: {words}: {error}") from error
    assert isinstance(found, Decided)
    return found
