"""The plain client of the tests signs as the wire reference says."""

import pytest
from paper_client import sign


@pytest.mark.parametrize(
    ("message", "signature"),
    [
        (
            'demoKey00011577836805000{"asset":"BTC","count":"100","filter":"{"status":["2"]}"}',
            "8aa00a799505717bf5f934449f4af59bf563f00ae2a22d9a296e260320421452",
        ),
        ("GET/ws1577836805000", "da1f72dfd579524a50cee8cebe1265918a8ee06ff7dc57e3a8d2da4076396103"),
    ],
)
def test_this_client_signs_as_the_vectors_say(message: str, signature: str) -> None:
    assert sign("demoSecret0001", message) == signature
