"""What `from market_maker.market_maker import *` gives beside the classes, as the sample's does."""

import atexit
import os
import random
import signal
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from os.path import getmtime, join
from time import sleep
from typing import Any

import requests

from market_maker import bitmex
from market_maker.utils import constants, errors, log, math

__all__ = [
    "XBt_to_XBT",
    "atexit",
    "bitmex",
    "constants",
    "cost",
    "datetime",
    "errors",
    "getmtime",
    "join",
    "log",
    "margin",
    "math",
    "os",
    "random",
    "requests",
    "signal",
    "sleep",
    "sys",
]


def mtimes(names: Iterable[str]) -> list[tuple[str, float]]:
    """Return those of these files that there are, each with the time of its last change."""
    found = []
    for name in names:
        with suppress(OSError):
            found.append((name, getmtime(name)))
    return found


def XBt_to_XBT(XBt: float) -> float:  # noqa: N802, N803  # the family's names
    """Return coins for an amount in 1e-8 of a coin."""
    return float(XBt) / constants.XBt_TO_XBT


def cost(instrument: Mapping[str, Any], quantity: float, price: float) -> float:
    """Return what a quantity is worth at a price, in 1e-8 of the settlement currency."""
    multiplier = instrument["multiplier"]
    each = multiplier * price if multiplier >= 0 else multiplier / price
    return float(abs(quantity * each))


def margin(instrument: Mapping[str, Any], quantity: float, price: float) -> float:
    """Return the margin that an order binds, in 1e-8 of the settlement currency."""
    return cost(instrument, quantity, price) * float(instrument["initMargin"])
