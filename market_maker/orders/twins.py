"""Twins: other bots that use our prefix on this account now."""

from collections.abc import Collection, Iterable

from market_maker.client_oid import is_ours, run_of
from market_maker.models import OpenOrder

YOUNG_MS = 60_000
"""An order of a run that is not of this host, and younger than this: that run lives."""


def at_work(
    rows: Iterable[OpenOrder], *, prefix: str, known_runs: Collection[str], now_ms: int
) -> set[str]:
    """Return the runs with our prefix that seem to trade now and were not started on this host.

    `known_runs` are those of this host, dead or alive, and `now_ms` is the venue's time. An order
    without a time of creation proves nothing.
    """
    return {
        run
        for row in rows
        if is_ours(row.client_oid, prefix)
        and (run := run_of(row.client_oid, prefix)) not in known_runs
        and row.ctime > 0
        and now_ms - row.ctime < YOUNG_MS
    }
