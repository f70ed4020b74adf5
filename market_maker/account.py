"""The account that a client acts for."""

import ipaddress
from dataclasses import dataclass, field

from market_maker.secrecy import Secret, revealed

ANSWER_SECONDS = 4.0
"""The longest wait for an answer: short, so that the loop goes on."""
PAPER = "paper-"
"""How the keys of the paper exchange begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account, venue and symbol: all that cancelling needs, and what every client is given.

    Without a key pair (a dry run) only public calls are possible.
    """

    base_url: str
    symbol: str
    settle_currency: str
    instrument_type: str = "pc"
    """`pc` for perpetual contracts, `bb` for spot."""
    api_key: Secret = field(default_factory=lambda: Secret(""))
    api_secret: Secret = field(default_factory=lambda: Secret(""))
    prefix: str = "mm_"
    """The prefix of the client_oids of own orders."""
    ws_url: str = ""
    """The address of the feed; empty for a client without one."""
    timeout: float = 7.0
    """Seconds to wait for an answer; more than ANSWER_SECONDS count as those."""

    @property
    def is_contract(self) -> bool:
        """Whether it trades contracts: they have positions, private tables and batch cancels."""
        return self.instrument_type != "bb"

    @property
    def is_paper(self) -> bool:
        """Whether its orders go to the paper exchange."""
        return is_paper_key(self.api_key)


def is_paper_key(key: str) -> bool:
    """Return whether a key is of the paper exchange."""
    return revealed(key).startswith(PAPER)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
