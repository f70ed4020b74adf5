"""Levels of the book as the feed and REST write them, and as values for who needs no text."""

from collections.abc import Callable, Iterable
from decimal import Decimal

from market_maker.paper.api.encoding import LevelValue, Row, dump, text
from market_maker.paper.api.rows import WORDS, place
from market_maker.paper.exchange.engine import Side
from market_maker.paper.exchange.listing import Listing


def book_row(listing: Listing, side: Side, price: int, size: int) -> Row:
    """Return the row of the `order_book` table for one level."""
    instrument = listing.instrument
    return {
        "id": text(instrument.book_id(price)),
        **place(instrument.key),
        "side": WORDS[side],
        "price": text(instrument.price(price)),
        "size": text(instrument.qty(size)),
    }


def book_text(listing: Listing, side: Side, price: int, size: int) -> str:
    """Return the same row as JSON; all but the size is made once for each price."""
    head = listing.row_heads.get((side, price))
    if head is None:
        whole = dump(book_row(listing, side, price, 0))
        head = listing.row_heads[side, price] = whole.removesuffix('0"}')
    return f'{head}{quantity_text(listing, size)}"}}'


def book_values(listing: Listing, levels: Iterable[tuple[Side, int, int]]) -> list[LevelValue]:
    """Return side, price and size as a reader of the same rows takes them: from their text.

    So a decimal is the same object of digits either way, 8490 and not 8490.0.
    """
    buy, prices, qty = Side.BUY, listing.prices, _quantity_of(listing)
    return [
        (side is buy, prices.get(price) or _price(listing, price), qty(size))
        for side, price, size in levels
    ]


def _price(listing: Listing, ticks: int) -> Decimal:
    price = listing.prices[ticks] = Decimal(text(listing.instrument.price(ticks)))
    return price


def _quantity_of(listing: Listing) -> Callable[[int], Decimal]:
    """Return what makes of lots the quantity that their text says."""
    if listing.instrument.lot == 1:
        return Decimal
    return lambda size: Decimal(quantity_text(listing, size))


def quantity_text(listing: Listing, size: int) -> str:
    """Return a number of lots as a quantity in text."""
    lot = listing.instrument.lot
    return str(size) if lot == 1 else text(size * lot)


def book_rows(listing: Listing) -> list[Row]:
    """Return the rows of the whole book, sells before buys, best first."""
    return [
        book_row(listing, side, price, listing.book.size(side, price))
        for side in (Side.SELL, Side.BUY)
        for price in listing.book.prices(side)
    ]


def book_side(listing: Listing, side: Side, count: int) -> list[list[str]]:
    """Return at most `count` levels of a side, best first, as REST writes them."""
    instrument = listing.instrument
    rows: list[list[str]] = []
    for price in listing.book.prices(side):
        if len(rows) == count:
            break
        size = listing.book.size(side, price)
        rows.append([text(instrument.price(price)), text(instrument.qty(size))])
    return rows
