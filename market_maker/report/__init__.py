"""The report of a run, from its journal alone.

figures   what a run earned, quoted and cost       parts      how its profit divides
quoting   when and how near it quoted              levels     what became of its orders
budget    its requests, against the limits         markouts   how prices went on after fills
text      one screen of text                       page       one HTML file, with its charts
drawings  the charts of a run                      tables     rows as CSV
totals    what several runs have earned together
range     back-tests by several fill models
decisions the recorded decisions                    quotes     those of one, each with its reasons
limits    the limits, in words
moment    what the journal has of a moment       why        why quotes stand or not (a door)
status    what a running bot does now              live       a page of that, renewed (a door)
"""

from market_maker.report.decisions import decided_in, decisions_of
from market_maker.report.figures import STEPS, Report, report_of, summary_of
from market_maker.report.page import in_html
from market_maker.report.range import range_json, range_text
from market_maker.report.status import status_json, status_of, status_text
from market_maker.report.tables import TABLES, csv_of
from market_maker.report.text import in_json, in_text, line_of
from market_maker.report.times import when
from market_maker.report.totals import totals_json, totals_of, totals_text

__all__ = [
    "STEPS",
    "TABLES",
    "Report",
    "csv_of",
    "decided_in",
    "decisions_of",
    "in_html",
    "in_json",
    "in_text",
    "line_of",
    "range_json",
    "range_text",
    "report_of",
    "status_json",
    "status_of",
    "status_text",
    "summary_of",
    "totals_json",
    "totals_of",
    "totals_text",
    "when",
]
