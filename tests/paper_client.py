"""A plain client of GTE for the tests, written from the documents and apart from the bot."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import requests
import websocket

from market_maker.clock import SYSTEM
from market_maker.paper.server.in_process import PaperExchange

Row = dict[str, Any]


def params_string(params: dict[str, str]) -> str:
    """Return the signed form of parameters (design: The wire)."""
    pairs = sorted((name, value) for name, value in params.items() if value)
    return "{" + ",".join(f'"{name}":"{value}"' for name, value in pairs) + "}"


def sign(secret: str, message: str) -> str:
    """Return a signature."""
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


def headers(key: str, secret: str, params: dict[str, str], expires: int) -> dict[str, str]:
    """Return the three headers of a private request."""
    return {
        "api-key": key,
        "api-expires": str(expires),
        "api-signature": sign(secret, f"{key}{expires}{params_string(params)}"),
    }


def login(key: str, secret: str, expires: int) -> Row:
    """Return the message that authenticates a WebSocket."""
    signature = sign(secret, f"GET/ws{expires}")
    args = {"api_key": key, "expires": str(expires), "signature": signature}
    return {"op": "auth_key_expires", "args": args}


class Client:
    """REST."""

    def __init__(self, venue: PaperExchange) -> None:
        self.venue = venue
        self.http = requests.Session()
        self.http.trust_env = False

    def call(self, method: str, path: str, **given: object) -> Row:
        """Send a signed request with its parameters in the query; return the reply."""
        params = {name: str(value) for name, value in given.items()}
        signed = headers(self.venue.key, self.venue.secret, params, SYSTEM.now_ms() + 5000)
        url = f"{self.venue.rest_url}/v1/api/{path}"
        reply = self.http.request(method, url, params=params, headers=signed, timeout=5)
        assert reply.status_code == 200
        content: Row = reply.json()
        return content

    def data(self, method: str, path: str, **given: object) -> Row:
        """Do the same and return the data of a reply without an error."""
        reply = self.call(method, path, **given)
        assert reply["code"] == 0, reply
        data: Row = reply["data"]
        return data

    def create(self, side: int, price: str, qty: int, close_flag: int = 0, **more: object) -> Row:
        """Place an order in BTC_USD and return the reply."""
        order = {"side": side, "price": price, "qty": qty, "close_flag": close_flag}
        place = {"asset": "BTC", "symbol": "BTC_USD", "order_type": 1}
        return self.call("POST", "pc/order/create", **place, **order, **more)

    def orders(self, **params: object) -> list[Row]:
        """Return the rows of an order query."""
        rows: list[Row] = self.data("GET", "pc/order/query", asset="BTC", **params)["rows"]
        return rows


class Socket:
    """A WebSocket; it waits for the wanted frame and ignores all others."""

    def __init__(self, client: Client, path: str = "/ws") -> None:
        url = client.venue.rest_url.replace("http", "ws") + path
        self.ws = websocket.create_connection(url, timeout=5)
        self.venue = client.venue

    def send(self, message: object) -> str:
        """Send a message and return the status of its answer."""
        self.ws.send(message if isinstance(message, str) else json.dumps(message))
        return str(self.until(lambda frame: "status" in frame)["status"])

    def auth(self) -> str:
        """Authenticate."""
        return self.send(login(self.venue.key, self.venue.secret, SYSTEM.now_ms() + 5000))

    def sub(self, table: str, symbol: str = "BTC_USD", kind: str = "pc", area: str = "BTC") -> str:
        """Subscribe; without a symbol to all of the area."""
        args = {"instrument_type": kind, "table": table, "settle_currency": area}
        return self.send({"op": "sub", "args": args | ({"symbol": symbol} if symbol else {})})

    def until(self, wanted: Callable[[Row], bool]) -> Row:
        """Return the next frame that is wanted."""
        while True:
            frame: Row = json.loads(self.ws.recv())
            if wanted(frame):
                return frame

    def frame(self, table: str, action: str | None = None) -> Row:
        """Return the next frame of a table."""
        return self.until(
            lambda frame: frame.get("table") == table and action in (None, frame.get("action"))
        )
