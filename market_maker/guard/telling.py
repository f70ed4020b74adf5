"""What a guard tells a person, once it has cancelled or while it cannot."""

from collections.abc import Sequence

from market_maker.account import Account
from market_maker.clock import SYSTEM
from market_maker.notify import About, Kind, Message, Sender
from market_maker.secrecy import Secret, fit

CLOSE_SECONDS = 10.0
"""Seconds that the end of a guard waits for its last message."""


class Telling:
    """Sends notifications about one bot that has died or hangs; no method waits but `close()`."""

    def __init__(self, url: Secret, account: Account) -> None:
        self._sender = Sender(url)
        run = "PAPER" if account.is_paper else "LIVE"  # a dry run has no guard
        self._about = About(symbol=account.symbol, prefix=account.prefix, run=run)
        self._is_stuck = False

    def finished(self, why: str, cancelled: int) -> None:
        """Tell that no order is left, after so many were cancelled; `why` tells of the bot."""
        self._is_stuck = False
        self._tell(
            Kind.DIED,
            f"{_sentence(why)}. Its guard has cancelled {cancelled} orders, and none is left. "
            "The position stays. Look at the log, then start the bot again.",
        )

    def stuck(self, why: str, trouble: str) -> None:
        """Tell, once, that the guard makes no progress; `trouble` tells what keeps it."""
        if self._is_stuck:
            return
        self._is_stuck = True
        self._tell(
            Kind.ORDERS_LEFT,
            f"{_sentence(why)}. Its guard is cancelling: {trouble}. It goes on trying. Look at the "
            "venue, and cancel them there or with `marketmaker cancel`.",
        )

    def gave_up(self, why: str, left: Sequence[str]) -> None:
        """Tell that the guard has given up; `left` are the orders that may rest, in words."""
        self._tell(
            Kind.ORDERS_LEFT,
            f"{_sentence(why)}. Its guard has given up. {len(left)} orders may be left: "
            f"{'; '.join(left) or 'which ones is not known'}. Cancel them at the venue or with "
            "`marketmaker cancel`.",
        )

    def close(self) -> None:
        """Wait a moment for what is still to be sent."""
        self._sender.close(CLOSE_SECONDS)

    def _tell(self, kind: Kind, text: str) -> None:
        message = Message(kind=kind, about=self._about, text=fit(text), time_ms=SYSTEM.now_ms())
        self._sender.tell(message)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
