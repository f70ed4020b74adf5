"""What is in a tape: counts, span, gaps, crossed books, silences, clocks and totals, in words."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter

from market_maker.decimals import plain
from market_maker.models import Side
from market_maker.tapes.best import Best
from market_maker.tapes.records import Gap, Image, Record, Trades
from market_maker.tapes.stamps import iso
from market_maker.tapes.tape import Tape

SIDE = itemgetter(0)
SILENCE_NS = 5 * 10**9
"""A silence that is reported is longer."""
SHOWN = 5
"""Gaps and silences that are listed; all are counted."""
LATENCY_STEP_NS = 10**5
"""Latencies are counted in steps of 0.1 ms."""


@dataclass(slots=True)
class Facts:
    """What the records of a tape show."""

    began_ns: int = 0
    ended_ns: int = 0
    messages: Counter[str] = field(default_factory=Counter)
    changes: Counter[Side] = field(default_factory=Counter)
    """Level changes, by side."""
    traded: Counter[Side] = field(default_factory=Counter)
    """Lots, by the side of the taker."""
    gaps: list[Gap] = field(default_factory=list)
    silences: list[Gap] = field(default_factory=list)
    silent_ns: int = 0
    """How long they are together."""
    crossed: int = 0
    """Messages after which best bid and ask are crossed or equal."""
    latencies: Counter[int] = field(default_factory=Counter)
    """Receive time less the venue's, in steps of LATENCY_STEP_NS."""

    def add(self, record: Record) -> None:
        """Count a record."""
        if isinstance(record, Gap):
            self.gaps.append(record)
            return
        if not self.messages:
            self.began_ns = self.ended_ns = record.time_ns
        silent = record.time_ns - self.ended_ns
        if silent > SILENCE_NS:
            self.silent_ns += silent
            self.silences.append(Gap(self.ended_ns, f"{silent / 1e9:.1f} s"))
        self.ended_ns = record.time_ns
        self.messages[type(record).__name__] += 1
        if record.received_ns is not None:
            self.latencies[(record.received_ns - record.time_ns) // LATENCY_STEP_NS] += 1
        if isinstance(record, Trades):
            for level in record.levels:
                self.traded[level.side] += level.size
        else:
            bids = [*map(SIDE, record.levels)].count(Side.BUY)
            self.changes[Side.BUY] += bids
            self.changes[Side.SELL] += len(record.levels) - bids


def examine(tape: Tape) -> Facts:
    """Read a tape to its end and return what it shows. Raises TapeError at a bad line."""
    facts, book = Facts(), Best()
    for record in tape.watched("Reading the tape"):
        facts.add(record)
        if isinstance(record, Trades | Gap):
            continue
        book.apply(record.levels, is_whole=isinstance(record, Image))
        facts.crossed += book.is_crossed
    return facts


def info(tape: Tape) -> str:
    """Return what is in a tape, in lines of a word and what it says. Raises TapeError."""
    return "".join(f"{name:<11} {text}\n" for name, text in _lines(tape, examine(tape)))


def _lines(tape: Tape, facts: Facts) -> Iterator[tuple[str, str]]:
    market, seen = tape.market, facts.messages
    yield "market", f"{market.name or 'without a name'}, here {market}"
    clocks = "venue's and receive time" if tape.has_two_clocks else "one clock"
    yield "format", f"{tape.format}, times in {tape.unit}, {clocks}"
    if tape.is_level_1:
        yield "book", "level 1 only: queues behind the best level are not known"
    elif tape.has_image:
        yield "book", "from its first full image on"
    else:
        yield "book", "without a full image: built up from the updates"
    seconds = (facts.ended_ns - facts.began_ns) / 1e9
    yield "span", f"{iso(facts.began_ns)} to {iso(facts.ended_ns)} UTC, {seconds:,.1f} s"
    yield (
        "messages",
        f"{seen.total():,}: {seen['Image']:,} images, {seen['Update']:,} updates,"
        f" {seen['Trades']:,} of trades",
    )
    bids, asks = facts.changes[Side.BUY], facts.changes[Side.SELL]
    yield "levels", f"{bids + asks:,} changes: {bids:,} bids, {asks:,} asks"
    bought, sold = (plain(facts.traded[side] * market.lot) for side in Side)
    yield "traded", f"bought {bought}, sold {sold}, by the takers"
    yield "gaps", _listed([gap for gap in facts.gaps if not gap.is_clock])
    if jumps := [gap for gap in facts.gaps if gap.is_clock]:
        yield "clocks", f"{_listed(jumps)} (a clock has stepped)"
    yield "silences", f"{_listed(facts.silences)} (longer than {SILENCE_NS // 10**9} s)"
    yield "crossed", f"{facts.crossed:,} books" if facts.crossed else "none"
    yield "latency", _latency(facts.latencies)


def _listed(gaps: list[Gap]) -> str:
    if not gaps:
        return "none"
    first = "; ".join(f"{iso(gap.time_ns)} {gap.what}" for gap in gaps[:SHOWN])
    return f"{len(gaps):,}: {first}{'; ...' if len(gaps) > SHOWN else ''}"


def _latency(latencies: Counter[int]) -> str:
    """Return the latency in words; below zero the clocks cannot both be right."""
    if not latencies:
        return "not known: one clock only"
    ordered = sorted(latencies)
    half, reached, middle = latencies.total() / 2, 0, ordered[0]
    for middle in ordered:
        reached += latencies[middle]
        if reached >= half:
            break
    low, mid, high = (each * LATENCY_STEP_NS / 1e6 for each in (ordered[0], middle, ordered[-1]))
    text = f"{low:,.1f} / {mid:,.1f} / {high:,.1f} ms (lowest / median / highest)"
    if low < 0:
        text += f"; the recorder's clock was behind the venue's by {-low:,.1f} ms or more"
    return text
