"""The client_oid of own orders: identifies them in the venue's order list alone.

    prefix (at most 13)  run (6)  number (7)  check (2)

A run is one process; the number counts its orders; the check digits reject ids that only share the
prefix, or were cut or altered. Side and leg are in the venue's rows. The level of the ladder is not
part of the id, because a kept order may come to serve another level.
"""

import string
from zlib import crc32

RUN, NUMBER, CHECK = 6, 7, 2
DIGITS = string.digits + string.ascii_lowercase


def base36(number: int, digits: int) -> str:
    """Return the last `digits` digits of a number in base 36.

    >>> base36(36, 3)
    '010'
    """
    return "".join(DIGITS[number // 36**place % 36] for place in reversed(range(digits)))


def new_oid(prefix: str, run: str, number: int) -> str:
    """Return the client_oid of the order with this number in a run."""
    body = prefix + run + base36(number, NUMBER)
    return body + _check(body)


def is_ours(client_oid: str, prefix: str) -> bool:
    """Return whether an id was made with this prefix, and not cut or altered since."""
    body, check = client_oid[:-CHECK], client_oid[-CHECK:]
    right_length = len(client_oid) == len(prefix) + RUN + NUMBER + CHECK
    return right_length and client_oid.startswith(prefix) and check == _check(body)


def run_of(client_oid: str, prefix: str) -> str:
    """Return the run part of the client_oid of an own order."""
    return client_oid[len(prefix) : len(prefix) + RUN]


def _check(body: str) -> str:
    return base36(crc32(body.encode()), CHECK)
