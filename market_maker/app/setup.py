"""`marketmaker setup`: writes settings.py."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from market_maker.app.arguments import program
from market_maker.app.dialogue_words import IN
from market_maker.app.docs import language_of
from market_maker.errors import SettingsError
from market_maker.settings import FILE, example_text, take_over


def run(arguments: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Write settings.py: by a dialogue where there is a terminal, else as the example has it.

    Raises SettingsError where there is one already, or it cannot be written.
    """
    if os.path.lexists(FILE):
        raise SettingsError(f"{FILE} is here already; it is left as it is")
    given: dict[str, Any] | None = {}
    language = arguments.lang or language_of(os.environ)
    may_ask = all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout))
    if may_ask and not arguments.source and not arguments.plain:
        from market_maker.app import dialogue

        if (given := dialogue.ask_settings(language, say)) is None:
            return
    if arguments.source:
        text, done = take_over(arguments.source, language)
    else:
        text, done = example_text(given, language), []
    try:
        with open(
            os.open(FILE, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
    except FileExistsError:
        raise SettingsError(f"{FILE} is here already; it is left as it is") from None
    except OSError as error:
        raise SettingsError(f"{FILE} cannot be written: {error.strerror}") from None
    for line in done:
        say(line)
    say(IN[language].wrote.format(file=FILE, program=program()))
