"""The dependencies of a run: those of trading, and session, signals and whom to tell of it."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from market_maker.guard.service import Service
from market_maker.guard.session import Session
from market_maker.guard.signals import Signals
from market_maker.journal import Journal
from market_maker.orders.orders import EarlierRuns
from market_maker.secrecy import Secret
from market_maker.trading import Dependencies

if TYPE_CHECKING:
    from market_maker.bot.notifications import Tells


def sender_to(url: Secret) -> "Tells":
    """Return what sends notifications to an address; only then is anything loaded for it."""
    from market_maker.notify import Sender

    return Sender(url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime(Dependencies):
    """What a run is given beside: a simulated one has nothing of this."""

    session: Callable[..., Session] | None = None
    """Begins the session of a live run; None for a run without lock, latch and guard."""
    sender: Callable[[Secret], "Tells"] | None = None
    """Makes what sends notifications; None for a run that sends none, as a simulated one."""
    service: Callable[[], Service] | None = None
    """Returns the service manager to tell; None where nobody starts the run as a service."""
    signals: Signals | None = None
    """Passes signals on to the run; None where nobody sends any."""
    loops: int | None = None
    """Number of ticks after which the run ends."""
    watches_files: bool = True
    """Whether a file that changes changes the run; a back-test stays what it was at its start."""
    can_restart: bool = False
    """Whether this program can restart itself for changed code."""

    def with_session(self, session: Session) -> "Runtime":
        """Return these dependencies with what a session knows of previous runs."""
        trades = session.files.money() if self.is_restart else None
        if not self.is_restart:
            session.files.forget_money()
        return replace(
            self,
            client=partial(self.client, shared=session.files.shared()),
            trades=trades or None,
            earlier=EarlierRuns(
                known=session.known_runs, may_be_late=session.may_be_late, notes=session.notes
            ),
        )


SCRIPT = Runtime(
    session=Session,
    sender=sender_to,
    service=lambda: Service(os.environ),
    signals=Signals(),
    journal=Journal,
)
"""What the bot of a script is given: it takes lock and guard, and signals stop it."""
