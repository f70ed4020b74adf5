"""A soak: a bot in a moving market on simulated time, faults that overlap, and what must hold."""

import logging
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from market_maker.errors import MarketMakerError
from market_maker.market_maker import OrderManager
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.errors import ApiError
from market_maker.paper.exchange.quirks import Quirks
from market_maker.paper.market.setup import OWNER
from market_maker.settings import settings
from tests.chaos.digest import Digest
from tests.chaos.injections import KINDS, Injection
from tests.chaos.invariants import Invariants, Violation
from tests.chaos.market import Walk
from tests.world.timeline import Killed
from tests.world.world import World

GAP_SECONDS = 25.0
"""Mean seconds from one fault to the next, outside the quiet times."""
TOGETHER = 0.2
"""How often a second fault begins with the first."""
QUIET_EVERY, QUIET_SECONDS = 600.0, 100.0
"""Now and then all faults end, and bot and exchange must come to agree."""
SETTLED_AFTER = 70.0
"""Seconds after the last fault at which they must: a resting alarm may hold for a minute."""
START_AGAIN = 5.0
UNKNOWN_MS = 2_000
"""How long a change by others may be unknown to the bot: a frame is on its way."""
RIGHT_CLOCK_AFTER_MS = 60_000
LIMITS = (300, 600, 1_500)
"""Position limits; each binds a ladder of the soak sooner or later."""
AWAY = {
    *("venue down", "black hole", "no network", "latency 1 s", "process stands still"),
    *("batch", "cancels pending", "list lags", "list churns", "list"),
}
"""Injections that can keep the bot from cancelling."""


@dataclass
class Outcome:
    """What a soak came to."""

    seed: int
    seconds: float = 0.0
    injected: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    requests: int = 0
    fills: int = 0
    starts: int = 0
    halts: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    digest: str = ""
    """Of what was asked of the venue, what was filled, and which states the bot was in."""
    trace: list[str] = field(default_factory=list)
    """The latest faults, and what happened to the process."""


def quirks_of(chance: random.Random) -> Quirks:
    """Draw what no document tells of the venue."""
    return Quirks(
        expiry_grace_ms=chance.choice((0, 5_000)),
        oid_unique=chance.choice(("none", "open", "forever")),
        position_push=chance.choice(("changed", "full")),
        flat_position=chance.choice(("zero", "zero", "vanish")),
        limited_create_placed=chance.random() < 0.3,
        id_only_deltas=chance.random() < 0.3,
        order_end=chance.choice(("both", "update", "delete")),
        done_report=chance.choice(("both", "alone")),
        margin_frames=chance.random() < 0.8,
        unknown_order=chance.choice((-13004, -11066)),
    )


class Spoilt(OrderManager):
    """The default strategy, until it is told to misbehave."""

    misdeed = ""

    def place_orders(self) -> None:
        """Do as told."""
        mid = self.start_position_mid
        match self.misdeed:
            case "raises":
                raise KeyError("strategy")
            case "nan":
                self.converge_orders([{"price": float("nan"), "orderQty": 1}], [])
            case "same":
                self.converge_orders([{"price": mid * 0.99, "orderQty": 10}] * 3, [])
            case "crosses":
                self.converge_orders(
                    [{"price": mid * 1.01, "orderQty": 10}],
                    [{"price": mid * 0.99, "orderQty": 10}],
                )
            case "takes":
                self.converge_orders([{"price": mid * 1.002, "orderQty": 10}], [])
            case "slow":
                self.clock.sleep(8)
                super().place_orders()
            case _:
                super().place_orders()


class Soak:
    """One run. Everything in it follows from the seed."""

    def __init__(
        self,
        seed: int,
        *,
        kinds: Sequence[Injection] = KINDS,
        swarm: bool = True,
        strategy: type[Spoilt] = Spoilt,
        pairs: int | None = None,
        gap: float = GAP_SECONDS,
        given: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._chance = random.Random(f"soak {seed}")
        chance = self._chance
        self.outcome = Outcome(seed)
        half = chance.sample(list(kinds), len(kinds) // 2) if swarm else list(kinds)
        self._struck: dict[str, float] = {}
        self.alive_since = 0.0
        self.started_at = 0
        self._unreachable_at = 0.0
        self._kinds = sorted(half, key=lambda kind: kind.name)
        self._strategy = strategy
        self.pairs = pairs or chance.choice((2, 3, 6))
        self._gap = gap
        self.interval = chance.choice((1, 2, 5))
        self.max_fills = chance.choice((8, 5_000, 5_000))
        self.max_orders, self.collar, self.prefix = 90, Decimal("0.05"), "mm_soak_"
        self.limit = random.Random(f"limit {seed}").choice(LIMITS)
        self.min_position, self.max_position = -self.limit, self.limit
        self.limits_changed_at = -(10**9)
        self.world = World(seed=seed, quirks=quirks_of(chance), still=False)
        self.walk = Walk(self.world, random.Random(f"walk {seed}"))
        self.foreign_net = Decimal(0)
        self._foreign_at: deque[tuple[int, Decimal]] = deque(maxlen=100)
        self.foreign_busy = False
        self.has_foreign_trades = False
        self._given: dict[str, Any] = {
            "ORDER_PAIRS": self.pairs,
            "ORDER_START_SIZE": 100,
            "ORDER_STEP_SIZE": 50,
            "INTERVAL": 0.0006,
            "MIN_SPREAD": 0.001,
            "RELIST_INTERVAL": chance.choice((0.0002, 0.001)),
            "LOOP_INTERVAL": self.interval,
            "ORDERID_PREFIX": self.prefix,
            "MIN_POSITION": self.min_position,
            "MAX_POSITION": self.max_position,
            "CHECK_POSITION_LIMITS": True,
            "POST_ONLY": True,
            "PRICE_COLLAR": float(self.collar),
            "MAX_FILLS": self.max_fills,
            "API_ERROR_INTERVAL": 5,
        } | dict(given)
        self.min_position = self._given["MIN_POSITION"]
        self.max_position = self._given["MAX_POSITION"]
        self.limit, self.max_fills = self.max_position, self._given["MAX_FILLS"]
        self.invariants = Invariants(self)
        self.digest = Digest(self.world)
        self._enders: list[Callable[[], None]] = []
        self._quiet_since: float | None = None
        self._unhealthy_since: float | None = None
        self._stopping = ""
        self._start_at = 0.0
        self._clock_wrong_at = -(10**9)

    # --- the run --------------------------------------------------------------------------------

    def run(self, seconds: float) -> Outcome:
        """Run for so many simulated seconds, or to the first breach."""
        logger = logging.getLogger("market_maker")
        level, propagate = logger.level, logger.propagate
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(self.invariants)
        try:
            with self.world.installed():
                self._live(seconds)
        finally:
            logger.removeHandler(self.invariants)
            logger.setLevel(level)
            logger.propagate = propagate
        outcome = self.outcome
        outcome.seconds = self._now()
        outcome.violations = self.invariants.violations
        outcome.requests = self.invariants.requests.total()
        outcome.messages = self.world.network.frames
        outcome.fills = len(self.world.report.fills)
        outcome.digest = str(self.digest)
        return outcome

    def _live(self, seconds: float) -> None:
        timeline = self.world.timeline
        timeline.after(self._chance.expovariate(1 / self._gap), self._strike)
        timeline.every(QUIET_EVERY, self._be_quiet)
        timeline.every(1.0, self._look)
        while self._now() < seconds and not self.invariants.violations:
            try:
                self._breathe()
            except Killed:
                self._note("killed")
                self.world.has_crashed = True
                self.world.bury()

    def _breathe(self) -> None:
        """Let the bot's process do its next thing: start, tick, or end."""
        world = self.world
        if world.bot is None:
            world.timeline.pass_by(max(self._start_at - self._now(), 0.1))
            self._start()
            return
        if self._stopping:
            self._end()
            return
        world.bot.tick()
        self.digest.tick(world.bot)
        self.invariants.check_known()
        world.bot.loop.wait()

    def _start(self) -> None:
        self._strategy.misdeed = ""
        self.outcome.starts += 1
        self.started_at = self.world.venue.time(self.world.timeline.true_ms())
        try:
            self.world.start(self._strategy, **self._given)
        except MarketMakerError as error:
            self._note(f"start failed: {error}")
            self.world.bury()
            self._start_at = self._now() + START_AGAIN
        else:
            self._unhealthy_since = None
            self.alive_since = self._now()

    def _end(self) -> None:
        """Leave as a signal, a restart or a person has it."""
        bot, why = self.world.bot, self._stopping
        assert bot
        self._stopping = ""
        bot.stop(why)
        try:
            bot.run_loop()
        except MarketMakerError as error:
            self._note(f"left with {error}")
        else:
            if self.world.orders():
                self.invariants.breach("I3", f"a clean end left {len(self.world.orders())} orders")
            self.world.notes.clear()
        self.world.bury()

    # --- faults ---------------------------------------------------------------------------------

    def _strike(self) -> None:
        """Begin one fault, or two, unless it is quiet; and plan the next time."""
        chance = self._chance
        self.world.timeline.after(chance.expovariate(1 / self._gap), self._strike)
        count = 2 if chance.random() < TOGETHER else 1
        weights = [kind.weight for kind in self._kinds]
        if not self._kinds:
            return
        for kind in chance.choices(self._kinds, weights, k=count):
            seconds = chance.uniform(1.0, kind.longest)
            if self._quiet_since is None:
                self._inject(kind, seconds)

    def _inject(self, kind: Injection, seconds: float) -> None:
        self.outcome.injected[kind.name] += 1
        self._note(f"{kind.name} for {seconds:.0f} s")
        about = kind.name.partition(":")[0]
        self._struck[about] = max(self._struck.get(about, 0.0), self._now() + seconds)
        if kind.name.startswith("venue clock"):
            self._clock_wrong_at = self.world.timeline.true_ms()
        ender = kind.act(self, self._chance, seconds)
        if ender:
            self._enders.append(ender)

            def end() -> None:
                if ender in self._enders:
                    self._enders.remove(ender)
                    ender()

            self.world.timeline.after(seconds, end)

    def _be_quiet(self) -> None:
        """End all faults; some time later bot and exchange must agree, and faults begin again."""
        self._quiet_since = self._now()
        self.world.venue.clear_faults(self.world.timeline.true_ms())
        self.world.timeline.thaw()
        for ender in self._enders:
            ender()
        self._enders.clear()
        self._strategy.misdeed = ""
        self._clear_halt()
        self.world.timeline.after(QUIET_SECONDS, self._end_quiet)

    def _end_quiet(self) -> None:
        self._quiet_since = None
        self.walk.still = False

    def _clear_halt(self) -> None:
        """Do what a person does about a halt: look, and start the bot anew."""
        bot = self.world.bot
        if bot and bot.control.halt_reason:
            self.outcome.halts[bot.control.halt_reason] += 1
            if self._now() - (self._unhealthy_since or self._now()) > 60:
                self._stopping = "a person"
                bot.control.wake.put("look")

    def _look(self) -> None:
        """Check once a second what must hold over time."""
        bot, now = self.world.bot, self._now()
        if bot is None or bot.loop.may_quote():
            self._unhealthy_since = None
        elif self._unhealthy_since is None:
            self._unhealthy_since = now
        if bot is not None:
            self.invariants.check_silence()
            self.invariants.check_leftovers(now - self.alive_since)
        if self._quiet_since is None or bot is None:
            return
        quiet = now - self._quiet_since
        if 20 <= quiet < 21 and bot.control.halt_reason:
            self.invariants.check_gone(quiet)
        if 40 <= quiet < 41:
            self._clear_halt()
        self.walk.still = quiet > SETTLED_AFTER
        if SETTLED_AFTER + 20 <= quiet < SETTLED_AFTER + 21 and not bot.control.halt_reason:
            self.invariants.check_converged()
            self.invariants.check_books()

    # --- what injections do to the process ------------------------------------------------------

    def kill(self, pause: float = 0.0) -> None:
        """Kill the bot's process; it is started again after a while."""
        if self.world.bot:
            self.world.kill()
            self._start_at = self._now() + pause

    def stop(self, why: str) -> None:
        """Let the bot leave cleanly, and start again."""
        if self.world.bot:
            self._stopping = why
            self._start_at = self._now() + 1.0
            self.world.bot.control.wake.put("look")

    def restart(self) -> None:
        """Restart the bot for new code: a clean stop, and a start."""
        self.stop("new code")

    def stand_still(self, seconds: float) -> None:
        """Let the world go on while the bot's process does not (SIGSTOP)."""
        self.world.timeline.freeze(seconds)

    def spoil_strategy(self, misdeed: str) -> None:
        """Let the strategy misbehave until the next quiet time or start."""
        self._strategy.misdeed = misdeed

    def lower_limits(self) -> Callable[[], None]:
        """Lower the position limits while the bot runs."""
        limit = self.limit
        self._limit(limit // 3)
        return lambda: self._limit(limit)

    def _limit(self, most: int) -> None:
        self.min_position, self.max_position = -most, most
        self._given |= {"MIN_POSITION": -most, "MAX_POSITION": most}
        self.limits_changed_at = self.world.timeline.true_ms()
        settings.MIN_POSITION, settings.MAX_POSITION = -most, most

    def foreign(self, side: str, price: str, qty: int) -> None:
        """Let the owner trade by hand, at once as far as the price allows."""
        before = self._foreign_filled()
        self.foreign_busy = True
        try:
            self.world.foreign_order(side, price, qty)
        except ApiError:
            pass
        finally:
            self.foreign_busy = False
        self.add_foreign(self._foreign_filled() - before)
        self.has_foreign_trades = True

    def add_foreign(self, qty: Decimal) -> None:
        """Count a change of the position that is not the bot's."""
        self.foreign_net += qty
        self._foreign_at.append((self.world.timeline.true_ms(), qty))

    def unknown_foreign(self) -> list[Decimal]:
        """Return what the bot may not know of yet: the latest changes, all of them, or none."""
        now = self.world.timeline.true_ms()
        found = [Decimal(0)]
        for at, qty in reversed(self._foreign_at):
            if now - at <= UNKNOWN_MS:
                found.append(found[-1] + qty)
        return [*found, self.foreign_net]

    def _foreign_filled(self) -> Decimal:
        fills = self.world.report.fills
        own = [fill for fill in fills[-200:] if not (fill.client_oid or "").startswith(self.prefix)]
        return sum((fill.qty if fill.side.name == "BUY" else -fill.qty for fill in own), Decimal(0))

    # --- what the invariants ask ----------------------------------------------------------------

    def is_own(self, order: Order) -> bool:
        """Say whether an order is the bot's."""
        return (order.client_oid or "").startswith(self.prefix)

    def clock_is_right(self) -> bool:
        """Say whether the venue's clock has been right for long enough to be known."""
        long_ago = self.world.timeline.true_ms() - self._clock_wrong_at > RIGHT_CLOCK_AFTER_MS
        return long_ago and self.world.venue.time(0) == 0

    def struck(self, endpoint: str) -> bool:
        """Say whether a fault of an endpoint lasts."""
        return self._struck.get(endpoint, -1.0) >= self._now()

    def reachable_for(self) -> float:
        """Return the seconds for which REST has had no fault, as far as injections go."""
        rest = [end for name, end in self._struck.items() if "/" in name or name in AWAY]
        return self._now() - max(rest, default=0.0)

    def is_limited(self) -> bool:
        """Say whether limits or margin may keep levels of the ladder away."""
        account = self.world.exchange.ledger.accounts[OWNER]
        long, short = self.world.position()
        sizes = [
            self._given["ORDER_START_SIZE"] + level * self._given["ORDER_STEP_SIZE"]
            for level in range(self.pairs)
        ]
        is_near = abs(long - short) + sum(sizes) > self.max_position
        return is_near or account.balance is None or self._low_margin()

    def _low_margin(self) -> bool:
        bot = self.world.bot
        margin = bot.exchange.view.margin() if bot else None
        return margin is None or margin.available < 5

    def _now(self) -> float:
        return self.world.timeline.monotonic()

    def _note(self, text: str) -> None:
        self.outcome.trace.append(f"{self._now():.1f} {text}")
        del self.outcome.trace[:-40]


def run(seed: int, hours: float, **options: Any) -> Outcome:
    """Run one soak of so many simulated hours."""
    return Soak(seed, **options).run(hours * 3600)
