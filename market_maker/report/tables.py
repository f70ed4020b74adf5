"""Rows of a run as comma-separated values, for other programs."""

from decimal import Decimal

from market_maker.journal import Run

TABLES = {
    "fills": (
        "fills",
        *("time_ms", "client_oid", "order_id", "side", "close", "qty", "price", "fee"),
        *("fee_currency", "level", "bid", "ask", "model"),
    ),
    "orders": (
        "orders",
        *("time_ms", "client_oid", "order_id", "step", "side", "close", "price", "qty", "filled"),
    ),
    "equity": ("ticks", "time_ms", "profit", "long", "short", "mark", "margin", "state"),
}
"""What can be had: the table of the journal, and its columns."""


def csv_of(run: Run, name: str) -> str:
    """Return one of TABLES as text, its first line the columns. Raises Unreadable."""
    table, *columns = TABLES[name]
    lines = [",".join(columns)]
    lines += [",".join(_cell(row[column]) for column in columns) for row in run.rows(table)]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    """Return a cell; texts come from the venue, so none may begin a formula or a new cell."""
    if value is None:
        return ""
    if isinstance(value, Decimal | int):
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    text = str(value).replace('"', '""')
    return f'"\'{text}"' if text[:1] in ("=", "+", "@", "-") else f'"{text}"'
