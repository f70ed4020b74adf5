"""The order of records: by the venue's time within a file and among files, and what counts.

Each step is a stream of records with None for what yields nothing, so that a caller may pause.
"""

from collections.abc import Iterable, Iterator, Mapping
from heapq import heappop, heappush

from market_maker.tapes.records import Gap, Image, Numbered, Record, TapeError, Trades, Update

Stream = Iterator[Numbered | None]

WINDOW_NS = 10**9
"""Venue time within which trades and depth of a file are put in order."""
CLOCK_NS = 5 * 10**9
"""Change of receive time less venue time from one record to the next that a clock has made."""
OVERLAP_NS = 60 * 10**9
"""Files in a row may hold the book of the same time for so long."""
MOST = 4096
"""Records that wait for their place in the order, at most."""


def from_image(found: Iterable[Numbered | None], has_image: bool) -> Stream:
    """Yield the records of a file from its first image on, which comes before what follows it.

    A recorder asks for an image after it has begun: of the updates before it in the file, those
    that it does not contain follow it.
    """
    early: list[Numbered] = []
    is_begun = not has_image
    for one in found:
        if is_begun or one is None:
            yield one
        elif isinstance(one.record, Image):
            is_begun = True
            yield one
            yield from [each for each in early if (each.last or 0) > (one.last or 0)]
        else:
            early += [one] if isinstance(one.record, Update) and one.last is not None else []
            yield None


def in_time(found: Iterable[Numbered | None]) -> Stream:
    """Yield the records of a file with times that never go down, trades first at equal times.

    Depth keeps its order among itself: a stamp that steps back there counts as the one before.
    One that steps back by more than the window counts as the newest, and a Gap tells of it, as of a
    receive time that steps by more than CLOCK_NS.
    """
    waiting: list[tuple[int, bool, int, Numbered]] = []
    newest = latest_depth = left = stepped = 0
    is_behind = False
    latency: int | None = None
    for number, one in enumerate(found):
        if one is None:
            yield None
            continue
        stamp, is_trade = one.record.time_ns, isinstance(one.record, Trades)
        was_behind, is_behind = is_behind, newest - stamp > WINDOW_NS
        time = max(stamp, left, stepped, 0 if is_trade else latest_depth)
        time = max(time, newest) if is_behind else time
        before, latency = latency, _latency(one.record)
        what = ""
        if is_behind and not was_behind:
            what = f"the stamps step back by {(newest - stamp) / 1e9:.1f} s"
        elif before is not None and latency is not None and abs(latency - before) > CLOCK_NS:
            what = f"receive less venue time steps by {(latency - before) / 1e9:+.1f} s"
        if what:  # what came before it stays before it
            gap = Gap(max(time, newest), what, is_clock=True)
            time = stepped = gap.time_ns + 1
            heappush(waiting, (time, False, -number, Numbered(gap)))
        newest = max(newest, time)
        latest_depth = latest_depth if is_trade else time
        heappush(waiting, (time, not is_trade, number, at(time, one)))
        yield None
        while waiting[0][0] < newest - WINDOW_NS or len(waiting) > MOST:
            left, _, _, first = heappop(waiting)
            yield first
    while waiting:
        yield heappop(waiting)[3]


def at(time_ns: int, one: Numbered) -> Numbered:
    """Return a record with this time, received as much later."""
    record = one.record
    if record.time_ns == time_ns:
        return one
    if isinstance(record, Gap) or record.received_ns is None:
        return one._replace(record=record._replace(time_ns=time_ns))
    received_ns = record.received_ns + time_ns - record.time_ns
    return one._replace(record=record._replace(time_ns=time_ns, received_ns=received_ns))


def _latency(record: Record) -> int | None:
    """Return receive time less venue time; None where one of them is not known."""
    if isinstance(record, Gap) or record.received_ns is None:
        return None
    return record.received_ns - record.time_ns


def merged(streams: list[Stream]) -> Stream:
    """Yield the records of several files in order of time, trades first at equal times.

    Raises TapeError where two of them hold a book of the same time.
    """
    if len(streams) == 1:
        yield from streams[0]
        return
    heads: list[tuple[int, bool, int, Numbered]] = []
    due = list(range(len(streams)))
    spans: dict[int, tuple[int, int]] = {}
    while due or heads:
        for number in due:
            for one in streams[number]:
                if one:
                    is_depth = not isinstance(one.record, Trades)
                    heappush(heads, (one.record.time_ns, is_depth, number, one))
                    break
                yield None
        if not heads:
            return
        time, is_depth, number, one = heappop(heads)
        due = [number]
        if is_depth and not isinstance(one.record, Gap):
            spans[number] = spans.get(number, (time, time))[0], time
            _check_one_book(spans, number)
        yield one


def _check_one_book(spans: Mapping[int, tuple[int, int]], number: int) -> None:
    """Raise TapeError where a file's book and that of another are of the same time."""
    begun, ended = spans[number]
    for other, (since, until) in spans.items():
        if other != number and min(ended, until) - max(begun, since) > OVERLAP_NS:
            files = " and ".join(str(1 + each) for each in sorted((number, other)))
            raise TapeError(
                f"files {files} both hold a book of the same time: several files are one tape only "
                "as days in a row, or as a book and its trades"
            )


def counted(found: Iterable[Numbered | None], has_image: bool) -> Iterator[Record | None]:
    """Yield what counts: from the first image on, without updates that are contained in the book.

    A Gap is yielded where the numbers of updates jump. Without an image, the book is built up.
    """
    is_begun = not has_image
    last: int | None = None  # the number of the latest image or update
    for one in found:
        if one is None:
            yield None
            continue
        is_begun = is_begun or isinstance(one.record, Image)
        if not is_begun:
            yield None
        elif isinstance(one.record, Update):
            yield from _following(one, last)
            last = one.last if last is None else max(last, one.last or 0)
        else:
            last = one.last if isinstance(one.record, Image) else last
            yield one.record


def _following(one: Numbered, last: int | None) -> Iterator[Record | None]:
    """Yield an update, None if it is contained in what is known; first the gap before it."""
    if last is not None and one.last is not None and one.last <= last:
        yield None
        return
    if last is not None and one.after is not None and one.after > last:
        yield Gap(one.record.time_ns, f"the updates after {last} up to {one.after} are missing")
    yield one.record
