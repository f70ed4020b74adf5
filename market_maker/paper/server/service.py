"""The service: one paper exchange on loopback, with its control endpoint, until it is stopped."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from market_maker.paper.api.auth import check_loopback
from market_maker.paper.api.judge import Report
from market_maker.paper.exchange.quirks import DEFAULTS, Quirks
from market_maker.paper.faults.schedule import Fault
from market_maker.paper.market.setup import set_up
from market_maker.paper.server.control import Control
from market_maker.paper.server.server import Server, urls

logger = logging.getLogger(__name__)

STOP_POLL = 0.05  # seconds


class Stop(Protocol):
    """A flag that can be set from any thread, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Return whether to stop."""


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 1,
    tape: Path | None = None,
    tape_as: str = "",
    volatility: float = 1.0,
    speed: float = 1.0,
    quirks: Quirks = DEFAULTS,
    latency_ms: float = 0.0,
    secret: str = "",
    faults: Sequence[Fault] = (),
    ready: Callable[[str, str], None],
    control: Callable[[str, str], None] | None = None,
    stop: Stop,
) -> Report:
    """Serve a new paper exchange until `stop` is set; return the audit report on the paper key.

    `ready` is called once it listens, with the REST and the WebSocket URL. With `control` there is
    a control endpoint too; `control` is called before `ready`, with its URL and token. `faults` are
    planned at the start. `latency_ms` are from a request to its answer, `secret` is that of the
    paper key; the market is that of `set_up`. Raise ValueError for a host that is not loopback, an
    invalid tape or an invalid fault, OSError if the port is taken.
    """
    check_loopback(host)
    exchange, markets = set_up(
        seed=seed,
        tape=tape,
        tape_as=tape_as,
        volatility=volatility,
        speed=speed,
        quirks=quirks,
    )
    for market in markets:
        if market.about:
            logger.info("%s", market.about)
    logger.info(
        "%s made up from seed %d: %g times as volatile as a real market, at speed %g."
        " An answer takes %g ms.",
        "The other markets are" if tape else "The market is",
        *(seed, volatility, speed, latency_ms),
    )

    async def main() -> Report:
        server = Server(exchange, markets, seed, latency_ms=latency_ms, secret=secret)
        controls = Control(server.venue)
        for fault in faults:
            server.plan(fault)
        await server.start(host, port)
        if control:
            control_url, _ = urls(host, await controls.start(host))
            control(control_url, controls.token)
        ready(*urls(server.host, server.port))
        while not stop.is_set():
            await asyncio.sleep(STOP_POLL)
        await controls.stop()
        await server.stop()
        return server.venue.judge.report

    loop = asyncio.new_event_loop()  # not asyncio.run, which would take over SIGINT
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()
