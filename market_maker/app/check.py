"""What `marketmaker check` looks at, one line for each; it sends no order."""

from collections.abc import Callable, Iterator

from market_maker.client_oid import is_ours
from market_maker.clock import SYSTEM
from market_maker.decimals import plain
from market_maker.errors import MarketMakerError, NotSent, VenueUnreachable
from market_maker.gte import GTE
from market_maker.settings import settings
from market_maker.wire.venue_clock import OFF_MS

FEED_SECONDS = 10.0


def run(gte: GTE, *, notify: bool = False) -> Iterator[tuple[str, str | MarketMakerError]]:
    """Yield the name of each check with what was found, or with the error.

    Nothing is looked at after REST has no connection: all the others would fail, too. With `notify`
    a test message is sent to NOTIFY_URL.
    """
    checks: dict[str, Callable[[GTE], str]] = {"settings": _settings}
    if notify or settings.NOTIFY_URL:
        checks["notify"] = lambda _: _notify(is_sent=notify)
    checks |= {
        "REST": _rest,
        "clock": _clock,
        "WebSocket": _feed,
        "tick": _tick,
        "key": _key,
        "orders": _orders,
        "position": _position,
    }
    for name, check in checks.items():
        try:
            yield name, check(gte)
        except MarketMakerError as error:
            yield name, error
            if check is _rest and isinstance(error, VenueUnreachable):
                return


def _settings(_gte: GTE) -> str:
    what = f"{settings.SYMBOL} in {settings.SETTLECURRENCY}"
    return f"{settings.path}: {what}. {settings.run_in_words()}"


def _notify(*, is_sent: bool) -> str:
    """Tell where notifications go, after a test message if it is to be sent."""
    from market_maker.notify import About, Kind, Message, address_of, deliver

    if not settings.NOTIFY_URL:
        raise MarketMakerError("NOTIFY_URL is not set: set GTE_NOTIFY_URL_FILE or GTE_NOTIFY_URL")
    address = address_of(settings.NOTIFY_URL)
    if not is_sent:
        return f"{address}, not tried: --notify sends a test message"
    run = settings.kind_of_run() or "LIVE"
    about = About(symbol=settings.SYMBOL, prefix=settings.ORDERID_PREFIX, run=run)
    text = "This is a test: notifications of this bot arrive here."
    deliver(address, Message(kind=Kind.TEST, about=about, text=text, time_ms=SYSTEM.now_ms()))
    return f"a test message was sent to {address}"


def _rest(gte: GTE) -> str:
    try:
        return f"{settings.API_URL_BASE}, last price {gte.instrument_query().last_price}"
    except NotSent as error:
        raise VenueUnreachable(str(error)) from None


def _clock(gte: GTE) -> str:
    offset = gte.clock.offset()
    if offset is None:
        raise VenueUnreachable("no answer to compare this machine's clock with")
    if abs(offset) > OFF_MS:
        raise MarketMakerError(f"{-offset} ms off the venue's: set this machine's clock")
    return f"{-offset} ms off the venue's"


def _feed(gte: GTE) -> str:
    assert gte.ws
    gte.ws.start()
    gte.ws.wait_for_tables(gte.ws.needed, FEED_SECONDS)
    ticker = gte.ws.get_ticker()
    return f"{settings.WS_URL}, bid {ticker.bid}, ask {ticker.ask}"


def _tick(gte: GTE) -> str:
    assert gte.ws
    instrument = gte.ws.get_instrument()
    if instrument is None:
        raise VenueUnreachable(f"{settings.SYMBOL} has not been shown")
    return f"{instrument.tick}, quantities in steps of {instrument.lot}"


def _key(gte: GTE) -> str:
    if not settings.API_KEY:
        return "none is set; a dry run works without"
    account = gte.account_query()
    return f"accepted, balance {account[0].total} {account[0].currency}" if account else "accepted"


def _orders(gte: GTE) -> str:
    if not settings.API_KEY:
        return "not asked for without a key"
    orders = gte.query_orders()
    own = sum(is_ours(order.client_oid, settings.ORDERID_PREFIX) for order in orders)
    return f"{own} ours ({settings.ORDERID_PREFIX}...), {len(orders) - own} of others"


def _position(gte: GTE) -> str:
    if not settings.API_KEY:
        return "not asked for without a key"
    if not gte.account.is_contract:
        return "none on spot: see the balance"
    assert gte.ws
    gte.ws.wait_for_tables(["position"], FEED_SECONDS)
    legs = gte.position_ws()
    long, short = plain(legs.long.qty), plain(legs.short.qty)
    return f"{plain(legs.net)} contracts (long {long}, short {short})"
