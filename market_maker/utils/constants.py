"""Constants of the BitMEX sample."""

from market_maker import __version__

XBt_TO_XBT = 100_000_000
"""How many of the smallest units, in which `get_margin()` counts, make one coin."""
VERSION = __version__
