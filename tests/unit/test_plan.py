"""`plan` against the paper exchange: it sends no order, and what it says comes true to the unit."""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bot import settings_for
from conftest import client_of

from market_maker.app import docs
from market_maker.app.cli import main
from market_maker.gte import GTE
from market_maker.models import OrderRequest, Position, Side
from market_maker.paper.exchange.instrument import Key
from market_maker.paper.server.in_process import PaperExchange
from market_maker.settings import settings

Plan = Callable[..., dict[str, Any]]
LADDER = {"ORDER_PAIRS": 4, "ORDER_START_SIZE": 101, "ORDER_STEP_SIZE": 37, "INTERVAL": 0.003}
SPOT = {
    "SYMBOL": "BTC/USDT",
    "SETTLECURRENCY": "USDT",
    "INSTRUMENTTYPE": "bb",
    "ORDER_START_SIZE": 0.0123,
    "ORDER_STEP_SIZE": 0.0017,
}


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Give the log, the settings and the module path back as they were."""
    root, path, saved = logging.getLogger(), [*sys.path], dict(vars(settings))
    before = [*root.handlers], root.level
    yield
    root.handlers[:], sys.path[:] = before[0], path
    root.setLevel(before[1])
    vars(settings).clear()
    vars(settings).update(saved)


@pytest.fixture
def plan(venue: PaperExchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Plan:
    """Run `plan --json` with these settings, and see that no order has come of it."""

    def run(*arguments: str, **changed: object) -> dict[str, Any]:
        file = settings_for(venue, tmp_path, **(LADDER | changed))
        before = venue.judge().requests
        capsys.readouterr()
        status = main(["plan", "--json", "--settings", str(file), *arguments])
        said = capsys.readouterr()
        assert status == 0, said.err
        asked = venue.judge().requests - before
        assert all(name.endswith("query") for name in asked), asked
        return dict(json.loads(said.out))

    return run


def placed(client: GTE, planned: dict[str, Any]) -> None:
    """Place the ladder of a plan."""
    for order in planned["orders"]:
        request = OrderRequest(
            side=Side(order["side"]),
            price=Decimal(order["price"]),
            qty=Decimal(order["qty"]),
            close=order["close"],
            client_oid=client.new_client_oid(),
        )
        client.create_order(request)


def with_book(venue: PaperExchange, key: Key, bid: str, ask: str) -> None:
    for side, price in (("buy", bid), ("sell", ask)):
        venue.put(side, price, 100_000, key)


CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"SYMBOL": "ETH_USD", "SETTLECURRENCY": "ETH"}, {"long": "3.33", "short": "77"}),
    ({"SYMBOL": "ETH_USD"}, {"cross": "100"}),
    ({"MIN_SPREAD": 0.002}, {"long": "1", "short": "1", "position": (150, 0)}),
    ({"POSITION_MODE": "hedge"}, {"cross": "25", "position": (300, 120)}),
    (
        {
            "POSITION_MODE": "hedge",
            "MAX_POSITION": 150,
            "MIN_POSITION": -150,
            "ORDER_START_SIZE": 20,
            "ORDER_STEP_SIZE": 1,
        },
        {"position": (50, 149)},
    ),
    (SPOT, {}),
]


@pytest.mark.sampled
@pytest.mark.parametrize(("changed", "account"), CASES)
def test_the_margin_is_to_the_unit_what_the_exchange_binds(
    venue: PaperExchange, plan: Plan, changed: dict[str, Any], account: dict[str, Any]
) -> None:
    area, symbol = changed.get("SETTLECURRENCY", "BTC"), changed.get("SYMBOL", "BTC_USD")
    kind = changed.get("INSTRUMENTTYPE", "pc")
    if symbol != "BTC_USD":
        price = ("8490", "8497.5") if kind == "bb" else ("165", "165.15")
        with_book(venue, Key(kind, area, symbol), *price)
    client = client_of(venue, symbol=symbol, settle_currency=area, instrument_type=kind)
    if "cross" in account:
        client.change_leverage(Decimal(account["cross"]), mode=1)
    for long in (True, False):
        if name := account.get("long" if long else "short"):
            client.change_leverage(Decimal(name), long=long)
    long_qty, short_qty = account.get("position", (0, 0))
    if long_qty:
        client.buy(long_qty, "8497.5")
    if short_qty:
        client.sell(short_qty, "8490")
    before = {row.currency: row for row in client.account_query()}[area]
    planned = plan(**changed)
    placed(client, planned)
    held = venue.open_orders()
    assert len(held) == len(planned["orders"]) >= 4
    total: dict[str, Decimal] = {}
    for order in held:
        is_base = kind == "bb" and order.side.name == "SELL"
        currency = "BTC" if is_base else area
        total[currency] = total.get(currency, Decimal(0)) + order.held
    assert {name: Decimal(text) for name, text in planned["bound"].items()} == total
    after = {row.currency: row for row in client.account_query()}[area]
    assert before.available - after.available == total[area]
    assert Decimal(planned["balance"]) == before.total
    assert Decimal(planned["position"]) == long_qty - short_qty
    client.exit()


CUT = Decimal("0.101")
"""Rows cut liquidation prices to 0.1."""


def shown_by(client: GTE) -> Position:
    """Return the position by the venue's rows."""
    client.instrument_query()
    feed = client.ws
    assert feed
    feed.start()
    feed.wait_for_tables(feed.needed, 10)
    return feed.position()


# --- the ends -----------------------------------------------------------------------------------


@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize(("side", "name"), [("sell", "falls"), ("buy", "rises")])
def test_the_end_at_the_last_level_comes_true(
    venue: PaperExchange, plan: Plan, side: str, name: str, cross: bool
) -> None:
    """Somebody takes all levels of a side; the mark stays, so legs are compared, not the result."""
    client = client_of(venue, ws_url=venue.ws_url)
    client.change_leverage(Decimal(20), mode=1 if cross else 2, long=None if cross else True)
    client.buy(150, "8497.5")
    planned = plan(MIN_SPREAD=0.0002, INTERVAL=0.0003)
    placed(client, planned)
    (end,) = (each for each in planned["ends"] if each["name"] == f"{name} to the last level")
    balance = client.account_query()[0].total
    venue.take(side, end["price"], 10**6)
    assert venue.open_orders(), "the other side stays"
    legs = venue.position()
    assert legs[0] - legs[1] == Decimal(end["position"])
    position = shown_by(client)
    shown = position.long if position.net > 0 else position.short
    if not (position.long.qty and position.short.qty):
        assert shown.liquidation_price
        assert abs(Decimal(end["liquidation"]) - shown.liquidation_price) < CUT
    held = sum(
        leg.qty * (1 / leg.entry_price - 1 / Decimal(end["price"])) * sign
        for sign, leg in ((1, position.long), (-1, position.short))
        if leg.qty
    )
    mark = Decimal(planned["price"])
    now = 150 * (1 / Decimal("8497.5") - 1 / mark)
    gained = client.account_query()[0].total - balance + held - now
    assert abs(gained - Decimal(end["result"])) < Decimal("0.000003"), "balances are cut to 1e-6"
    client.exit()


@pytest.mark.parametrize("cross", [False, True])
def test_the_liquidation_of_now_is_that_of_the_venues_row(
    venue: PaperExchange, plan: Plan, cross: bool
) -> None:
    """Margin that was added by hand is known by the row alone."""
    client = client_of(venue, ws_url=venue.ws_url)
    client.change_leverage(Decimal(50), mode=1 if cross else 2, long=None if cross else True)
    client.buy(5000, "8512.5")
    if not cross:
        client.increase_margin(Decimal("0.01"), long=True)
    (stays,) = (each for each in plan()["ends"] if each["name"] == "stays")
    row = shown_by(client).long
    assert row.liquidation_price
    assert abs(Decimal(stays["liquidation"]) - row.liquidation_price) < CUT
    client.exit()


# --- the account ----------------------------------------------------------------------------------


def test_without_a_key_the_account_is_assumed_and_said(
    venue: PaperExchange, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = {"API_KEY": "", "API_SECRET": "", "DRY_RUN": True}
    planned = plan(**nobody)
    assert planned["notes"] == [
        "no key, so assumed: leverage 10 isolated, balance 50 BTC, position 0"
    ]
    assert not any("account" in name or "order/query" in name for name in venue.judge().requests)
    given = ("--balance", "0.5", "--position", "-400", "--leverage", "25")
    short = plan(*given, **nobody)
    assert (short["balance"], short["position"]) == ("0.5", "-400")
    assert Decimal(short["share_of_balance"]) == Decimal(short["bound"]["BTC"]) / Decimal("0.5")
    assert short["orders"][0]["close"] is True
    worth = 400 / Decimal(short["price"])
    assert Decimal(short["position_margin"]) == worth / 25
    assert Decimal(short["available"]) == Decimal("0.5") - worth / 25


def test_what_is_said_of_the_account_wins_over_what_is_read(
    venue: PaperExchange, plan: Plan
) -> None:
    planned = plan("--position", "250")
    assert planned["notes"] == [
        "read: leverage 10 isolated, balance 50 BTC",
        "assumed: position 250",
    ]
    assert planned["position"] == "250"


def test_own_orders_that_rest_are_thought_away(venue: PaperExchange, plan: Plan, gte: GTE) -> None:
    first = plan()
    client = client_of(venue, prefix="mm_gte_")
    client.buy(300, "8491")
    client.exit()
    again = plan()
    assert again["notes"][-1] == "1 own orders rest now; this is as if they did not"
    assert (again["bid"], again["orders"]) == (first["bid"], first["orders"])
    assert Decimal(again["available"]) == Decimal(first["available"])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_tells_every_field_of_the_json(plan: Plan, language: str) -> None:
    page = (docs.ROOT / language / "plan.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    planned = plan("--change", "ORDER_PAIRS=2")
    inner = {name for end in planned["ends"] for name in end}
    inner |= {name for order in planned["orders"] for name in order}
    inner |= {*planned["leverage"], *planned["requests"], *planned["round_trip"]}
    assert {*planned, *inner} <= told


# --- other strategies and settings ----------------------------------------------------------------

MINE = """
from market_maker.market_maker import OrderManager
from market_maker.settings import setting, settings

class Mine(OrderManager):
    SETTINGS = {"EDGE": setting(0.001, "", low=0, high=0.1)}
    def place_orders(self):
        print("a strategy may print")
        depth = self.exchange.get_market_depth()
        best = max(row["price"] for row in depth if row["side"] == "Buy")
        size = max(row["size"] for row in depth if row["price"] == best)
        self.converge_orders(
            [{"price": best * (1 - settings.EDGE), "orderQty": size, "side": "Buy"}], []
        )
"""


def test_any_strategy_is_shown_with_its_own_settings_and_the_real_book(
    plan: Plan, tmp_path: Path
) -> None:
    (tmp_path / "mine_planned.py").write_text(MINE)
    name = str(tmp_path / "mine_planned.py")
    planned = plan("--strategy", name, "--change", "EDGE=0.01")
    (order,) = planned["orders"]
    assert (order["price"], order["qty"]) == ("8481.5", "1000"), "the book's 1000 at 8490"
    assert planned["changed"]["orders"][0]["price"] == "8405.0"
    assert not any("INTERVAL" in doubt for doubt in planned["doubts"]), "it has no ladder"


def test_changes_are_compared_and_leave_the_file_as_it_is(plan: Plan) -> None:
    planned = plan("--change", "ORDER_PAIRS=2", "--change", "POSITION_MODE=hedge")
    assert (len(planned["orders"]), len(planned["changed"]["orders"])) == (8, 4)
    assert settings.ORDER_PAIRS == 2, "the last one that was loaded"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--change", "ORDER_PAIRS=0"], "ORDER_PAIRS must be at least 1, not 0"),
        (["--change", "ORDER_PAIRS=100"], "ORDER_PAIRS = 100 needs MAX_OPEN_ORDERS = 200"),
        (["--change", "ORDER_PAIR=3"], "did you mean ORDER_PAIRS?"),
        (["--change", "SOMETHING=3"], "SOMETHING is not a setting"),
        (["--change", "ORDER_START_SIZE=0.5"], "ORDER_START_SIZE 0.5 is less than the lot 1"),
        (["--strategy", "no_such_thing"], "no such module"),
        (["DOGE_USD"], "SYMBOL: GTE has no DOGE_USD in BTC; it has BTC_USD, ETH_USD"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    venue: PaperExchange,
    tmp_path: Path,
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = settings_for(venue, tmp_path, **LADDER)
    assert main(["plan", "--settings", str(file), *arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--change", "ORDER_PAIRS"], "must be NAME=VALUE"),
        (["--change", "API_KEY=abcdef-secret"], "API_KEY is secret, and changes no plan"),
        (["--change", "abcdef-secret"], "must be NAME=VALUE"),
        (["--balance", "-1"], "must be 0 or more"),
        (["--leverage", "0.5"], "must be a number from 1 to 1000"),
        (["--move", "100"], "must be a number from 0.01 to 99"),
        (["--position", "nan"], "must be a number below 1e15"),
        (["--leverage", "nan"], "must be a number from 1 to 1000"),
        (["--move", "nan"], "must be a number from 0.01 to 99"),
        (["--hourly-move", "nan"], "must be a number"),
        (["--change", "NOTIFY_URL=https://hooks.example/abcdef-secret"], "NOTIFY_URL is secret"),
        (["--seed", "3"], "--seed goes with --paper"),
    ],
)
def test_usage_is_checked_and_shows_no_value_of_a_setting(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["plan", *arguments])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert words in said
    assert "abcdef-secret" not in said


def test_a_strategy_that_fails_is_named_with_what_it_raised(
    venue: PaperExchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = MINE.replace("depth = ", "depth = {}['nothing'] or ")
    (tmp_path / "failing_planned.py").write_text(text)
    file = settings_for(venue, tmp_path, **LADDER)
    name = str(tmp_path / "failing_planned.py")
    assert main(["plan", "--settings", str(file), "--strategy", name]) == 1
    assert "the strategy raised KeyError: 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("raise SystemExit(3)\n", "it raised SystemExit: 3"),
        (MINE.replace("depth = ", "raise SystemExit(7)\n        depth = "), "raised SystemExit: 7"),
        (MINE + "    def __init__(self):\n        raise ValueError('no')\n", "ValueError: no"),
        (MINE + "    SETTINGS = {'FAR': 3}\n", "FAR must be made by setting()"),
    ],
)
def test_a_strategy_that_ends_or_cannot_begin_ends_the_plan_with_its_name(
    text: str,
    words: str,
    venue: PaperExchange,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = tmp_path / f"ending_{len(text)}.py"
    name.write_text(text)
    file = settings_for(venue, tmp_path, **LADDER)
    assert main(["plan", "--settings", str(file), "--strategy", str(name)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


def test_a_side_that_is_not_quoted_is_told_with_the_reason(plan: Plan) -> None:
    found = plan("--position=229", MAX_POSITION=100, CHECK_POSITION_LIMITS=True)
    reason = "Long position limit reached, no more buys: up to 229, MAX_POSITION 100"
    assert reason in found["said"]
    assert "there are no buys: only one side is quoted" in found["doubts"]
    low = plan(ORDER_PAIRS=45, INTERVAL=0.5)
    assert any("buys have no price above zero" in text for text in low["said"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--position=0.5"], "no multiple of the lot"), (["--position=-7.25"], "no multiple")],
)
def test_a_position_that_cannot_be_is_refused(
    arguments: list[str],
    words: str,
    venue: PaperExchange,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = settings_for(venue, tmp_path, **LADDER)
    assert main(["plan", "--settings", str(file), *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_file_that_runs_a_bot_when_imported_runs_none(
    venue: PaperExchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "running_planned.py").write_text(MINE + "\nMine().run_loop()\n")
    file = settings_for(venue, tmp_path, **LADDER)
    name = str(tmp_path / "running_planned.py")
    assert main(["plan", "--settings", str(file), "--strategy", name]) == 2
    assert "runs a bot when it is imported, and this command runs none" in capsys.readouterr().err
    assert venue.judge().accepted == 0


def test_of_several_ladders_in_a_tick_the_last_counts_with_what_stands_beside_it(
    plan: Plan, tmp_path: Path
) -> None:
    text = MINE.replace(
        "        depth =", "        self.converge_orders([], [])\n        depth ="
    ) + (
        "        self.exchange.create_bulk_orders(\n"
        "            [{'price': 8400, 'orderQty': 7, 'side': 'Buy'}])\n"
    )
    (tmp_path / "beside_planned.py").write_text(text)
    planned = plan("--strategy", str(tmp_path / "beside_planned.py"))
    assert [(o["price"], o["qty"]) for o in planned["orders"]] == [
        ("8481.5", "1000"),
        ("8400.0", "7"),
    ]


def test_a_venue_that_does_not_answer_is_said_with_the_way_out(
    venue: PaperExchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = settings_for(venue, tmp_path, **LADDER)
    venue.stop()
    assert main(["plan", "--settings", str(file)]) == 4
    said = capsys.readouterr().err
    assert f"Nothing serves {venue.rest_url}: start the paper exchange" in said


@pytest.mark.slow
def test_nobody_is_told_to_start_a_venue_that_answers_but_has_nothing_to_show(
    venue: PaperExchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = settings_for(venue, tmp_path, **LADDER)
    venue.fault("no_partial", match="order_book", for_ms=60_000)
    assert main(["plan", "--settings", str(file)]) == 4
    assert "Nothing serves" not in capsys.readouterr().err


def test_it_watches_as_long_as_it_is_told_to(plan: Plan, tmp_path: Path) -> None:
    text = MINE.replace("settings.EDGE", "0.001 * len(self.seen)").replace(
        "        depth =", "        self.seen = [*getattr(self, 'seen', []), 1]\n        depth ="
    )
    (tmp_path / "watching_planned.py").write_text(text)
    name = str(tmp_path / "watching_planned.py")
    once = plan("--strategy", name)
    longer = plan("--strategy", name, "--watch", "0.25", LOOP_INTERVAL=0.1)
    assert once["orders"][0]["price"] == "8481.5"
    assert Decimal(longer["orders"][0]["price"]) == Decimal("8464.5"), "the third look"
