"""REST: what is sent, how often, and what each answer means."""

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
import requests
import responses
from conftest import account, client_of, wait_until
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from responses.matchers import query_param_matcher

from market_maker.clock import SYSTEM, Clock
from market_maker.errors import (
    AuthError,
    BadParameter,
    Liquidated,
    MetadataFault,
    NoFunds,
    NotClosable,
    NotSent,
    OrderGone,
    OrdersLeft,
    OutcomeUnknown,
    Refused,
    RequestError,
    SettingsError,
    Temporary,
    TooFrequent,
)
from market_maker.gte import GTE, Outcome
from market_maker.models import OpenOrder, OrderRequest, OrderState, Side
from market_maker.orders import sweep
from market_maker.orders.sweep import Sweep
from market_maker.paper.server.in_process import PaperExchange
from market_maker.simulation.timeline import Timeline
from market_maker.wire import codes, endpoints, protocol
from market_maker.wire.rest import Rest
from market_maker.wire.throttle import Throttle

URL = "https://venue.invalid"
CREATE_URL = f"{URL}/v1/api/pc/order/create"
CANCEL_URL = f"{URL}/v1/api/pc/order/cancel"
QUERY_URL = f"{URL}/v1/api/pc/order/query"


def request(
    price: str = "8000", side: Side = Side.BUY, qty: int = 100, oid: str = ""
) -> OrderRequest:
    return OrderRequest(side=side, price=Decimal(price), qty=Decimal(qty), client_oid=oid)


def offline(
    *, read_only: bool = False, withdraw_path: str = "", clock: Clock = SYSTEM, **changed: Any
) -> GTE:
    given = {
        **{"base_url": URL, "symbol": "BTC_USD", "settle_currency": "BTC"},
        **{"api_key": "the-key", "api_secret": "the-secret-of-the-key"},
    }
    client = account(**(given | changed))
    return GTE(client, read_only=read_only, withdraw_path=withdraw_path, clock=clock)


def answer(code: int = 0, data: object = None, **more: object) -> dict[str, object]:
    return {"code": code, "data": data, "error": None, "time": 1577836805012, **more}


# --- what is sent -------------------------------------------------------------------------------


@responses.activate
def test_a_create_puts_plain_decimal_strings_into_the_query_string_and_nothing_into_the_body() -> (
    None
):
    sent = responses.post(CREATE_URL, json=answer(data={"order_id": "17"}))
    assert offline().create_order(request("8582.0", oid="mm_1")) == "17"
    call = sent.calls[0].request
    assert call.params == {
        **{"asset": "BTC", "symbol": "BTC_USD", "side": "1", "close_flag": "0"},
        **{"price": "8582", "qty": "100", "order_type": "1", "client_oid": "mm_1"},
    }
    assert not call.body
    assert {"api-key", "api-expires", "api-signature"} <= {name.lower() for name in call.headers}


@responses.activate
def test_a_spot_order_has_no_close_flag_and_its_own_path() -> None:
    sent = responses.post(f"{URL}/v1/api/bb/order/create", json=answer(data={"order_id": "17"}))
    spot = offline(instrument_type="bb", settle_currency="USDT", symbol="BTC/USDT")
    spot.create_order(request("8000.01", oid="mm_1"))
    assert "close_flag" not in sent.calls[0].request.params
    assert "symbol=BTC%2FUSDT" in sent.calls[0].request.url


@responses.activate
@pytest.mark.parametrize("kind", ["pc", "bb", "fx"])
def test_any_instrument_type_goes_into_the_path(kind: str) -> None:
    responses.get(
        f"{URL}/v1/api/{kind}/asset/query", json=answer(data={"rows": [{"asset": "BTC"}]})
    )
    assert offline(instrument_type=kind).asset_query() == ["BTC"]


NAMES = ("rows", "bids", "asks", "order_id", "price", "qty", "margin_mode", "currency", "status")
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "1", "-1", "NaN", "a", "1e9"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=12,
)
CALLS: dict[str, Callable[[GTE], object]] = {
    "order book": GTE.order_book_query,
    "orders": GTE.query_orders,
    "one order": lambda gte: gte.get_order("1"),
    "account": GTE.account_query,
    "instrument": GTE.instrument_query,
    "leverage": GTE.setting_query,
    "trades": GTE.trade_query,
    "candles": GTE.candle_query,
    "symbols": GTE.symbol_query,
    "create": lambda gte: gte.buy(1, 8000),
    "cancel": lambda gte: gte.cancel("1"),
}


def test_an_answer_without_rows_is_named_by_the_path_that_was_asked() -> None:
    class Empty:
        def send(self, *_: object, **__: object) -> list[Any]:
            return []

    pair = {"symbol": "BTC/USDT", "instrument_type": "bb", "settle_currency": "USDT"}
    rest = Rest(account(base_url="http://127.0.0.1:1", **pair), Empty())
    with pytest.raises(Temporary, match=r"^/v1/api/bb/order/query: the answer holds no data$"):
        rest.rows(endpoints.ORDER_QUERY, {})


@pytest.mark.sampled
@pytest.mark.parametrize("call", CALLS)
def test_an_answer_that_cannot_be_read_is_a_failed_request(call: str) -> None:
    text = ""
    client = offline(clock=Timeline())

    @given(DATA)
    @hypothesis_settings(deadline=None)
    def ask(data: object) -> None:
        nonlocal text
        text = json.dumps(answer(data=data))
        with suppress(RequestError):
            CALLS[call](client)

    with responses.RequestsMock() as venue:
        for method in (responses.GET, responses.POST):
            anywhere = re.compile(f"{URL}/.*")
            venue.add_callback(method, anywhere, callback=lambda _: (200, {}, text))
        venue.assert_all_requests_are_fired = False
        ask()


@pytest.mark.parametrize(
    "bids",
    [[["a", "1"]], [["1"]], [["NaN", "1"]], [["-1", "1"]], [["1", "-1"]], {}, [None], [[1, 2]]],
)
@responses.activate
def test_a_level_that_cannot_be_read_is_no_level(bids: object) -> None:
    responses.get(f"{URL}/v1/api/pc/order/book/query", json=answer(data={"bids": bids}))
    with pytest.raises(RequestError):
        offline().order_book_query()


@responses.activate
def test_a_public_call_carries_no_key() -> None:
    sent = responses.get(f"{URL}/v1/api/pc/asset/query", json=answer(data={"rows": []}))
    offline().asset_query()
    assert "api-key" not in sent.calls[0].request.headers


@responses.activate
def test_orders_are_listed_past_the_first_hundred_rows() -> None:
    def rows(first: int, last: int) -> dict[str, object]:
        common = {"symbol": "BTC_USD", "asset": "BTC", "side": "1", "status": "2"}
        numbers = {"price": "8000", "qty": "1", "filled_qty": "0", "client_oid": None}
        return {"rows": [{"order_id": str(n), **common, **numbers} for n in range(first, last)]}

    first = {"asset": "BTC", "symbol": "BTC_USD", "count": "100"}
    first["filter"] = '{"status":["1","2","4","16"]}'
    pages = [(first, rows(1, 101)), (first | {"gt_order_id": "100"}, rows(101, 201))]
    pages.append((first | {"gt_order_id": "200"}, rows(201, 203)))
    for params, data in pages:
        responses.get(QUERY_URL, json=answer(data=data), match=[query_param_matcher(params)])
    assert [order.order_id for order in offline().query_orders()] == [str(n) for n in range(1, 203)]


@responses.activate
def test_a_page_that_fails_voids_the_whole_list() -> None:
    responses.get(QUERY_URL, json=answer(-10002))
    with pytest.raises(Temporary):
        offline().query_orders()


@responses.activate
def test_calls_that_are_given_up_may_arrive_later_and_keep_their_places_for_two_windows() -> None:
    url = f"{URL}/v1/api/pc/candle/query"
    for body in (requests.ReadTimeout(), requests.ReadTimeout(), answer(data={"rows": []})):
        given = {"json": body} if isinstance(body, dict) else {"body": body}
        responses.get(url, **given)
    client, begun = offline(), time.monotonic()
    for _ in range(endpoints.CANDLE_QUERY.calls):
        with pytest.raises(Temporary):
            client.candle_query()
    client.candle_query()
    assert time.monotonic() - begun >= 2 * endpoints.CANDLE_QUERY.seconds


@responses.activate
def test_a_withdrawal_needs_the_path_that_no_document_names() -> None:
    with pytest.raises(SettingsError, match="WITHDRAW_PATH"):
        offline().withdraw(amount=Decimal(1), address="somewhere")
    sent = responses.post(f"{URL}/v1/api/withdraw", json=answer(data={"id": "5"}))
    client = offline(withdraw_path="/v1/api/withdraw")
    assert client.withdraw(amount=Decimal("0.10"), address="somewhere") == {"id": "5"}
    assert sent.calls[0].request.params == {
        **{"asset": "BTC", "volume": "0.1", "address": "somewhere"},
    }


def test_a_dry_client_has_no_way_to_send_a_post() -> None:
    with pytest.raises(NotSent, match="dry run"):
        offline(read_only=True).create_order(request())


def test_a_client_without_a_key_says_what_needs_one() -> None:
    with pytest.raises(NotSent, match="API key"):
        offline(api_key="", api_secret="").query_orders()


def test_every_client_oid_is_new_and_fits_the_venue() -> None:
    client = offline(prefix="thirteen_char")
    made = {client.new_client_oid() for _ in range(1000)}
    assert len(made) == 1000
    assert all(protocol.CLIENT_OID.fullmatch(oid) for oid in made)
    assert not made & {offline(prefix="thirteen_char").new_client_oid()}


# --- what an answer means -----------------------------------------------------------------------


@pytest.mark.sampled
@responses.activate
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, BadParameter) for code in (-10011, -10012, -10013, -11060)),
        *((code, AuthError) for code in (-10051, -10054, -10055, -10202, -11061)),
        (-10002, Temporary),
        *((code, MetadataFault) for code in (-16001, -16002, -16003)),
        *((code, OrderGone) for code in (-11066, -13002, -13003, -13004)),
        *((code, NoFunds) for code in (-11003, -11065, -13203)),
        *((code, NotClosable) for code in (-13005, -13101)),
        *((code, Refused) for code in (-13102, -13103, -13104)),
        *((code, Liquidated) for code in (-13105, -13106)),
        *((code, Refused) for code in (-10201, -11001, -11002, -11004, -11051, -11062, -11063)),
        *((code, Refused) for code in (-11064, -11067, -13001, -13201, -13202)),
        (-10052, Temporary),
        (-10053, TooFrequent),
        (-99999, RequestError),
    ],
)
def test_every_code_of_the_venue_is_an_error_of_its_kind(code: int, kind: type[Exception]) -> None:
    responses.get(QUERY_URL, json=answer(code))
    with pytest.raises(kind, match=str(code)) as raised:
        offline().query_orders()
    assert raised.type is kind


def test_every_documented_code_has_an_error_class_and_a_meaning() -> None:
    documented = """-10002 -10011 -10012 -10013 -10051 -10052 -10053 -10054 -10055 -10201 -10202
    -11001 -11002 -11003 -11004 -11051 -11060 -11061 -11062 -11063 -11064 -11065 -11066 -11067
    -13001 -13002 -13003 -13004 -13005 -13101 -13102 -13103 -13104 -13105 -13106 -13201 -13202
    -13203 -16001 -16002 -16003"""
    assert {int(code) for code in documented.split()} <= set(codes.ERRORS)


@responses.activate
def test_the_venues_own_words_name_the_parameter() -> None:
    detail = {"patternName": "VALIDATE_PARAM_VALUE_ERROR", "data": {"paramName": "price"}}
    responses.post(CREATE_URL, json=answer(-10013, error=detail))
    with pytest.raises(BadParameter, match="price"):
        offline().create_order(request())


BROKEN = {
    "time-out": {"body": requests.ReadTimeout()},
    "reset": {"body": requests.ConnectionError(ConnectionResetError())},
    "html": {"body": "<html>busy</html>", "status": 502},
    "html with 200": {"body": "<html>busy</html>"},
    "empty": {"body": ""},
    "cut": {"body": '{"code":0,"data":{"order_'},
    "list": {"body": "[]"},
    "no code": {"body": "{}"},
    "code as text": {"body": '{"code":"0"}'},
    "code as truth": {"body": '{"code":true}'},
    "NaN": {"body": '{"code":NaN}'},
    "redirect": {"status": 302, "headers": {"location": "https://elsewhere.invalid/"}},
    "huge": {"body": b'{"code":0,' + b" " * 5_000_000 + b"}"},
}


@responses.activate
@pytest.mark.parametrize("how", BROKEN)
def test_a_question_without_a_sound_answer_is_temporary(how: str) -> None:
    responses.get(QUERY_URL, **BROKEN[how])  # type: ignore[arg-type]
    with pytest.raises(Temporary):
        offline().query_orders()


@responses.activate
@pytest.mark.parametrize("how", BROKEN)
def test_a_create_without_a_sound_answer_is_in_doubt_and_sent_once(how: str) -> None:
    sent = responses.post(CREATE_URL, **BROKEN[how])  # type: ignore[arg-type]
    with pytest.raises(OutcomeUnknown):
        offline().create_order(request())
    assert sent.call_count == 1


@responses.activate
@pytest.mark.parametrize(
    "data", [None, {}, {"order_id": None}, {"order_id": 17}, {"order_id": "x"}]
)
def test_a_create_whose_answer_has_no_order_id_is_in_doubt(data: object) -> None:
    responses.post(CREATE_URL, json=answer(data=data))
    with pytest.raises(OutcomeUnknown):
        offline().create_order(request())


@responses.activate
@pytest.mark.parametrize("code", [-10002, -10053, -13001, -16001, -99999])
def test_a_code_that_proves_nothing_leaves_a_create_in_doubt(code: int) -> None:
    responses.post(CREATE_URL, json=answer(code))
    with pytest.raises(OutcomeUnknown):
        offline().create_order(request())


@responses.activate
@pytest.mark.parametrize("code", [-10013, -13203, -13101, -10051, -10052])
def test_a_clear_refusal_ends_a_create(code: int) -> None:
    responses.post(CREATE_URL, json=answer(code))
    with pytest.raises(RequestError) as raised:
        offline().create_order(request())
    assert not isinstance(raised.value, OutcomeUnknown)


def test_a_create_that_finds_no_server_was_never_sent() -> None:
    with PaperExchange(crowd=False) as venue:
        client = client_of(venue)
        venue.stop()
        with pytest.raises(NotSent):
            client.create_order(request())
        client.exit()


@responses.activate
def test_a_redirect_is_not_followed_with_the_key() -> None:
    responses.get(QUERY_URL, status=302, headers={"location": "https://elsewhere.invalid/"})
    elsewhere = responses.get("https://elsewhere.invalid/", json=answer())
    with pytest.raises(Temporary):
        offline().query_orders()
    assert elsewhere.call_count == 0


@responses.activate
def test_no_key_or_signature_is_in_an_error_or_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sent = responses.get(QUERY_URL, body=requests.ConnectionError("https://x/?api-key=the-key"))
    with pytest.raises(Temporary) as raised:
        offline().query_orders()
    signature = sent.calls[0].request.headers["api-signature"]
    for secret in ("the-key", "the-secret-of-the-key", str(signature)):
        assert secret not in str(raised.value)
        assert secret not in caplog.text


@responses.activate
def test_the_venues_clock_is_learnt_from_its_answers() -> None:
    ahead = int(time.time() * 1000) + 60_000
    responses.get(f"{URL}/v1/api/pc/asset/query", json=answer(data={"rows": []}) | {"time": ahead})
    client = offline()
    assert client.clock.offset() is None
    client.asset_query()
    assert abs((client.clock.offset() or 0) - 60_000) < 1_000


# --- on the paper exchange ----------------------------------------------------------------------


def open_order(order_id: str) -> OpenOrder:
    return OpenOrder(side=Side.BUY, price=Decimal(1), qty=Decimal(1), order_id=order_id)


def test_orders_are_created_listed_cancelled_and_looked_up(gte: GTE) -> None:
    bought = gte.buy(100, 8000.5)
    sold = gte.sell(50, 9000)
    assert {str(order) for order in gte.open_orders_http()} == {
        "Buy 100 @ 8000.5",
        "Sell 50 @ 9000",
    }
    gte.cancel(bought.order_id)
    ended = gte.get_order(bought.order_id)
    assert ended
    assert ended.state is OrderState.DONE
    assert [order.order_id for order in gte.open_orders_http()] == [sold.order_id]
    assert gte.get_order("1") is None


def test_the_first_batch_waits_lest_a_process_before_this_one_has_just_sent_one(
    venue: PaperExchange, gte: GTE
) -> None:
    made = gte.create_bulk_orders(
        [request(str(8000 - n), oid=gte.new_client_oid()) for n in range(3)]
    )
    gte.cancel_bulk_orders([open_order(outcome.order_id) for outcome in made])
    assert venue.judge().requests.get("pc/order/cancel_batch", 0) == 0
    assert venue.open_orders() == []


def test_bulk_orders_keep_the_venues_limits(venue: PaperExchange, gte: GTE) -> None:
    requests_ = [request(str(8000 - n), oid=gte.new_client_oid()) for n in range(58)]
    outcomes = gte.create_bulk_orders(requests_)
    assert [outcome.client_oid for outcome in outcomes] == [r.client_oid for r in requests_]
    assert not any(outcome.error for outcome in outcomes)
    assert not venue.judge().breaches
    assert len(gte.open_orders_http()) == 58


@pytest.mark.parametrize(("orders", "batches", "singles"), [(1, 0, 1), (7, 1, 0), (53, 1, 3)])
def test_bulk_cancels_take_the_fewest_requests(
    venue: PaperExchange, gte: GTE, orders: int, batches: int, singles: int
) -> None:
    gte._transport._throttle = Throttle()  # as when no process before this one can have used it up
    made = gte.create_bulk_orders(
        [request(str(8000 - n), oid=gte.new_client_oid()) for n in range(orders)]
    )
    outcomes = gte.cancel_bulk_orders([open_order(outcome.order_id) for outcome in made])
    assert not any(outcome.error for outcome in outcomes)
    counted = venue.judge().requests
    assert counted.get("pc/order/cancel_batch", 0) == batches
    assert counted.get("pc/order/cancel", 0) == singles
    assert gte.open_orders_http() == []


def cancel_all(gte: GTE, seconds: float, known: Sequence[OpenOrder] = ()) -> None:
    sweep.run(Sweep(gte, known=known), SYSTEM, seconds)


def test_cancel_all_leaves_the_orders_of_others(venue: PaperExchange, gte: GTE) -> None:
    other = client_of(venue, prefix="manual")
    theirs = other.buy(10, 8000)
    gte.create_bulk_orders([request(str(8000 - n), oid=gte.new_client_oid()) for n in range(5)])
    cancel_all(gte, 10)
    assert [order.order_id for order in gte.query_orders()] == [theirs.order_id]
    other.exit()


def test_cancel_all_begins_with_the_known_ones_in_their_order(
    gte: GTE, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [gte.buy(10, price) for price in (8000, 8001, 8002)]
    asked: list[str] = []
    cancel_bulk = gte.cancel_bulk_orders

    def noted(orders: Sequence[OpenOrder], still_wanted: Callable[[], bool]) -> list[Outcome]:
        asked.extend(order.order_id for order in orders)
        return cancel_bulk(orders, still_wanted)

    monkeypatch.setattr(gte, "cancel_bulk_orders", noted)
    cancel_all(gte, 10, [made[2], made[0]])
    assert asked == [made[n].order_id for n in (2, 0, 1)]
    assert gte.query_orders() == []


def test_cancel_all_that_cannot_be_proven_lists_what_may_be_left(
    venue: PaperExchange,
) -> None:
    client = client_of(venue, timeout=0.3)
    made = client.buy(10, 8000)
    venue.freeze()
    with pytest.raises(OrdersLeft):
        cancel_all(client, 0.5)
    venue.thaw()
    cancel_all(client, 10)
    ended = client.get_order(made.order_id)
    assert ended
    assert ended.state is OrderState.DONE
    client.exit()


def test_a_wrong_secret_is_refused(venue: PaperExchange) -> None:
    client = client_of(venue, api_secret="wrong")
    with pytest.raises(AuthError, match="-10051"):
        client.query_orders()
    client.exit()


def test_public_queries_answer_without_a_key(venue: PaperExchange) -> None:
    client = client_of(venue, api_key="", api_secret="")
    assert "BTC" in client.asset_query()
    assert any(row["symbol"] == "BTC_USD" for row in client.contract_query())
    assert client.instrument_query().symbol == "BTC_USD"
    assert client.order_book_query(size=5)["bids"][0][0] == 8490
    with pytest.raises(RequestError):
        client.instrument_query("DOGE_USD")
    client.exit()


def test_many_threads_share_one_client(gte: GTE) -> None:
    errors: list[Exception] = []

    def ask() -> None:
        try:
            gte.order_book_query()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: not any(thread.is_alive() for thread in threads))
    assert errors == []


def test_accounts_transfers_and_withdrawals(venue: PaperExchange) -> None:
    client = client_of(venue, withdraw_path="/v1/api/account/withdraw")
    before = client.account_query()[0]
    assert (before.currency, before.total) == ("BTC", 50)
    client.transfer(volume=Decimal("1.5"), source=2, target=1)
    assert client.account_query()[0].total == Decimal("48.5")
    assert client.fund_query()[0].total == Decimal("11.5")
    with pytest.raises(Refused, match="-11051"):
        client.transfer(volume=Decimal(1), source=2, target=2)
    assert client.withdraw(amount=Decimal("0.5"), address="somewhere")
    client.exit()


def test_leverage_and_margin_are_set_and_shown(venue: PaperExchange, gte: GTE) -> None:
    gte.isolate_margin(20)
    setting = gte.setting_query()
    assert (setting["margin_mode"], setting["bid_leverage"]) == ("2", "20")
    assert setting["ask_leverage"] == "20"
    gte.change_leverage(Decimal(5), mode=1)
    assert gte.setting_query()["cross_leverage"] == "5"
    resting = gte.buy(10, 8000)
    with pytest.raises(Refused, match="-13102"):
        gte.isolate_margin(10)
    gte.cancel(resting.order_id)
    wait_until(lambda: not gte.open_orders_http())
    gte.isolate_margin(10)
    gte.place_order(100, 8497.5)
    wait_until(lambda: venue.position() == (100, 0))
    gte.increase_margin(Decimal("0.001"), long=True)
    gte.increase_margin(Decimal("0.0005"), long=True, increase=False)
    gte.auto_margin(long=True, on=True)


def test_candles_and_trades_are_listed(venue: PaperExchange, gte: GTE) -> None:
    venue.take("buy", "8497.5", 7)
    assert gte.trade_query()[-1]["qty"] == "7"
    candle = gte.candle_query(interval=1, size=5)[-1]
    assert candle[4] == "8497.5"


def test_spot_orders_are_created_listed_and_cancelled(venue: PaperExchange) -> None:
    spot = client_of(venue, instrument_type="bb", settle_currency="USDT", symbol="BTC/USDT")
    assert any(row["symbol"] == "BTC/USDT" for row in spot.symbol_query())
    assert spot.instrument_query().lot < 1
    order = spot.buy(0.01, 8000)
    assert [found.order_id for found in spot.query_orders()] == [order.order_id]
    assert spot.account_query()[0].currency == "USDT"
    spot.cancel_bulk_orders([order])
    wait_until(lambda: not spot.query_orders())
    spot.exit()


def test_the_live_tables_answer_under_the_familys_names(venue: PaperExchange) -> None:
    client = client_of(venue, ws_url=venue.ws_url)
    assert client.ws
    client.ws.start()
    client.ws.wait_for_tables(client.ws.needed, 10)
    made = client.buy(10, 8000)
    wait_until(lambda: [o.order_id for o in client.open_orders_ws()] == [made.order_id])
    client.buy(5, 8497.5)
    wait_until(lambda: client.delta() == 5)
    assert client.position_ws().long.qty == 5
    wait_until(lambda: client.recent_trades())
    wait_until(lambda: client.funds())
    assert client.market_depth(1)["asks"][0][0] == "8497.5"
    client.exit()


def test_without_a_feed_the_live_tables_are_an_error(gte: GTE) -> None:
    with pytest.raises(SettingsError, match="ws_url"):
        gte.position_ws()
