"""What goes wrong in a soak: named kinds of faults, each with how long it lasts."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from market_maker.paper.exchange.account import Contract, LegKey, Mode, Wallet
from market_maker.paper.exchange.errors import ApiError
from market_maker.paper.exchange.instrument import CONTRACT
from market_maker.paper.faults.schedule import RAW
from market_maker.paper.market.setup import DEPOSITS, OWNER
from tests.chaos.shape import strangers_oid

if TYPE_CHECKING:
    from tests.chaos.soak import Soak

CREATE, CANCEL = "pc/order/create", "pc/order/cancel"
BATCH, QUERY = "pc/order/cancel_batch", "pc/order/query"
BOOK, SETTING = "pc/order/book/query", "pc/setting/query"
LOST_ANSWERS = ("reset", "lost", "late", "truncated", "empty", "html", "trickle", "huge")
CODES = {
    CREATE: ("-10002", "-10013", "-10052", "-10053", "-11003", "-13001", "-13101", "-16003"),
    CANCEL: ("-10002", "-10053", "-13002", "-13003", "-13004", "-11066"),
    BATCH: ("-10002", "-10053"),
    QUERY: ("-10002", "-10053", "-10052"),
}
STATUSES = ("403", "429", "500", "503")
BAD_FIELDS = {
    "order_book": ("price=null", 'price="NaN"', 'size="-1"', 'size="1e5"', "id=", "side=[]"),
    "order": ('filled_qty="-1"', "status=null", "client_oid=null", 'qty="Infinity"', "order_id=7"),
    "execution": ('cum_qty="1e9"', 'cum_qty="999999999"', "order_id=null", "side=true"),
    "position": ('qty="-5"', "qty=null", "side=", 'qty="+5"', "avail_qty={}"),
    "instrument": ('mark_price="0"', "mark_price=", 'tick_size="0"', 'last_price="99999999"'),
    "margin": ("total=null", 'available="NaN"'),
}
TABLES = ("order_book", "order", "execution", "position", "instrument", "margin", "trade")
OF_CONTRACTS = (
    *(BATCH, SETTING, "batch:", "leverage"),
    *("order: ", "execution: ", "position: ", "margin: "),
)


@dataclass(frozen=True, slots=True)
class Injection:
    """One kind of trouble; `act` begins it and returns what ends it, if anything."""

    name: str
    act: Callable[["Soak", random.Random, float], Callable[[], None] | None]
    longest: float = 30.0
    weight: float = 1.0

    @property
    def is_of_pairs(self) -> bool:
        """Whether spot has it, where there are no batches, positions and private tables."""
        return not self.name.startswith(OF_CONTRACTS)


def _fault(name: str, **options: Any) -> Callable[["Soak", random.Random, float], None]:
    def act(soak: "Soak", chance: random.Random, seconds: float) -> None:
        given = dict(options)
        if given.pop("now_and_then", True):
            given |= {"chance": chance.choice((0.2, 0.5, 1.0))}
        if given.get("match", "").startswith("pc/"):
            given["match"] = given["match"].replace("pc", soak.shape.key.kind, 1)
        soak.world.fault(name, for_ms=max(int(seconds * 1000), 1), **given)

    return act


def _replies() -> list[Injection]:
    found = []
    for endpoint in (CREATE, CANCEL, BATCH, QUERY, BOOK, SETTING):
        for name in LOST_ANSWERS:
            for done in (False, True):
                value = {"late": "3000"}.get(name, "")
                about = f"{endpoint}: {name}, {'done' if done else 'not done'}"
                act = _fault(name, match=endpoint, done=done, value=value)
                found.append(Injection(about, act))
        for status in STATUSES:
            act = _fault("status", match=endpoint, value=status)
            found.append(Injection(f"{endpoint}: {status}", act, 15.0, 0.5))
        for code in CODES.get(endpoint, ()):
            act = _fault("code", match=endpoint, value=code)
            found.append(Injection(f"{endpoint}: code {code}", act, 15.0))
    found += [
        Injection("late creates", _fault("late", match=CREATE, value="8000")),
        Injection("batch: every second", _fault("batch_half")),
        Injection("cancels pending", _fault("cancel_pending", value="4000")),
        Injection("list lags", _fault("query_lag", value="4000")),
        Injection("list churns", _fault("query_churn")),
        Injection("order_id=null", _fault("reply_field", match=CREATE, value="order_id=null")),
        Injection("order_id=7", _fault("reply_field", match=CREATE, value="order_id=7")),
        Injection("list: no oid", _fault("reply_field", match=QUERY, value="client_oid=null")),
        Injection("list: status=", _fault("reply_field", match=QUERY, value="status=")),
    ]
    return found


def _frames() -> list[Injection]:
    found = []
    for table in TABLES:
        for name in ("mute", "frame_lost", "frame_twice", "frame_swap", "frame_half", "no_partial"):
            found.append(Injection(f"{table}: {name}", _fault(name, match=table)))
        found.append(Injection(f"{table}: late", _fault("frame_late", match=table, value="2000")))
        found.append(Injection(f"{table}: cut", _fault("cut", match=table, times=2)))
    for code in ("1000", "1001", "1008", "1012"):
        found.append(Injection(f"close {code}", _fault("close", value=code, times=2)))
    for table, changes in BAD_FIELDS.items():
        for change in changes:
            act = _fault("frame_field", match=table, value=change)
            found.append(Injection(f"{table}: {change}", act, 10.0))
    for how in RAW:
        if how != "huge":
            found.append(Injection(f"frame: {how}", _fault("frame_raw", value=how), 5.0))
    found.append(Injection("all mute", _fault("mute", now_and_then=False), 40.0))
    found.append(Injection("pong mute", _fault("mute", match="pong"), 40.0))
    found.append(Injection("status mute", _fault("mute", match="status")))
    return found


def _clock_steps(ms: int) -> Callable[..., None]:
    """Set the venue's clock back and forward again, several times."""

    def act(soak: "Soak", _: random.Random, seconds: float) -> None:
        for begin in range(0, int(seconds), 6):
            soak.world.fault("clock_skew", value=str(ms), after_ms=begin * 1000, for_ms=3_000)

    return act


def _coarser_tick(soak: "Soak", _: random.Random, seconds: float) -> None:
    tick = format((soak.shape.instrument.tick * 2).normalize(), "f")
    soak.world.fault(
        "tick_change", value=tick, match=soak.shape.key.symbol, for_ms=int(seconds * 1000)
    )


def _suspended(soak: "Soak", _: random.Random, seconds: float) -> None:
    soak.world.fault("suspend", match=soak.shape.key.symbol, for_ms=int(seconds * 1000))


def _venue() -> list[Injection]:
    lasting = {"now_and_then": False}
    return [
        Injection("venue down", _fault("refuse", **lasting), 90.0),
        Injection("venue clock +20 s", _fault("clock_skew", value="20000", **lasting)),
        Injection("venue clock -20 s", _fault("clock_skew", value="-20000", **lasting)),
        Injection("venue clock steps back", _clock_steps(-1_500), weight=3.0),
        Injection("book crossed", _fault("book_cross", **lasting), 20.0),
        Injection("book empty", _fault("book_empty", **lasting)),
        Injection("tick 1", _coarser_tick),
        Injection("suspended", _suspended, 8.0, 0.3),
        Injection("oids forgotten", _fault("forget_client_oid", **lasting)),
    ]


def _flag(target: str, name: str, value: Any, usual: Any) -> Callable[..., Callable[[], None]]:
    """Set an attribute of a part of the soak for a while, and then to what it usually is."""

    def act(soak: "Soak", _: random.Random, __: float) -> Callable[[], None]:
        part = getattr(soak, target) if target == "walk" else getattr(soak.world, target)
        setattr(part, name, value)
        return lambda: setattr(part, name, usual)

    return act


def _jump(part: float) -> Callable[..., None]:
    return lambda soak, _, __: soak.walk.jump(part)


def _foreign_trade(soak: "Soak", chance: random.Random, _: float) -> None:
    side = chance.choice(("buy", "sell"))
    price = soak.walk.price(40_000 if side == "buy" else 8_000)
    soak.foreign(side, price, chance.randint(10, 300))


def _foreign_order(soak: "Soak", chance: random.Random, _: float) -> None:
    soak.foreign("buy", soak.walk.price(2 * chance.randint(7000, 7500)), chance.randint(10, 300))


def _venue_cancels(soak: "Soak", chance: random.Random, _: float) -> None:
    orders = soak.world.orders()
    if orders:
        soak.world.venue_cancels(chance.choice(orders))


def _clock(ms: int) -> Callable[..., Callable[[], None]]:
    def act(soak: "Soak", _: random.Random, __: float) -> Callable[[], None]:
        soak.world.timeline.step_wall_clock(ms)
        return lambda: soak.world.timeline.step_wall_clock(-ms)

    return act


def _funds_leave(soak: "Soak", chance: random.Random, __: float) -> Callable[[], None] | None:
    exchange, shape = soak.world.exchange, soak.shape
    coin = shape.coins[0] if len(shape.coins) == 1 else chance.choice(shape.coins)
    amount = Decimal(DEPOSITS[shape.wallet][coin]) * 9 / 10
    amounts = {"source": shape.wallet, "target": Wallet.FUNDING, "amount": amount}
    try:
        exchange.transfer(OWNER, coin, **amounts)
    except ApiError:
        return None
    back = {**amounts, "source": Wallet.FUNDING, "target": shape.wallet}
    return lambda: exchange.transfer(OWNER, coin, **back)


def _leverage(soak: "Soak", _: random.Random, __: float) -> None:
    key = soak.shape.key
    if key.kind != CONTRACT:
        return
    contract, leg = Contract(key.area, key.symbol), LegKey(key.area, key.symbol, True)
    before = soak.world.exchange.setting(OWNER, contract).long
    try:
        soak.world.exchange.change_leverage(
            OWNER, contract, mode=Mode.ISOLATED, long=leg.long, leverage=before
        )
    except ApiError:
        return


def _process() -> list[Injection]:
    return [
        Injection("kill -9", lambda soak, _, __: soak.kill(), weight=4.0),
        Injection("kill -9 and a long pause", lambda soak, _, __: soak.kill(60.0)),
        Injection("SIGTERM", lambda soak, _, __: soak.stop("SIGTERM"), weight=2.0),
        Injection("restart with new code", lambda soak, _, __: soak.restart(), weight=2.0),
        Injection("process stands still", lambda soak, _, __: soak.stand_still(60.0)),
        Injection("wall clock +1 h", _clock(3_600_000)),
        Injection("wall clock -1 h", _clock(-3_600_000)),
        Injection("wall clock +3 s", _clock(3_000)),
        Injection("feed's thread dies", lambda *_: None, weight=0.3),
        Injection("strategy raises", lambda soak, _, __: soak.spoil_strategy("raises"), 10.0),
        Injection("strategy asks for NaN", lambda soak, _, __: soak.spoil_strategy("nan"), 10.0),
        Injection("strategy asks for one price", lambda soak, _, __: soak.spoil_strategy("same")),
        Injection("strategy crosses", lambda soak, _, __: soak.spoil_strategy("crosses")),
        Injection("strategy takes", lambda soak, _, __: soak.spoil_strategy("takes"), 10.0),
        Injection("strategy is slow", lambda soak, _, __: soak.spoil_strategy("slow"), 20.0),
        Injection("limits lowered", lambda soak, _, __: soak.lower_limits(), 60.0),
    ]


def _way() -> list[Injection]:
    return [
        Injection("black hole", _flag("network", "black_hole", True, False), 60.0),
        Injection("no network", _flag("network", "cut_off", True, False), 60.0),
        Injection("latency 1 s", _flag("network", "latency", (0.5, 1.5), (0.005, 0.03))),
        Injection("feed lags 4 s", _flag("network", "lag", 4.0, 0.0)),
        Injection("feed lags 30 s", _flag("network", "lag", 30.0, 0.0), 60.0),
        Injection("feed dropped", lambda soak, _, __: soak.world.network.drop_all(), weight=4.0),
        Injection("market stands still", _flag("walk", "still", True, False), 60.0),
        Injection("price +3 %", _jump(0.03)),
        Injection("price -3 %", _jump(-0.03)),
        Injection("price +12 %", _jump(0.12), weight=0.3),
        Injection("price -25 %", _jump(-0.25), weight=0.2),
        Injection("foreign trade", _foreign_trade, weight=2.0),
        Injection("foreign order", _foreign_order),
        Injection("venue cancels one", _venue_cancels, weight=2.0),
        Injection("funds leave", _funds_leave, 60.0),
        Injection("leverage set", _leverage),
    ]


def _another_bots_order(soak: "Soak", chance: random.Random, _: float) -> Callable[[], None] | None:
    """Let an order of somebody else on the account rest for a while, some where ours are."""
    side = chance.choice(("buy", "sell"))
    away = chance.choice((8, 30, 60, 600)) * (-1 if side == "buy" else 1)
    price = soak.walk.price(soak.walk.middle() + away)
    order_id = soak.foreign(side, price, chance.randint(10, 300), strangers_oid(chance))

    def leave() -> None:
        exchange, world = soak.world.exchange, soak.world
        order = exchange.blotter.find(OWNER, order_id)
        if order and order.resting:
            world.venue_cancels(order)

    return leave if order_id else None


def _wide() -> list[Injection]:
    """What only a wide seed draws: the others keep what they have always drawn from."""
    steps = [
        Injection(f"venue clock steps {ms:+} ms", _clock_steps(ms))
        for size in (300, 1_500, 20_000, 3_600_000)
        for ms in (-size, size)
        if ms != -1_500
    ]
    return [
        *steps,
        Injection("setting changed", lambda soak, _, __: soak.reload(1), weight=8.0),
        Injection("settings changed", lambda soak, _, __: soak.reload(4), weight=2.0),
        Injection("settings cut in half", lambda soak, _, __: soak.halve_file()),
        Injection("becomes a dry run", lambda soak, _, __: soak.go_dry(), 60.0, 0.5),
        Injection("another bot's order", _another_bots_order, 120.0, 4.0),
        Injection("strategy cancels one", lambda soak, _, __: soak.spoil_strategy("cancels one")),
        Injection("strategy cancels all", lambda soak, _, __: soak.spoil_strategy("cancels all")),
    ]


KINDS = [*_replies(), *_frames(), *_venue(), *_process(), *_way()]
WIDE_KINDS = [*KINDS, *_wide()]
