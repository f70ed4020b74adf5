"""A soak: a bot in a moving market on simulated time, faults that overlap, and what must hold."""

import logging
import random
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from market_maker.client_oid import is_ours
from market_maker.errors import MarketMakerError, OrdersLeft
from market_maker.market_maker import OrderManager
from market_maker.paper.exchange.account import Wallet
from market_maker.paper.exchange.blotter import Order
from market_maker.paper.exchange.errors import ApiError
from market_maker.paper.exchange.instrument import CONTRACT
from market_maker.paper.market.setup import DEPOSITS, OWNER
from market_maker.settings import settings
from market_maker.simulation.timeline import Killed
from tests.chaos.digest import Digest
from tests.chaos.in_force import InForce, written
from tests.chaos.injections import KINDS, WIDE_KINDS, Injection
from tests.chaos.invariants import Invariants
from tests.chaos.machine import JudgedMachine
from tests.chaos.market import Walk
from tests.chaos.shape import DRAWS, PREFIX, WIDE, shape_of
from tests.chaos.truth import Truth
from tests.chaos.uptime import Uptime
from tests.chaos.violation import Violation
from tests.world.world import World

GAP_SECONDS = 25.0
"""Mean seconds from one fault to the next, outside the quiet times."""
TOGETHER = 0.2
"""How often a second fault begins with the first."""
QUIET_EVERY = 600.0
"""Now and then all faults end, and bot and exchange must come to agree."""
STILL_AFTER = 70.0
"""Seconds after the last fault at which the market stands still: an alarm may hold for a minute."""
SETTLED_AFTER, SETTLED_EACH = 20.0, 0.2
"""Seconds after that at which they must agree: at least, and for each order of the ladder."""
START_AGAIN = 5.0
RIGHT_CLOCK_AFTER_MS = 60_000
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
    quoted: Counter[str] = field(default_factory=Counter)
    """Seconds in which a bot ran, quoted on both sides, and was judged as nothing was wrong."""
    about: str = ""
    """What the seed has drawn."""
    violations: list[Violation] = field(default_factory=list)
    digest: str = ""
    """Of what was asked of the venue, what was filled, and which states the bot was in."""
    trace: list[str] = field(default_factory=list)
    """The latest faults, and what happened to the process."""


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
            case "cancels one":
                for order in self.exchange.get_orders()[:1]:
                    self.exchange.cancel_order(order)
                super().place_orders()
            case "cancels all":
                self.exchange.cancel_all_orders(5.0)
                super().place_orders()
            case _:
                super().place_orders()


class Soak:
    """One run. Everything in it follows from the seed."""

    def __init__(
        self,
        seed: int,
        *,
        kinds: Sequence[Injection] | None = None,
        swarm: bool = True,
        strategy: type[Spoilt] = Spoilt,
        pairs: int | None = None,
        gap: float = GAP_SECONDS,
        given: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._chance = random.Random(f"soak {seed}")
        chance = self._chance
        self.outcome = Outcome(seed)
        kinds = list((WIDE_KINDS if seed >= WIDE else KINDS) if kinds is None else kinds)
        half = chance.sample(kinds, len(kinds) // 2) if swarm else kinds
        self._struck: dict[str, float] = {}
        self.alive_since = 0.0
        self._strategy = strategy
        self.shape = shape_of(seed, chance, pairs, gap, given)
        there = [kind for kind in half if self.shape.key.kind == CONTRACT or kind.is_of_pairs]
        self._kinds = sorted(there, key=lambda kind: kind.name)
        self.limit = self.shape.given["MAX_POSITION"]
        key = self.shape.key
        self.world = World(seed=seed, key=key, quirks=self.shape.quirks, still=False)
        self.world.network.is_side_by_side = self.shape.is_side_by_side
        self.in_force = InForce(self.world.settings | self.shape.given, self._true_ms)
        self._fill_purse()
        self.walk = Walk(self.world, random.Random(f"walk {seed}"), refills=self.shape.is_wide)
        self.foreign_busy = False
        self.truth = Truth(self.world, self.shape, self.is_own)
        self.written_at: float | None = None
        """When a settings file was written that the bot has not taken over yet."""
        self.is_halved = False
        """Whether that file is cut in half now."""
        self.invariants = Invariants(self)
        self.uptime = Uptime(self)
        self.digest = Digest(self.world)
        self._enders: list[Callable[[], None]] = []
        self._quiet_since: float | None = None
        self._unhealthy_since: float | None = None
        self._trouble_until = 0.0
        self._stopping = ""
        self._start_at = 0.0
        self._clock_wrong_at = -(10**9)
        self._file: Path | None = None
        self.machine: JudgedMachine | None = None
        self._guards = random.Random(f"guards {seed}")
        self.outcome.about = f"{'/'.join(key)} {self.shape.given} {self.shape.purse or ''}"

    def _fill_purse(self) -> None:
        """Take away what the account has beyond what the seed has drawn."""
        shape, exchange = self.shape, self.world.exchange
        for coin, amount in shape.purse.items():
            more = DEPOSITS[shape.wallet][coin] - amount
            if more > 0:
                move = {"source": shape.wallet, "target": Wallet.FUNDING, "amount": more}
                exchange.transfer(OWNER, coin, **move)

    # --- the run --------------------------------------------------------------------------------

    def run(self, seconds: float) -> Outcome:
        """Run for so many simulated seconds, or to the first breach."""
        logger = logging.getLogger("market_maker")
        level, propagate = logger.level, logger.propagate
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(self.invariants)
        try:
            with self.world.installed(), TemporaryDirectory() as folder:
                self._file = Path(folder) / "settings.py" if self.shape.is_wide else None
                if self.shape.has_machine:
                    self.machine = JudgedMachine(self, Path(folder) / "state")
                if self._file:
                    self.change()
                self._live(seconds)
        finally:
            logger.removeHandler(self.invariants)
            logger.setLevel(level)
            logger.propagate = propagate
        outcome = self.outcome
        outcome.seconds = self._now()
        outcome.violations = self.invariants.violations
        outcome.requests = self.invariants.requests.count.total()
        outcome.messages = self.world.network.frames
        outcome.fills = len(self.world.report.fills)
        outcome.digest = str(self.digest)
        return outcome

    def _live(self, seconds: float) -> None:
        timeline = self.world.timeline
        timeline.after(self._chance.expovariate(1 / self.shape.gap), self._strike)
        timeline.every(QUIET_EVERY, self._be_quiet)
        timeline.every(1.0, self._look)
        while self._now() < seconds and not self.invariants.violations:
            try:
                self._breathe()
            except Killed:
                self._note("killed")
                self.world.has_crashed = True
                self._bury()
                self._clean_up()
            except Exception:
                self.invariants.breach("crash", traceback.format_exc())

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
        self.in_force.look()
        world.bot.loop._tick_safely()
        self.digest.tick(world.bot)
        self.invariants.check_known()
        world.bot.loop.wait()

    def _start(self) -> None:
        self._strategy.misdeed = ""
        self.outcome.starts += 1
        self.invariants.starts()
        given = {} if self._file else self.shape.given
        runtime = self.machine and self.machine.runtime()
        try:
            self.world.start(self._strategy, file=self._file, runtime=runtime, **given)
        except MarketMakerError as error:
            self._note(f"start failed: {error}")
            self._bury()
            self._start_at = self._now() + START_AGAIN
        else:
            self._unhealthy_since = None
            self.alive_since = self._now()
            self.in_force.look()

    def _end(self) -> None:
        """Leave as a signal, a restart or a person has it."""
        bot, why = self.world.bot, self._stopping
        assert bot
        self._stopping = ""
        begun, was_calm = self._now(), self.calm_for()
        bot.stop(why)
        try:
            bot.run_loop()
        except OrdersLeft as error:
            self._note(f"left with {error}")
            self.invariants.left(error, was_calm, self._now() - begun)
        except MarketMakerError as error:
            self._note(f"left with {error}")
        else:
            self.invariants.left(None, was_calm, self._now() - begun)
            self.world.notes.clear()
        is_left = not bot.loop.left_clean
        self._bury()
        if is_left:
            self._clean_up()

    def _bury(self) -> None:
        """Clear away what a process that has ended held open."""
        self.world.bury()
        if self.machine:
            self.machine.bury()

    def _clean_up(self) -> None:
        """Do what is done about a bot that is gone: its guard, or a person, or nobody does it."""
        if not self.machine:
            return
        act = self._guards.choice((*[self.machine.guard] * 4, self.machine.cancel, None))
        self._note(f"cleaned up by {getattr(act, '__name__', 'nobody')}")
        if act:
            act()

    # --- faults ---------------------------------------------------------------------------------

    def _strike(self) -> None:
        """Begin one fault, or two, unless it is quiet; and plan the next time."""
        chance = self._chance
        self.world.timeline.after(chance.expovariate(1 / self.shape.gap), self._strike)
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
        self._trouble_until = max(self._trouble_until, self._now() + seconds)
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
        self._quiet_since = self._trouble_until = self._now()
        self.world.venue.clear_faults(self.world.timeline.true_ms())
        self.world.timeline.thaw()
        for ender in self._enders:
            ender()
        self._enders.clear()
        self._strategy.misdeed = ""
        self._clear_halt()
        self.world.timeline.after(self._agreed_after() + 10 + self.shape.rest, self._end_quiet)

    def _end_quiet(self) -> None:
        self._quiet_since = None
        self.walk.still = False

    def _agreed_after(self) -> float:
        """Return the seconds of quiet after which bot and exchange must agree."""
        orders = 2 * self.shape.given["ORDER_PAIRS"]
        return STILL_AFTER + max(SETTLED_AFTER, SETTLED_EACH * orders)

    def _clear_halt(self) -> None:
        """Do what a person does about a halt: look, and start the bot anew."""
        bot = self.world.bot
        if bot and bot.control.halt_reason:
            self.outcome.halts[bot.control.halt_reason] += 1
            if self._now() - (self._unhealthy_since or self._now()) > 60:
                self._stopping = "a person"
                bot.control.wake.put("look")
                if self.machine:
                    self.machine.clears_halt = True

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
            self.uptime.look(bot)
        if self._quiet_since is None or bot is None:
            return
        quiet = now - self._quiet_since
        if 20 <= quiet < 21 and bot.control.halt_reason:
            self.invariants.check_gone(quiet)
        if 40 <= quiet < 41:
            self._clear_halt()
        self.walk.still = STILL_AFTER < quiet < self._agreed_after() + 10
        if 0 <= quiet - self._agreed_after() < 1 and not bot.control.halt_reason:
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
        lower = self.shape.whole(limit / 3) if self.shape.is_wide else limit // 3
        self.change(MIN_POSITION=-lower, MAX_POSITION=lower)
        return lambda: self.change(MIN_POSITION=-limit, MAX_POSITION=limit)

    def change(self, **changed: Any) -> None:
        """Change settings: in the file, which the bot reads again; without a file, at once."""
        self.shape.given |= changed
        if self._file:
            written(self._file, self.world.settings | self.shape.given)
            self.written_at, self.is_halved = self._now(), False
        else:
            vars(settings).update(changed)
            self.in_force.look()

    def reload(self, count: int) -> None:
        """Change some of the settings that may be changed while the bot runs."""
        names = self._chance.sample(sorted(DRAWS), count)
        changed = {}
        for name in names:
            changed[name] = DRAWS[name](self.shape, self._chance)
            self.shape.given[name] = changed[name]
        self._note(f"changed: {changed}")
        self.change(**changed)

    def halve_file(self) -> Callable[[], None]:
        """Cut the settings file in half, as one that is being written is."""
        if self._file:
            text = self._file.read_text()
            self._file.write_text(text[: self._chance.randrange(1, len(text) - 1)])
            self.written_at, self.is_halved = None, True
        return self.change

    def go_dry(self) -> Callable[[], None]:
        """Let the bot become a dry run; a person starts it anew for real orders."""
        if self.shape.given.get("DRY_RUN"):
            return lambda: None
        self.change(DRY_RUN=True)

        def back() -> None:
            self.change(DRY_RUN=False)
            self.stop("a person")

        return back

    def foreign(self, side: str, price: str, lots: int, client_oid: str | None = None) -> int:
        """Let the owner trade by hand, at once as far as the price allows; return the order's id.

        0 if the venue refuses.
        """
        qty = lots * self.shape.instrument.lot
        self.foreign_busy = True
        try:
            return self.world.foreign_order(side, price, qty, client_oid=client_oid)
        except ApiError:
            return 0
        finally:
            self.foreign_busy = False

    # --- what the invariants ask ----------------------------------------------------------------

    def is_own(self, order: Order) -> bool:
        """Say whether an order is the bot's."""
        return is_ours(order.client_oid or "", PREFIX)

    def clock_is_right(self) -> bool:
        """Say whether the venue's clock has been right for long enough to be known."""
        long_ago = self._true_ms() - self._clock_wrong_at > RIGHT_CLOCK_AFTER_MS
        return long_ago and self.world.venue.time(0) == 0

    def struck(self, endpoint: str) -> bool:
        """Say whether a fault of an endpoint lasts."""
        return self._struck.get(endpoint, -1.0) >= self._now()

    def reachable_for(self) -> float:
        """Return the seconds for which REST has had no fault, as far as injections go."""
        rest = [end for name, end in self._struck.items() if "/" in name or name in AWAY]
        return self._now() - max(rest, default=0.0)

    def calm_for(self) -> float:
        """Return the seconds since the last fault ended, a bot began, or others traded."""
        if self._strategy.misdeed or self._stopping:
            return 0.0
        others = (self._true_ms() - self.truth.others_changed_at) / 1000
        return min(others, self._now() - max(self._trouble_until, self.alive_since))

    def is_dry(self) -> bool:
        """Say whether the bot is a dry run."""
        return settings.DRY_RUN

    def _now(self) -> float:
        return self.world.timeline.monotonic()

    def _true_ms(self) -> int:
        return self.world.timeline.true_ms()

    def _note(self, text: str) -> None:
        self.outcome.trace.append(f"{self._now():.1f} {text}")
        del self.outcome.trace[:-40]


def run(seed: int, hours: float, **options: Any) -> Outcome:
    """Run one soak of so many simulated hours."""
    return Soak(seed, **options).run(hours * 3600)
