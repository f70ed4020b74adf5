"""The dispatcher: checks a request, calls its endpoint and builds the reply. No HTTP here."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from market_maker.paper.api.auth import Auth, signable_texts
from market_maker.paper.api.encoding import Row, dump
from market_maker.paper.api.judge import Judge
from market_maker.paper.api.orders import create
from market_maker.paper.api.parameters import Parameters
from market_maker.paper.api.request import Request
from market_maker.paper.api.rest import ALIASES, ENDPOINTS, Endpoint, kind_of
from market_maker.paper.exchange.errors import ApiError, Code
from market_maker.paper.exchange.exchange import Exchange
from market_maker.paper.faults.schedule import Fault

PREFIX = "v1/api/"
MAX_FIELDS = 100

Pairs = list[tuple[str, str]]


class RawRequest(NamedTuple):
    """A request as it arrived: header names in any case, a path without outer slashes."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Pairs
    body: bytes = b""
    client: str = ""


class Dispatcher:
    """Answers one request at a time, each completely before the next."""

    def __init__(self, exchange: Exchange, auth: Auth, judge: Judge) -> None:
        self._exchange = exchange
        self._auth = auth
        self._judge = judge

    def answer(
        self, raw: RawRequest, now: int, fault: Fault | None = None, *, arrived: int | None = None
    ) -> tuple[int, Row]:
        """Return the HTTP status and the reply; a reply with an error has status 200, as GTE's do.

        `now` is the time of the venue's clock, `arrived` the true time by which rate limits count;
        both are ms UTC.
        """
        arrived = now if arrived is None else arrived
        name = endpoint_name(raw.path)
        endpoint = ENDPOINTS.get((raw.method, name))
        if endpoint is None:
            return 404, envelope(Code.PARAM_VALUE, "path", now=now)
        try:
            reply = envelope(0, data=self._act(raw, name, endpoint, now, fault, arrived), now=now)
        except ApiError as error:
            reply = envelope(error.code, error.subject, now=now)
        if endpoint.private:
            self._judge.requested(name, reply["code"], now)
        return 200, reply

    def _act(
        self,
        raw: RawRequest,
        name: str,
        endpoint: Endpoint,
        now: int,
        fault: Fault | None,
        arrived: int,
    ) -> Row:
        params, body = parameters(raw)
        owner = ""
        if endpoint.private:
            known = self._auth.authenticate(raw.headers, signable_texts(params, body), now)
            if raw.method != "GET" and not known.may_trade:
                raise ApiError(Code.NO_RIGHT)
            owner = known.owner
        request = Request(self._exchange, kind_of(name), owner, Parameters(params), now)
        quirks = self._exchange.quirks
        try:
            if quirks.rate_limits:
                limit, window = endpoint.limit, endpoint.window
                who = owner or raw.client
                self._auth.count(who, name, limit=limit, window=window, now=arrived)
        except ApiError:
            if quirks.limited_create_placed and endpoint.act is create:
                endpoint.act(request)
            raise
        return endpoint.act(request) if fault is None else _with_fault(endpoint, request, fault)


def _with_fault(endpoint: Endpoint, request: Request, fault: Fault) -> Row:
    """Call an endpoint with a fault applied to the request or to its data."""
    if fault.name == "code" and not fault.done:
        raise ApiError(_code(fault))
    if fault.name == "cancel_pending":
        request = request._replace(pending_ms=fault.number)
    if fault.name == "batch_half":
        ids = dump({"order_id": (request.params.filter("order_id") or [])[::2]})
        request = request._replace(params=request.params.changed(filter=ids))
    data = endpoint.act(request)
    if fault.name == "code":
        raise ApiError(_code(fault))
    rows = data.get("rows")
    if fault.name == "query_lag" and rows:
        latest = request.now - fault.number
        data["rows"] = [row for row in rows if int(row.get("ctime", 0)) <= latest]
    if fault.name == "query_churn" and rows:
        middle = len(rows) // 2
        data["rows"] = [*rows[:middle], *rows[middle + 1 :], rows[0]]
    return data


def _code(fault: Fault) -> Code:
    known = {code.value for code in Code}
    return Code(fault.number) if fault.number in known else Code.SERVER_ERROR


def endpoint_name(path: str) -> str:
    """Return the path without the common prefix, as the latest name of the endpoint."""
    name = path.removeprefix(PREFIX) if path.startswith(PREFIX) else ""
    return ALIASES.get(name, name)


def parameters(raw: RawRequest) -> tuple[dict[str, str], dict[str, Any] | None]:
    """Return all parameters as text, and the JSON body if there is one; or raise ApiError."""
    given, body = list(raw.query), None
    content = raw.body.strip()
    if content and "form-urlencoded" in raw.headers.get("Content-Type", ""):
        given += _form(content)
    elif content:
        # values are used as written, but signed as a client's JSON library writes them
        texts, body = _json_object(content, parse_float=str, parse_int=str), _json_object(content)
        given += [(name, _plain(value)) for name, value in texts.items()]
    params = dict(given)
    if len(params) != len(given):
        raise ApiError(Code.PARAM_VALUE, "repeated parameter")
    return params, body


def _form(content: bytes) -> Pairs:
    try:
        return parse_qsl(content.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise ApiError(Code.PARAM_TYPE, "body") from None


def _json_object(content: bytes, **options: Any) -> dict[str, Any]:
    try:
        body = json.loads(content, parse_constant=_reject_constant, **options)
    except (ValueError, RecursionError):
        raise ApiError(Code.PARAM_TYPE, "body") from None
    if not isinstance(body, dict):
        raise ApiError(Code.PARAM_TYPE, "body")
    return body


def _reject_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _plain(value: object) -> str:
    if value is None:
        return ""
    try:
        return value if isinstance(value, str) else dump(value)
    except RecursionError:
        raise ApiError(Code.PARAM_TYPE, "body") from None


def envelope(code: int, subject: str = "", *, data: Row | None = None, now: int = 0) -> Row:
    """Return a reply in the form that all replies have; `now` is ms UTC."""
    error = None
    if code:
        at_fault = {"paramName": subject} if subject else None
        error = {"patternName": Code(code).pattern, "data": at_fault}
    return {
        "code": int(code),
        "data": data,
        "input": None,
        "traceId": "",
        "cost": 0,
        "error": error,
        "msg": None,
        "time": now,
    }
