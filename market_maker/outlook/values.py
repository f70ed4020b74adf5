"""An outlook as JSON."""

import json
import math
from dataclasses import asdict
from enum import Enum
from typing import Any

from market_maker.outlook.outlook import Outlook


def in_json(found: Outlook, changed: Outlook | None = None) -> str:
    """Return the outlook as JSON, exact decimals as text; beside it another as `changed`."""
    plain_value = as_plain(found) | ({"changed": as_plain(changed)} if changed else {})
    return json.dumps(plain_value, indent=1, default=_plain) + "\n"


def as_plain(found: Outlook) -> dict[str, Any]:
    """Return the outlook as mappings and lists, its derived figures included."""
    basis, instrument = found.basis, found.basis.snapshot.instrument
    levels = [
        asdict(each.order) | {"margin": each.margin, "away": each.away} for each in found.levels
    ]
    kept = ("side", "price", "qty", "close", "margin", "away")
    requests = {name: getattr(found.requests, name) for name in ("each_time", "per_minute")}
    every = found.requests.every
    return {
        "symbol": instrument.symbol,
        "settle_currency": instrument.settle_currency,
        "strategy": found.rules.strategy,
        "bid": basis.snapshot.ticker.bid,
        "ask": basis.snapshot.ticker.ask,
        "price": basis.price,
        "balance": basis.margin.total,
        "available": basis.margin.available,
        "position": basis.snapshot.position.net,
        "leverage": asdict(basis.leverage),
        "notes": basis.notes,
        "orders": [{name: level[name] for name in kept} for level in levels],
        "dropped": [
            {"side": order.side, "price": order.price, "qty": order.qty, "reason": reason}
            for order, reason in found.dropped
        ],
        "said": found.said,
        "requests": requests | {"every_seconds": None if math.isinf(every) else every},
        "volatility_of_hour": basis.volatility.hourly,
        "volatility_source": basis.volatility.source,
        "bound": found.bound,
        "share_of_balance": found.share,
        "position_margin": found.position_margin,
        "maker_fee": found.rules.rates.maker,
        "taker_fee": found.rules.rates.taker,
        "round_trip": dict(zip(("earned", "fees"), found.round_trip or (None, None), strict=True)),
        "ends": [asdict(end) | {"is_liquidated": end.is_liquidated} for end in found.ends],
        "doubts": found.doubts,
    }


def _plain(value: object) -> Any:
    return value.value if isinstance(value, Enum) else f"{value:f}"  # a Decimal
