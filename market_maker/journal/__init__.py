"""The journal: what a run saw, did and earned, in a SQLite file that outlives it.

schema    tables, columns and units        writer    a thread that writes what the loop hands over
rows      values of the loop into rows     values    and back
file      its name, and how it is opened
thinning  removes old rows, a few a time   place     its file system, and who has it open
reader    runs and their rows, for reports
"""

from market_maker.journal.file import Beginning, name_of, tell_market
from market_maker.journal.reader import MID, Row, Run, Unreadable, files_in, runs_in
from market_maker.journal.rows import Rows, opening, plain_row
from market_maker.journal.schema import SUFFIX
from market_maker.journal.thinning import Keep
from market_maker.journal.values import value_of
from market_maker.journal.writer import Journal

__all__ = [
    "MID",
    "SUFFIX",
    "Beginning",
    "Journal",
    "Keep",
    "Row",
    "Rows",
    "Run",
    "Unreadable",
    "files_in",
    "name_of",
    "opening",
    "plain_row",
    "runs_in",
    "tell_market",
    "value_of",
]
