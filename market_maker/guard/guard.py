"""The guard: a process that cancels what a dead or hung bot has left, and does nothing else.

The bot holds `Guard`, and beats; the process runs `stand_by()`. Between them is one pipe: a line
that says whose orders to cancel, a byte for each beat, and a byte of goodbye when none is left.
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

from market_maker.clock import SYSTEM, Clock
from market_maker.gte import GTE
from market_maker.guard import child
from market_maker.guard.child import Child
from market_maker.guard.runfiles import RunFiles
from market_maker.models import Account
from market_maker.orders.sweep import OPEN_STILL, Step, Sweep
from market_maker.secrecy import Secret

logger = logging.getLogger(__name__)

HANG_SECONDS = 10.0
"""Without a beat for so long, a bot that has beaten before is hung."""
BEAT_SECONDS = 0.5
"""The least time from beat to beat; more often would say no more."""
UNREAD_BEATS = 20
"""A guard that has left so many bytes unread is as good as dead."""
START_SECONDS = 10.0
"""A guard that has just been started may take so long before it reads."""
DEATHS, DEATHS_SECONDS = 2, 60.0
"""So many deaths of guards within so many seconds leave the bot without one for as long."""
GOODBYE_SECONDS = 1.0
GIVE_UP_SECONDS = 600.0
ROUND_SECONDS = 5.0
LOOK_AGAIN = 1.0
BEAT, GOODBYE = b".", b"q"
INHERITED = ("TZ", "LANG", "LC_ALL", "LC_CTYPE")
"""What a guard's environment holds of ours."""


# --- the bot's side -----------------------------------------------------------------------------


class Guard:
    """The guard as the bot holds it. Starts it anew when it has died; never raises.

    `keep` names file descriptors that have to stay open while the guard lives: the instance lock,
    and the pipe to a paper exchange of our own.
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
        """Why nobody guards us; nothing while somebody does."""
        self._start()

    @property
    def pid(self) -> int:
        """The guard's process, 0 without one."""
        return self._child.pid if self._child else 0

    def beat(self) -> str:
        """Tell the guard that we live; return why nobody guards us, or nothing."""
        now = SYSTEM.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + BEAT_SECONDS
            if not self._say(BEAT):
                self._replace()
        return self.trouble

    def goodbye(self) -> None:
        """Tell the guard that we leave nothing behind: it ends."""
        if self._child:
            self._say(GOODBYE)
            self._child.end(GOODBYE_SECONDS)
            self._child = None

    def _say(self, word: bytes) -> bool:
        """Write to the guard; return whether it can be thought to hear."""
        if self._child is None:
            return False
        try:
            os.write(self._child.fd, word)
            unread = fcntl.ioctl(self._child.fd, termios.FIONREAD, b"\0" * 4)
        except OSError:
            return False
        hears = int.from_bytes(unread, sys.byteorder) < UNREAD_BEATS
        return hears or SYSTEM.monotonic() < self._reads_by

    def _replace(self) -> None:
        """Start another guard in place of a dead one, unless they die too fast."""
        now = SYSTEM.monotonic()
        self._deaths = [at for at in self._deaths if now - at < DEATHS_SECONDS]
        if self._child:
            logger.error("The guard, process %d, has died or hears nothing.", self._child.pid)
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
            started, _ = child.start("guard", keep=self._keep, environment=clean)
        except OSError as error:
            logger.error("The guard does not start: %s.", error)
            self._deaths.append(SYSTEM.monotonic())
            return
        self._child, self.trouble = started, ""
        self._reads_by = SYSTEM.monotonic() + START_SECONDS
        self._say(json.dumps(self._charge).encode() + b"\n")
        os.set_blocking(started.fd, False)
        logger.info("Guarded by process %d.", started.pid)


# --- the guard's side ---------------------------------------------------------------------------


def stand_by(pipe: BinaryIO) -> None:
    """Guard the bot at the other end of the pipe until it has left, one way or the other."""
    line = pipe.readline()
    if line.endswith(b"\n"):
        charge = json.loads(line)
        account = account_of(charge["account"])
        files = RunFiles(account, directory=Path(charge["directory"]))
        files.lock.inherit(charge["lock"])
        Watch(GTE(account), files, pipe).run()


def revealed(account: Account) -> dict[str, Any]:
    """Return an account as plain values, key pair included: for the guard's pipe only."""
    plain = {field.name: getattr(account, field.name) for field in fields(account)}
    keys = {"api_key": account.api_key.reveal(), "api_secret": account.api_secret.reveal()}
    return plain | keys | {"ws_url": ""}


def account_of(plain: Mapping[str, Any]) -> Account:
    """Return the account that `revealed()` has made plain."""
    keys = {"api_key": Secret(plain["api_key"], tail=4), "api_secret": Secret(plain["api_secret"])}
    return Account(**{**plain, **keys})


class Watch:
    """One guard's watch. It sends nothing while the bot is well, and never creates an order."""

    def __init__(self, gte: GTE, files: RunFiles, pipe: BinaryIO, clock: Clock = SYSTEM) -> None:
        self._gte = gte
        self._files = files
        self._what = f"with prefix {gte.account.prefix} in {gte.account.symbol}"
        self._pipe = pipe
        self._clock = clock
        self._words: SimpleQueue[str] = SimpleQueue()
        self._end = ""
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
                self.pull("the bot is hung", self._bot_is_back)
                is_armed = self._is_back
                if is_armed:
                    logger.warning("guard: the bot is back, standing by again.")
        if self._end == "died":
            self._files.lock.sign(is_guard=True)
            self.pull("the bot has died", lambda: False)

    def pull(self, why: str, is_over: Callable[[], bool]) -> None:
        """Cancel until the venue shows none of the orders and none can arrive any more.

        `is_over` ends it early: the bot is back.
        """
        logger.critical("guard: %s, cancelling all orders %s.", why, self._what)
        begun, said = self._clock.monotonic(), ""
        sweep = Sweep(self._gte, late_since=begun)
        while not is_over():
            sweep.take_notes(self._files.notes())
            step = self._step(sweep, begun)
            if is_over():
                return
            if step.is_done:
                self._files.clear_orders_left()
                if self._end == "died":
                    self._files.note_proven_clean()
                logger.warning("guard: clean, no order %s is left.", self._what)
                return
            if step.trouble != OPEN_STILL:
                news = step.trouble or "no order is left, waiting until none can arrive late"
                if news != said:
                    logger.warning("guard: %s.", news)
                    said = news
            if self._clock.monotonic() - begun >= GIVE_UP_SECONDS:
                logger.critical("guard: giving up; orders may be left:")
                for order in self._files.orders_left() or ():
                    logger.critical("  %s", order)
                return
            self._clock.sleep(step.wait)

    def _step(self, sweep: Sweep, begun: float) -> Step:
        """Make a step; whatever goes wrong, the next one may do better."""
        try:
            step = sweep.step(self._clock.monotonic)
        except Exception as error:
            step = Step(wait=LOOK_AGAIN, trouble=str(error) or type(error).__name__)
        stuck = self._clock.monotonic() - max(begun, sweep.progress_at) > ROUND_SECONDS
        if step.trouble and (step.left or self._files.orders_left() is None) and stuck:
            left = tuple(order.full for order in step.left)
            self._files.write_orders_left(step.trouble, left)
            trouble = f"orders may be left, {step.trouble}"
            return Step(wait=LOOK_AGAIN, left=step.left, trouble=trouble)
        return step

    def _listen(self) -> None:
        """Turn what comes through the pipe into words, in a thread of its own."""
        heard = b"."
        while heard and GOODBYE not in heard:
            heard = self._pipe.read1()  # type: ignore[attr-defined]
            self._words.put("left" if GOODBYE in heard else "beat" if heard else "died")

    def _hear(self, seconds: float) -> bool:
        """Take what the bot says within so many seconds; return whether it has beaten."""
        words = self._clock.wait(self._words, seconds)
        self._end = next((word for word in words if word != "beat"), self._end)
        return "beat" in words

    def _bot_is_back(self) -> bool:
        self._is_back = self._hear(0) or self._is_back
        return self._is_back or bool(self._end)
