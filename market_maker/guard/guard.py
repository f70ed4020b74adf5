"""The guard: a process that cancels the orders of a dead or hung bot, and does nothing else.

The bot holds a `Guard` and sends heartbeats; the process runs `stand_by()`. Between them is one
pipe: a line with the account, a byte for each heartbeat, and a byte of goodbye at a clean end.
"""

import fcntl
import json
import logging
import os
import sys
import termios
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from market_maker.account import Account
from market_maker.clock import SYSTEM, Clock
from market_maker.gte import GTE
from market_maker.guard import child
from market_maker.guard.child import Child
from market_maker.guard.runfiles import RunFiles
from market_maker.orders.sweep import OPEN_STILL, Step, Sweep
from market_maker.secrecy import Secret

logger = logging.getLogger(__name__)

HANG_SECONDS = 10.0
"""A bot that has sent heartbeats, and then none for so long, is hung."""
BEAT_SECONDS = 0.5
"""The least time between two heartbeats."""
UNREAD_BEATS = 20
"""A guard that has left so many bytes unread counts as dead."""
START_SECONDS = 10.0
"""How long a guard that has just been started may take before it reads."""
DEATHS, DEATHS_SECONDS = 2, 60.0
"""After so many deaths of guards within so many seconds, none is started for as long."""
GOODBYE_SECONDS = 1.0
GIVE_UP_SECONDS = 600.0
ROUND_SECONDS = 5.0
LOOK_AGAIN = 1.0
BEAT, GOODBYE = b".", b"q"
BEATEN, LEFT, DIED = "beat", "left", "died"
"""What the guard hears of the bot; the last two end the watch."""
PROGRAM = "market_maker.app.guard_process"
"""The module whose `main()` the process runs."""
INHERITED = ("TZ", "LANG", "LC_ALL", "LC_CTYPE")
"""The variables of our environment that a guard gets."""


# --- the bot's side -----------------------------------------------------------------------------


class Guard:
    """The bot's side of the guard. Replaces a guard that has died; never raises.

    `lock` is the file descriptor of the instance lock, and `keep` names others that have to stay
    open while the guard lives, such as the pipe to a paper exchange of our own.
    """

    def __init__(
        self,
        account: Account,
        *,
        directory: Path,
        lock: int = -1,
        keep: Sequence[int] = (),
    ) -> None:
        self._charge = {"account": revealed(account), "directory": str(directory), "lock": lock}
        self._keep = [fd for fd in (lock, *keep) if fd >= 0]
        self._child: Child | None = None
        self._deaths: list[float] = []
        self._next_beat = 0.0
        self._reads_by = 0.0
        self.trouble = ""
        """Why there is no guard; empty while there is one."""
        self._start()

    @property
    def pid(self) -> int:
        """The guard's process, 0 without one."""
        return self._child.pid if self._child else 0

    def beat(self) -> str:
        """Send a heartbeat; return why there is no guard, or empty text."""
        now = SYSTEM.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + BEAT_SECONDS
            if not self._say(BEAT):
                self._replace()
        return self.trouble

    def goodbye(self) -> None:
        """Tell the guard that no order is left: it ends."""
        if self._child:
            self._say(GOODBYE)
            self._child.end(GOODBYE_SECONDS)
            self._child = None

    def _say(self, word: bytes) -> bool:
        """Write to the guard; return whether it lives and reads."""
        if self._child is None:
            return False
        try:
            os.write(self._child.fd, word)
            unread = fcntl.ioctl(self._child.fd, termios.FIONREAD, b"\0" * 4)
        except OSError:
            return False
        is_reading = int.from_bytes(unread, sys.byteorder) < UNREAD_BEATS
        return is_reading or SYSTEM.monotonic() < self._reads_by

    def _replace(self) -> None:
        """Replace a dead guard, unless too many have died."""
        now = SYSTEM.monotonic()
        self._deaths = [at for at in self._deaths if now - at < DEATHS_SECONDS]
        if self._child:
            logger.error(
                "The guard, process %d, has died or does not respond.",
                self._child.pid,
            )
            self._child.kill()
            self._child.end(GOODBYE_SECONDS)
            self._child = None
            self._deaths.append(now)
        if len(self._deaths) < DEATHS:
            self._start()
        if len(self._deaths) >= DEATHS:
            self.trouble = f"{DEATHS} guards have died within {DEATHS_SECONDS:.0f} s"

    def _start(self) -> None:
        clean = {name: os.environ[name] for name in INHERITED if name in os.environ}
        try:
            started, _ = child.start(PROGRAM, "guard", keep=self._keep, environment=clean)
        except OSError as error:
            self.trouble = f"it cannot be started: {error}"
            logger.error("The guard cannot be started: %s.", error)
            self._deaths.append(SYSTEM.monotonic())
            return
        self._child, self.trouble = started, ""
        self._reads_by = SYSTEM.monotonic() + START_SECONDS
        self._say(json.dumps(self._charge).encode() + b"\n")
        os.set_blocking(started.fd, False)
        logger.info("Guarded by process %d.", started.pid)


# --- the guard's side ---------------------------------------------------------------------------


def stand_by(pipe: BinaryIO) -> None:
    """Guard the bot at the other end of the pipe until it has ended, cleanly or not."""
    line = pipe.readline()
    if line.endswith(b"\n"):
        charge = json.loads(line)
        account = account_of(charge["account"])
        files = RunFiles(account, directory=Path(charge["directory"]))
        files.lock.inherit(charge["lock"])
        Watch(GTE(account), files, pipe).run()


def revealed(account: Account) -> dict[str, Any]:
    """Return an account as plain values with the key pair: for the guard's pipe only."""
    plain = {field.name: getattr(account, field.name) for field in fields(account)}
    keys = {"api_key": account.api_key.reveal(), "api_secret": account.api_secret.reveal()}
    return plain | keys | {"ws_url": ""}


def account_of(plain: Mapping[str, Any]) -> Account:
    """Return the account of which `revealed()` has made plain values."""
    keys = {"api_key": Secret(plain["api_key"], tail=4), "api_secret": Secret(plain["api_secret"])}
    return Account(**{**plain, **keys})


class Watch:
    """Watches one bot. It sends nothing while the bot is well, and never creates an order."""

    def __init__(self, gte: GTE, files: RunFiles, pipe: BinaryIO, clock: Clock = SYSTEM) -> None:
        self._gte = gte
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
            self._files.lock.sign(is_guard=True)
            self.pull("the bot has died", lambda: False)

    def pull(self, why: str, is_over: Callable[[], bool]) -> None:
        """Cancel until the venue shows none of the orders and none can arrive any more.

        `is_over` ends it early: the bot is back.
        """
        logger.critical("guard: %s, cancelling all orders %s.", why, self._what)
        begun, told = self._clock.monotonic(), ""
        sweep = Sweep(self._gte, late_since=begun)
        while not is_over():
            sweep.set_notes(self._files.notes())
            step = self._step(sweep, begun)
            if is_over():
                return
            if step.is_done:
                self._finish()
                return
            news = step.trouble or "no order is left, waiting until none can arrive late"
            if news not in (OPEN_STILL, told):
                logger.warning("guard: %s.", news)
                told = news
            if self._clock.monotonic() - begun >= GIVE_UP_SECONDS:
                logger.critical("guard: giving up; orders may be left:")
                for order in self._files.orders_left() or ():
                    logger.critical("  %s", order)
                return
            self._clock.sleep(step.wait)

    def _finish(self) -> None:
        """Record that no order is left."""
        self._files.clear_orders_left()
        if self._end == DIED:
            self._files.note_proven_clean()
        logger.warning("guard: clean, no order %s is left.", self._what)

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
            trouble = f"orders may be left, {step.trouble}"
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
