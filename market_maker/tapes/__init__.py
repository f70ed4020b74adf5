"""Tapes: recorded markets, in many formats, as one stream of records.

records   what a tape holds, in whole ticks and lots
market    which market it is about, with the figures of its grid
subject   the market that is read, and text of prices and sizes on its grid
stamps    times in all units
files     the lines of a file, packed or plain
formats/  one file for each format
order     records in order of time, from the first image on
tape      `open_tape`
made      a market that a seed makes up
best      its book, for the best levels
facts     what is in a tape
writing   tapes out
recording frames of the venue's feed into tapes
"""

from market_maker.models import Side
from market_maker.tapes.best import Best
from market_maker.tapes.facts import Facts, examine, info
from market_maker.tapes.formats import NAMES
from market_maker.tapes.made import MadeTape
from market_maker.tapes.market import Market, Options
from market_maker.tapes.recording import Recorder
from market_maker.tapes.records import (
    Gap,
    Image,
    Level,
    Record,
    TapeError,
    Trades,
    UnknownMarket,
    Update,
)
from market_maker.tapes.stamps import iso
from market_maker.tapes.tape import Tape, open_tape
from market_maker.tapes.writing import write, write_records

__all__ = [
    "NAMES",
    "Best",
    "Facts",
    "Gap",
    "Image",
    "Level",
    "MadeTape",
    "Market",
    "Options",
    "Record",
    "Recorder",
    "Side",
    "Tape",
    "TapeError",
    "Trades",
    "UnknownMarket",
    "Update",
    "examine",
    "info",
    "iso",
    "open_tape",
    "write",
    "write_records",
]
