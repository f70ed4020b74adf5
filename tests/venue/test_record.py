"""`record`: the public feed of a venue over a real socket, into a tape that plays."""

import argparse
from pathlib import Path

import pytest

from market_maker.app import tapes
from market_maker.errors import SettingsError
from market_maker.paper.server.in_process import PaperExchange
from market_maker.tapes import Image, Trades, open_tape


def asked(folder: Path, venue: PaperExchange, seconds: float) -> argparse.Namespace:
    (folder / "settings.py").write_text(
        f'API_URL_BASE = "{venue.rest_url}"\nWS_URL = "{venue.ws_url}"\n', "utf-8"
    )
    (folder / "settings.py").chmod(0o600)
    return argparse.Namespace(
        settings=folder / "settings.py", symbol=None, out=folder / "tapes", seconds=seconds
    )


def test_what_is_recorded_without_a_key_is_a_tape_of_the_market(tmp_path: Path) -> None:
    with PaperExchange(seed=3) as venue:
        assert tapes.record(asked(tmp_path, venue, 3.0)) > 10
    tape = open_tape(sorted((tmp_path / "tapes").glob("*.tape")))
    assert (tape.market.place, tape.market.tick) == ("pc/BTC/BTC_USD", tape.market.tick)
    assert tape.has_two_clocks
    assert tape.has_image
    records = list(tape.records())
    assert isinstance(records[0], Image | Trades)
    assert any(isinstance(record, Image) for record in records)
    assert "secret" not in "".join(path.read_text() for path in (tmp_path / "tapes").iterdir())


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with PaperExchange(seed=3) as venue:
        arguments = asked(tmp_path, venue, 1.0)
        (tmp_path / "tapes").write_text("a file")
        with pytest.raises(SettingsError, match="tapes"):
            tapes.record(arguments)
