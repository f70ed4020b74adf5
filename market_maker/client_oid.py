"""The client_oid of our orders: whose they are can be told from the venue's list alone.

    prefix (at most 13)  run (6)  number (7)  check (2)

A run is one process; its number counts its orders; the check tells our ids from those that only
begin alike, were cut or altered. Side and leg are in the venue's rows; a level of the ladder is no
part of an order, because an order that is kept may come to serve another level.
"""

import string
from zlib import crc32

RUN, NUMBER, CHECK = 6, 7, 2
DIGITS = string.digits + string.ascii_lowercase


def base36(number: int, digits: int) -> str:
    """Return the last so many digits of a number in base 36.

    >>> base36(36, 3)
    '010'
    """
    return "".join(DIGITS[number // 36**place % 36] for place in reversed(range(digits)))


def new_oid(prefix: str, run: str, number: int) -> str:
    """Return the id of the order of this number in a run."""
    body = prefix + run + base36(number, NUMBER)
    return body + _check(body)


def is_ours(client_oid: str, prefix: str) -> bool:
    """Say whether an id was made with this prefix, and not cut or altered since."""
    body, check = client_oid[:-CHECK], client_oid[-CHECK:]
    right_length = len(client_oid) == len(prefix) + RUN + NUMBER + CHECK
    return right_length and client_oid.startswith(prefix) and check == _check(body)


def run_of(client_oid: str, prefix: str) -> str:
    """Return the run that made an order of ours."""
    return client_oid[len(prefix) : len(prefix) + RUN]


def _check(body: str) -> str:
    return base36(crc32(body.encode()), CHECK)
