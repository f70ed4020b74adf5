"""The paper exchange of a bot: a child process, which ends when the bot has ended."""

import importlib.util
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from market_maker.errors import SettingsError
from market_maker.guard import child
from market_maker.guard.child import Child

START_SECONDS = 15.0
END_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class OwnExchange:
    """Where a bot's own paper exchange is, and the key pair it takes."""

    child: Child
    rest: str
    ws: str
    key: str
    secret: str

    @classmethod
    def start(cls, arguments: Sequence[str], environment: Mapping[str, str]) -> "OwnExchange":
        """Start one with these arguments of the command `paper`, in an environment without keys."""
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

    @classmethod
    def inherited(cls, plain: Mapping[str, Any]) -> "OwnExchange":
        """Return the one that this process had before it was restarted."""
        found = cls(**{**plain, "child": Child(**plain["child"])})
        found.child.take_over()
        return found

    def end(self) -> None:
        """End it, and wait a moment for what its judge says."""
        self.child.end(END_SECONDS)


def need_aiohttp() -> None:
    """Raise SettingsError without the one package that only the paper exchange needs."""
    if importlib.util.find_spec("aiohttp") is None:
        raise SettingsError("the paper exchange needs aiohttp: pip install -e '.[paper]'")
