"""What the ready strategies share: the state that their models quote by, and funding."""

import logging

from market_maker.market_maker import OrderManager
from market_maker.settings import setting, settings
from market_maker.strategies import models
from market_maker.strategies.estimate import RollingVolatility
from market_maker.strategies.models import Quotes, State

logger = logging.getLogger(__name__)

VOLATILITY = {
    "VOLATILITY": setting(
        0.0001,
        "Volatility of the price until enough of it has been seen: relative, per square root of a\n"
        "second. 60 % a year is 0.0001.",
        low=0,
        high=0.1,
    ),
    "VOLATILITY_STEP": setting(
        10.0, "Seconds from one look at the mid to the next, to measure it.", low=0.05, high=3600
    ),
    "VOLATILITY_RETURNS": setting(
        60,
        "So many steps measure it, once half of their time has been seen; 0: VOLATILITY holds.",
        low=0,
        high=10_000,
    ),
}
"""The settings of those that read `volatility()`."""
RISK_AVERSION = setting(
    200.0,
    "How much the risk of a position weighs, gamma, in 1 / coin: of the base currency, also where\n"
    "the contract is inverse.",
    low=1e-12,
    high=1e12,
)
FILL_DECAY = setting(
    10_000.0,
    "How fast fills grow rare with the distance from the mid, k, per unit of relative distance:\n"
    "10000 is a factor of e at each 0.01 %.",
    low=1,
    high=1e9,
)


class Quoting(OrderManager):
    """The default ladder, begun at the two prices that a model quotes.

    A strategy overrides `quotes()`. Levels, sizes and limits are those of the ladder. The model
    places no order, and its prices never reach the other side of the book.
    """

    SETTINGS = {
        "FUNDING_HOLDING": setting(
            0.0,
            "Lean to the side that funding is paid to: for how many seconds a position is held on\n"
            "average. The nearer the payment, the more its rate moves the quotes. 0: no leaning.",
            low=0,
            high=1e7,
        )
    }

    def __init__(self) -> None:
        self._realised: RollingVolatility | None = None
        self._measures: tuple[float, int] | None = None
        """VOLATILITY_STEP and VOLATILITY_RETURNS that `_realised` was made with."""
        self._sigma = 0.0
        """The volatility by which the model quotes; 0 if it reads none."""
        self._is_measured = False
        """Whether the log has said that the volatility is a measured one."""
        self._warned_of = 0.0
        """The RELIST_INTERVAL that the log has warned of."""
        super().__init__()

    def quotes(self, state: State) -> Quotes:
        """Return the first buy and sell price, off the tick grid; a strategy overrides this."""
        return state.ladder

    def volatility(self, mid: float) -> float:
        """Return the volatility, relative, per square root of a second. Call it once a tick."""
        measures = step, returns = settings.VOLATILITY_STEP, settings.VOLATILITY_RETURNS
        if measures != self._measures:
            self._measures = measures
            longest = step + 2 * settings.LOOP_INTERVAL  # of a return: ticks come when they do
            window = max(step * returns, longest)
            self._realised = RollingVolatility(step, window) if returns else None
        found = None
        if self._realised:
            self._realised.add(self.clock.monotonic(), mid)
            found = self._realised.value()
        if found is not None and not self._is_measured:
            logger.info("Volatility measured: %.3g (VOLATILITY %g).", found, settings.VOLATILITY)
        self._is_measured = found is not None
        self._sigma = settings.VOLATILITY if found is None else found
        return self._sigma

    def get_ticker(self) -> dict[str, float]:
        """Read the ticker, begin the ladder at the model's quotes, and return the ticker."""
        ticker = super().get_ticker()
        state = self._state(ticker)
        quotes, funding = self.quotes(state), self._funding_shift()
        wanted = quotes.moved(state.mid * funding)
        self._warn(wanted.half / state.mid)
        self.start_reason = (
            f"{type(self).__name__} quotes {quotes.half / state.mid:.3%} on each side of "
            f"{quotes.centre:.10g}, {quotes.centre / state.mid - 1:+.3%} from the mid, with "
            f"{state.position:.6g} coin held{self._measured_in_words()}; funding moves it by "
            f"{funding:+.3%}"
        )
        wanted = models.on_ticks(wanted, bid=state.bid, ask=state.ask, tick=state.tick)
        self.start_position_buy, self.start_position_sell = wanted.buy, wanted.sell
        return ticker

    def _measured_in_words(self) -> str:
        return f" and a volatility of {self._sigma:.3g}" if self._sigma else ""

    def _state(self, ticker: dict[str, float]) -> State:
        seen = self.exchange.snapshot()
        instrument, net = seen.instrument, float(seen.held.net)
        lowest, highest = settings.MIN_POSITION, settings.MAX_POSITION
        sizes = [settings.ORDER_START_SIZE]
        if settings.RANDOM_ORDER_SIZE:
            sizes = [settings.MIN_ORDER_SIZE, settings.MAX_ORDER_SIZE]
        position, limit, size = (
            models.coins(
                qty,
                face=float(instrument.face_value),
                price=(ticker["buy"] + ticker["sell"]) / 2,
                is_inverse=instrument.is_contract,
            )
            for qty in (net, max(highest, -lowest), sum(sizes) / len(sizes))
        )
        return State(
            bid=ticker["buy"],
            ask=ticker["sell"],
            tick=float(instrument.tick),
            ladder=Quotes(buy=self.start_position_buy, sell=self.start_position_sell),
            position=position,
            lean=models.lean_of(net, lowest=lowest, highest=highest),
            limit=limit,
            size=size,
        )

    def _funding_shift(self) -> float:
        """Return by which fraction of the mid funding moves both quotes."""
        instrument = self.exchange.snapshot().instrument
        rate, hours = instrument.funding_rate, instrument.funding_hours
        if rate is None or hours is None:
            return 0.0
        return models.funding_shift(
            rate=float(rate),
            seconds=models.seconds_to_funding(float(hours), time_ms=self.clock.now_ms()),
            loop=settings.LOOP_INTERVAL,
            holding=settings.FUNDING_HOLDING,
        )

    def _warn(self, half: float) -> None:
        """Warn once where orders would stay while the model moves its quotes."""
        relist = settings.RELIST_INTERVAL
        if relist > max(half, 0.0) and relist != self._warned_of:
            self._warned_of = relist
            logger.warning(
                "RELIST_INTERVAL %g is above the half-spread %.2g: orders stay as quotes move.",
                relist,
                half,
            )
