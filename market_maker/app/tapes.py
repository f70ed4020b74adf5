"""`marketmaker tape` and `marketmaker record`: what is in tapes, other formats, new tapes."""

import argparse
import logging
from typing import Any

from websocket import ABNF, WebSocket

from market_maker.app.load import load
from market_maker.app.logs import mark_lines
from market_maker.clock import SYSTEM, Clock
from market_maker.errors import SettingsError, VenueUnreachable
from market_maker.settings import settings
from market_maker.tapes import (
    MadeTape,
    Market,
    Options,
    Recorder,
    Tape,
    TapeError,
    info,
    open_tape,
    write,
    write_records,
)
from market_maker.wire.tls import Bounded, Connections
from market_maker.ws.ws_thread import GTEWebsocket

logger = logging.getLogger(__name__)

FEED_SECONDS = 10.0
FLUSH_SECONDS = 1.0


def tape_info(arguments: argparse.Namespace) -> str:
    """Return what the files hold. Raises SettingsError for what cannot be read."""
    try:
        return info(tape_of(arguments))
    except TapeError as error:
        raise SettingsError(str(error)) from None


def tape_convert(arguments: argparse.Namespace) -> str:
    """Write the files as one tape, and return what was done. Raises SettingsError."""
    try:
        tape = tape_of(arguments)
        count = write(tape, arguments.out)
    except TapeError as error:
        raise SettingsError(str(error)) from None
    return f"Wrote {count:,} records of {tape.market} to {arguments.out}.\n"


def tape_make(arguments: argparse.Namespace) -> str:
    """Write a made market as a tape, and return what was done. Raises SettingsError."""
    made = MadeTape(arguments.seed, arguments.seconds, is_adverse=arguments.adverse)
    try:
        count = write_records(made.records(), made.market, arguments.out)
    except TapeError as error:
        raise SettingsError(str(error)) from None
    return f"Wrote {count:,} records of {made.market} to {arguments.out}.\n"


def tape_of(arguments: argparse.Namespace) -> Tape:
    """Return the tape that the command line names. Raises TapeError."""
    return open_tape(arguments.files, format=arguments.format, about=options_of(arguments))


def options_of(arguments: argparse.Namespace) -> Options:
    """Return what the command line says of the market of a tape."""
    return Options(arguments.symbol, arguments.tick, arguments.lot, arguments.face)


# --- record -------------------------------------------------------------------------------------


def record(arguments: argparse.Namespace) -> int:
    """Record the public feed until Ctrl-C or the end of `seconds`; return the number of frames.

    Raises SettingsError and VenueUnreachable.
    """
    load(arguments, {}, is_strict=False)
    mark_lines(str)  # it is no run, be it dry or not
    try:
        recorder = Recorder(arguments.out)
    except TapeError as error:
        raise SettingsError(str(error)) from None
    feed = GTEWebsocket(settings.account(with_key=False), connections=Tapped(recorder))
    try:
        feed.start()
        recorder.begin(_market(feed))
        keep(recorder, arguments.seconds)
    except TapeError as error:
        raise SettingsError(str(error)) from None
    except OSError as error:
        raise SettingsError(f"the tape cannot be written: {error.strerror or error}") from None
    finally:
        feed.exit()
    return recorder.frames


class Tapped(Connections):
    """Connections whose messages a recorder gets, too, as they come."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder
        self._opened = 0

    def open_feed(self, url: str, seconds: float) -> tuple[Any, Bounded]:
        """Return an open WebSocket and the socket under it; raises as any other does."""
        socket, line = super().open_feed(url, seconds)
        if self._opened:
            self._recorder.lose()
        self._opened += 1
        return Tap(socket, self._recorder), line


class Tap:
    """A WebSocket that hands on what it receives."""

    def __init__(self, socket: WebSocket, recorder: Recorder) -> None:
        self._socket, self._recorder = socket, recorder

    def recv_data(self, control_frame: bool = False) -> tuple[int, bytes]:
        """Return the next message with its kind."""
        opcode, data = self._socket.recv_data(control_frame=control_frame)
        if opcode == ABNF.OPCODE_TEXT:
            self._recorder.take(data)
        return opcode, data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


def _market(feed: GTEWebsocket) -> Market:
    """Return the market of a feed, as the venue describes it."""
    feed.wait_for_tables(["instrument"], FEED_SECONDS)
    found = feed.get_instrument()
    if found is None:
        raise VenueUnreachable(f"{settings.SYMBOL} has not been shown")
    kind, area, symbol = found.instrument_type, found.settle_currency, found.symbol
    place = f"{kind}/{area}/{symbol}"
    return Market(place, kind, area, symbol, found.tick, found.lot, found.face_value, "the venue")


def keep(recorder: Recorder, seconds: float | None, clock: Clock = SYSTEM) -> None:
    """Let a recorder write for so many seconds, None for ever, or until Ctrl-C; then end it."""
    end = None if seconds is None else clock.monotonic() + seconds
    try:
        while end is None or clock.monotonic() < end:
            left = FLUSH_SECONDS if end is None else end - clock.monotonic()
            clock.sleep(min(left, FLUSH_SECONDS))
            recorder.flush()
    except KeyboardInterrupt:
        logger.info("Recording ends.")
    finally:
        recorder.close()
    logger.info("%d frames in %s.", recorder.frames, ", ".join(map(str, recorder.files)) or "none")
