"""The paper exchange of `--paper`: a child process, which ends when the bot has ended."""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from market_maker.errors import SettingsError
from market_maker.guard import child
from market_maker.guard.child import Child
from market_maker.paper.server.command import has_aiohttp

PROGRAM = "market_maker.app.cli"
START_SECONDS = 15.0
END_SECONDS = 3.0
INHERITED = "GTE_MARKETMAKER_PAPER"
"""Environment variable by which a restarted bot finds the paper exchange it had before."""


@dataclass(frozen=True, slots=True)
class PaperChild:
    """A bot's own paper exchange: its process, its addresses and the key pair that it takes."""

    child: Child
    rest: str
    ws: str
    key: str
    secret: str

    @classmethod
    def start(cls, arguments: Sequence[str], environment: Mapping[str, str]) -> "PaperChild":
        """Start one with these arguments of the command `paper`.

        After a restart return the one from before. Raises SettingsError when it does not start.
        """
        if before := os.environ.pop(INHERITED, ""):
            plain = json.loads(before)
            found = cls(**{**plain, "child": Child(**plain["child"])})
            os.set_inheritable(found.child.fd, False)  # no further child gets it
            return found
        need_aiohttp()
        process, output = child.start(
            PROGRAM,
            *("paper", "--for-bot", "--port", "0", *arguments),
            environment=environment,
            answer=True,
        )
        assert output
        is_late = threading.Event()

        def give_up() -> None:
            is_late.set()
            process.kill()

        too_long = threading.Timer(START_SECONDS, give_up)
        too_long.daemon = True
        too_long.start()
        with output:
            line = output.readline()
        too_long.cancel()
        if is_late.is_set():
            raise SettingsError(f"the paper exchange has not started in {START_SECONDS:g} s")
        if not line:
            raise SettingsError("the paper exchange did not start; the lines above say why")
        return cls(child=process, **json.loads(line))

    def outlive_restart(self) -> dict[str, str]:
        """Keep it when this process is replaced; return the environment that the new one needs."""
        os.set_inheritable(self.child.fd, True)
        return {INHERITED: json.dumps(asdict(self))}

    def end(self) -> None:
        """Wait a moment for its report and its end; then end it at once."""
        if not self.child.end(END_SECONDS):
            self.child.kill()
            self.child.has_ended()


def need_aiohttp(what: str = "the paper exchange") -> None:
    """Raise SettingsError if aiohttp is missing, which only paper exchange and live page need."""
    if not has_aiohttp():
        raise SettingsError(f"{what} needs aiohttp: pip install 'aiohttp>=3.9,<4'")
