"""The guard's side: watches the bot at the other end of a pipe, and cancels its orders."""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, BinaryIO

from market_maker.account import Account
from market_maker.clock import SYSTEM, Clock
from market_maker.gte import GTE
from market_maker.guard.guard import BEAT, GOODBYE
from market_maker.guard.runfiles import RunFiles
from market_maker.orders.sweep import OPEN_STILL, Step, Sweep
from market_maker.secrecy import Secret

if TYPE_CHECKING:
    from market_maker.guard.telling import Telling

logger = logging.getLogger(__name__)

HANG_SECONDS = 10.0
"""A bot that has sent heartbeats, and then none for so long, is hung."""
GIVE_UP_SECONDS = 600.0
ROUND_SECONDS = 5.0
LOOK_AGAIN = 1.0
MAY_BE_LEFT = "orders may be left"
BEATEN, LEFT, DIED = "beat", "left", "died"
"""What the guard hears of the bot; the last two end the watch."""


def stand_by(pipe: BinaryIO, learn: Callable[[Account], None] = lambda _: None) -> None:
    """Guard the bot at the other end of the pipe until it has ended, cleanly or not.

    `learn` is given the account first.
    """
    line = pipe.readline()
    if line.endswith(b"\n"):
        charge = json.loads(line)
        account = account_of(charge["account"])
        learn(account)
        files = RunFiles(account, directory=Path(charge["directory"]))
        files.lock.inherit(charge["lock"])
        told = _telling(charge.get("notify_url", ""), account)
        Watch(GTE(account, shared=files.shared()), files, pipe, told=told).run()
        if told:
            files.close()  # a new bot need not wait for what is still to be told
            told.close()


def _telling(url: str, account: Account) -> "Telling | None":
    """Return what tells a person; None without an address, and then nothing is loaded for it."""
    if not url:
        return None
    from market_maker.guard.telling import Telling

    return Telling(Secret(url), account)


def account_of(plain: Mapping[str, Any]) -> Account:
    """Return the account of which `revealed()` has made plain values."""
    keys = {"api_key": Secret(plain["api_key"], tail=4), "api_secret": Secret(plain["api_secret"])}
    return Account(**{**plain, **keys})


class Watch:
    """Watches one bot. It sends nothing while the bot is well, and never creates an order."""

    def __init__(
        self,
        gte: GTE,
        files: RunFiles,
        pipe: BinaryIO,
        clock: Clock = SYSTEM,
        *,
        told: "Telling | None" = None,
    ) -> None:
        self._gte = gte
        self._told = told
        self._files = files
        self._what = f"with prefix {gte.account.prefix} in {gte.account.symbol}"
        self._pipe = pipe
        self._clock = clock
        self._words: SimpleQueue[str] = SimpleQueue()
        self._end = ""
        """How the bot has ended; empty while it has not."""
        self._is_back = False

    def run(self) -> None:
        """Watch until the bot has said goodbye, or has died and its orders are cancelled."""
        threading.Thread(target=self._listen, name="pipe", daemon=True).start()
        is_armed = False
        while not self._end:
            if self._hear(HANG_SECONDS):
                is_armed = True
            elif is_armed and not self._end:
                self._is_back = False
                self.pull("the bot is hung", self._is_over)
                is_armed = self._is_back
                if is_armed:
                    logger.warning("guard: the bot is back, standing by again.")
        if self._end == DIED:
            self.clean_up()

    def clean_up(self) -> None:
        """Cancel what a dead bot has left, and prove that none of it is left."""
        self._end = DIED
        self._files.lock.sign(is_guard=True)
        self.pull("the bot has died", lambda: False)

    def pull(self, why: str, is_over: Callable[[], bool]) -> None:
        """Cancel until the venue shows none of the orders and none can arrive any more.

        `is_over` ends it early: the bot is back.
        """
        logger.critical("guard: %s, cancelling all orders %s.", why, self._what)
        begun, told = self._clock.monotonic(), ""
        sweep = Sweep(self._gte, late_since=begun, is_alone=True)
        while not is_over():
            sweep.set_notes(self._files.notes())
            step = self._step(sweep, begun)
            if is_over():
                return
            if step.is_done:
                self._finish(sweep.cancelled)
                if self._told:
                    self._told.finished(why, sweep.cancelled)
                return
            news = step.trouble or "no order is left, waiting until none can arrive late"
            if news not in (OPEN_STILL, told):
                logger.warning("guard: %s.", news)
                told = news
                if self._told and news.startswith(MAY_BE_LEFT):
                    self._told.stuck(why, news)
            if self._clock.monotonic() - begun >= GIVE_UP_SECONDS:
                logger.critical("guard: giving up; orders may be left:")
                left = self._files.orders_left() or ()
                for order in left:
                    logger.critical("  %s", order)
                if self._told:
                    self._told.gave_up(why, left)
                return
            self._clock.sleep(step.wait)

    def _finish(self, cancelled: int) -> None:
        """Record that no order is left, after so many were cancelled."""
        self._files.clear_orders_left()
        if self._end == DIED:
            self._files.note_proven_clean()
        words = "guard: clean, %d orders cancelled, none %s is left."
        logger.warning(words, cancelled, self._what)

    def _step(self, sweep: Sweep, begun: float) -> Step:
        """Make a step, and list what may be left when there is no progress. Never raises."""
        try:
            step = sweep.step(self._clock.monotonic)
        except Exception as error:
            step = Step(wait=LOOK_AGAIN, trouble=str(error) or type(error).__name__)
        is_stuck = self._clock.monotonic() - max(begun, sweep.progress_at) > ROUND_SECONDS
        if step.trouble and (step.left or self._files.orders_left() is None) and is_stuck:
            left = tuple(order.full for order in step.left)
            self._files.write_orders_left(step.trouble, left)
            trouble = f"{MAY_BE_LEFT}, {step.trouble}"
            return Step(wait=LOOK_AGAIN, left=step.left, trouble=trouble)
        return step

    def _listen(self) -> None:
        """Turn what comes through the pipe into words, in a thread of its own."""
        heard = BEAT
        while heard and GOODBYE not in heard:
            heard = self._pipe.read1()  # type: ignore[attr-defined]
            self._words.put(LEFT if GOODBYE in heard else BEATEN if heard else DIED)

    def _hear(self, seconds: float) -> bool:
        """Take what the bot sends within so many seconds; return whether there was a heartbeat."""
        words = self._clock.wait(self._words, seconds)
        self._end = next((word for word in words if word != BEATEN), self._end)
        return BEATEN in words

    def _is_over(self) -> bool:
        """Return whether a hung bot is back, or has ended."""
        self._is_back = self._hear(0) or self._is_back
        return self._is_back or bool(self._end)
