"""Signatures, against vectors computed by the venue's rules (design: The wire)."""

import json

import pytest
import requests

from market_maker import auth

KEY, SECRET, EXPIRES = "demoKey0001", "demoSecret0001", 1577836805000

QUERY = {"count": "100", "asset": "BTC", "filter": '{"status":["2"]}'}
CREATE = {
    "symbol": "BTC_USD",
    "side": "1",
    "qty": "40",
    "price": "7250.5",
    "order_type": "1",
    "close_flag": "0",
    "client_oid": "mm-000017",
    "asset": "BTC",
}


@pytest.mark.parametrize(
    ("params", "text", "signature"),
    [
        (
            QUERY,
            '{"asset":"BTC","count":"100","filter":"{"status":["2"]}"}',
            "8aa00a799505717bf5f934449f4af59bf563f00ae2a22d9a296e260320421452",
        ),
        (
            CREATE,
            '{"asset":"BTC","client_oid":"mm-000017","close_flag":"0","order_type":"1",'
            '"price":"7250.5","qty":"40","side":"1","symbol":"BTC_USD"}',
            "2c612f2c8ef9fcd431adcdc83fafd9e1ee4a001fd90b3a2612cdfded64b07215",
        ),
        ({}, "{}", "549b0b0fc1a6508318e821b30162a1e9d899aa207963cda6bee29061e478d5a3"),
    ],
)
def test_requests_are_signed_as_documented(
    params: dict[str, str], text: str, signature: str
) -> None:
    assert auth.params_string(params) == text
    assert auth.sign(SECRET, f"{KEY}{EXPIRES}{text}") == signature


def test_the_websocket_login_is_signed_as_documented() -> None:
    frame = json.loads(auth.websocket_login(KEY, SECRET, EXPIRES))
    assert frame == {
        "op": "auth_key_expires",
        "args": {
            "api_key": KEY,
            "expires": "1577836805000",
            "signature": "da1f72dfd579524a50cee8cebe1265918a8ee06ff7dc57e3a8d2da4076396103",
        },
    }


def test_empty_parameters_are_left_out() -> None:
    assert auth.params_string({"asset": "BTC", "count": None, "symbol": ""}) == '{"asset":"BTC"}'


@pytest.mark.parametrize("value", ["a b", "a\\b", "ä", "a\nb", "１"])
def test_a_value_that_would_break_the_signature_is_refused_by_name(value: str) -> None:
    with pytest.raises(ValueError, match="client_oid"):
        auth.params_string({"client_oid": value})


@pytest.mark.parametrize("params", [QUERY, CREATE, {"asset": "USDT", "symbol": "BTC/USDT"}])
def test_a_request_carries_the_signature_of_the_query_that_is_sent(params: dict[str, str]) -> None:
    signer = auth.APIKeyAuthWithExpires(KEY, SECRET, lambda: EXPIRES - auth.EXPIRES_AFTER_MS)
    request = requests.Request("POST", "http://127.0.0.1/v1/api/x", params=params, auth=signer)
    headers = request.prepare().headers
    assert headers["api-key"] == KEY
    assert headers["api-expires"] == str(EXPIRES)
    expected = auth.sign(SECRET, f"{KEY}{EXPIRES}{auth.params_string(params)}")
    assert headers["api-signature"] == expected
