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

START_SECONDS = 15.0
END_SECONDS = 3.0
INHERITED = "GTE_MARKETMAKER_PAPER"
"""Environment variable by which a restarted bot finds the paper exchange it had before."""


@dataclass(frozen=True, slots=True)
class PaperChild:
    """Where a bot's own paper exchange is, and the key pair it takes."""

    child: Child
    rest: str
    ws: str
    key: str
    secret: str

    @classmethod
    def start(cls, arguments: Sequence[str], environment: Mapping[str, str]) -> "PaperChild":
        """Start one with these arguments of the command `paper`, in an environment without keys.

        After a restart return the one that this process had before. Raises SettingsError when it
        does not start.
        """
        if before := os.environ.pop(INHERITED, ""):
            plain = json.loads(before)
            found = cls(**{**plain, "child": Child(**plain["child"])})
            found.child.take_over()
            return found
        need_aiohttp()
        process, output = child.start(
            *("paper", "--for-bot", "--port", "0", *arguments), environment=environment, answer=True
        )
        assert output
        too_long = threading.Timer(START_SECONDS, process.kill)
        too_long.daemon = True
        too_long.start()
        with output:
            line = output.readline()
        too_long.cancel()
        if not line:
            raise SettingsError("the paper exchange did not start; the lines above say why")
        return cls(child=process, **json.loads(line))

    def outlive_restart(self) -> dict[str, str]:
        """Keep it when this process is replaced by a new program; return what that inherits."""
        self.child.outlive_restart()
        return {INHERITED: json.dumps(asdict(self))}

    def end(self) -> None:
        """End it, and wait a moment for what its judge says."""
        self.child.end(END_SECONDS)


def need_aiohttp() -> None:
    """Raise SettingsError without the one package that only the paper exchange needs."""
    if not has_aiohttp():
        raise SettingsError("the paper exchange needs aiohttp: pip install -e '.[paper]'")
