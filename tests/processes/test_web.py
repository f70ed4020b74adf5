"""The live page: it shows what a bot does, reads alone, and answers this machine's browsers."""

import json
import logging
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from bot import Bot
from conftest import wait_until

from market_maker.clock import SYSTEM
from market_maker.journal import Run, files_in, runs_in
from market_maker.paper.exchange.instrument import CONTRACT
from market_maker.report import live
from market_maker.settings import settings
from tests.simulated.test_run_money import MARKETS
from tests.world.lively import Lively
from tests.world.world import World

SVG = "http://www.w3.org/2000/svg"


@pytest.fixture
def state(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Path]:
    """A directory with the journal of a run that goes on, in this process, on simulated time."""
    caplog.set_level(logging.INFO, "market_maker")
    saved = dict(vars(settings))
    world = World(still=False, start_ms=SYSTEM.now_ms() - 30_000, **MARKETS[CONTRACT])
    world.journals = tmp_path / "state/gte-marketmaker"
    Lively(world, CONTRACT)
    bot = world.start()
    world.run(60)
    yield world.journals
    bot.exit()
    vars(settings).clear()
    vars(settings).update(saved)


def only_run(state: Path) -> Run:
    (run,) = (run for path in files_in(state) for run in runs_in(path))
    return run


@pytest.fixture
def web(state: Path, tmp_path: Path) -> Iterator[Bot]:
    assert state.is_dir()
    process = Bot(tmp_path, "web", "--port", "0")
    process.wait_for("Live page: http://127.0.0.1:[0-9]+/")
    yield process
    if process.process.poll() is None:
        process.end(signal.SIGINT)


def url_of(web: Bot) -> str:
    found = re.search("http://[0-9.:]+/", web.text)
    assert found
    return found[0]


def events_of(web: Bot, count: int) -> list[dict[str, str]]:
    """Return the parts of the first events."""
    found = []
    with requests.get(url_of(web) + "events", stream=True, timeout=10) as response:
        for line in response.iter_lines():
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:]))
            if len(found) == count:
                return found
    return found


# --- what it shows --------------------------------------------------------------------------------


def test_the_page_has_all_parts_in_their_order_and_is_renewed(web: Bot) -> None:
    quick, slow = events_of(web, 2)
    assert set(quick) == {"state", "ladder", "price", "log"}
    assert set(live.TITLES) - set(quick) <= set(slow)
    page = requests.get(url_of(web), timeout=5)
    assert page.status_code == 200
    assert re.findall(r'<div id="(\w+)">', page.text) == list(live.TITLES)
    assert '<span class="word ACTIVE">ACTIVE</span> quoting' in page.text
    for words in ("Profit ", "pc/order/create", "before it, estimate", "INFO"):
        assert words in page.text
    assert re.search(r"(Creating|Cancelling) \d orders", page.text)
    assert page.text.count("<svg") == 6
    assert 'class="buy"' in page.text or 'class="sell"' in page.text


def test_the_ladder_shows_own_orders_in_the_book_and_what_is_before_them(state: Path) -> None:
    run = only_run(state)
    book = json.loads((run.last("book") or {})["detail"])
    assert book["own"]
    levels = {price: float(size) for name in ("bids", "asks") for price, size in book[name]}
    known = [own for own in book["own"] if own[3] is not None]
    assert known
    for _, price, left, ahead in known:
        assert 0 <= float(ahead) <= levels.get(price, 0.0) - float(left)
    shown = live.quick_parts(run, run.row["begun_ms"] + 60_000)["ladder"]
    for side, price, left, _ in book["own"]:
        assert f'<td class="own {side.lower()}">{left}</td>' in shown
        assert f"<td>{price}</td></tr>" in shown


def test_no_text_of_the_log_or_the_venue_becomes_a_tag(state: Path) -> None:
    (path,) = files_in(state)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE log SET text = '<script>alert(1)</script>', level = '\"><b>'")
        db.execute("UPDATE ticks SET reason = '<img src=x>', state = '<i>'")
    parts = live.quick_parts(only_run(state), 1)
    assert not re.search("<(script|b|img|i)[ >]", "".join(parts.values()))


# --- who may look ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Host": ""}]
)
def test_pages_of_other_sites_get_nothing(web: Bot, headers: dict[str, str]) -> None:
    for path in ("", "events", "page.js"):
        assert requests.get(url_of(web) + path, headers=headers, timeout=5).status_code in (
            400,
            403,
        )


def test_it_has_no_buttons_and_loads_nothing_from_elsewhere(web: Bot) -> None:
    url = url_of(web)
    page = requests.get(url, timeout=5)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    texts = [
        page.text,
        *(requests.get(url + name, timeout=5).text for name in ("page.js", "page.css")),
    ]
    for text in texts:
        assert set(re.findall(r"https?://[^\"' <]+", text)) <= {SVG}
        assert not re.search("<(form|button|input)", text)
    assert len(texts[1].splitlines()) < 40
    for method in ("POST", "PUT", "DELETE"):
        assert requests.request(method, url, timeout=5).status_code == 405


@pytest.mark.slow
def test_a_taken_port_and_no_run_are_said_in_one_line(web: Bot, tmp_path: Path) -> None:
    port = url_of(web).rpartition(":")[2].strip("/")
    second = Bot(tmp_path, "web", "--port", port)
    assert second.end() == 2
    assert f"--port {port} cannot be used" in second.text
    assert len(second.lines) == 1
    answer = requests.get(url_of(web) + "?run=999", timeout=5)
    assert (answer.status_code, answer.text) == (404, "there is no run 999\n")


def test_ctrl_c_ends_it_with_readers_connected(web: Bot) -> None:
    with requests.get(url_of(web) + "events", stream=True, timeout=10) as response:
        assert next(response.iter_lines())
        assert web.end(signal.SIGINT) == 130
    assert "Traceback" not in web.text


# --- in a browser ---------------------------------------------------------------------------------

CHROMIUM = next(
    (path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), ""
)


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="there is no chromium on this machine")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 420])
def test_a_browser_shows_it_without_an_error(
    web: Bot, tmp_path: Path, width: int, theme: str
) -> None:
    events_of(web, 2)
    picture = tmp_path / "page.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--timeout=4000"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},1600"]
    options += ["--enable-logging=stderr", "--v=0"]
    options += ["--blink-settings=preferredColorScheme=0"] if theme == "dark" else []
    options += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]

    def browse(*more: str) -> subprocess.CompletedProcess[str]:
        command = [CHROMIUM, *options, *more, url_of(web)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    found = browse("--dump-dom")
    assert "ACTIVE</span> quoting" in found.stdout
    assert "CONSOLE" not in found.stderr, found.stderr
    browse(f"--screenshot={picture}")
    rows = png_rows(picture.read_bytes())
    assert len(set(rows)) > 100, "a blank picture has few rows that differ"
    is_dark = max(rows[0][1:4]) < 128  # the first pixel of the first row is as it is
    assert is_dark is (theme == "dark")


def png_rows(data: bytes) -> list[bytes]:
    """Return the filtered rows of a PNG without interlace: enough to tell whether it is blank."""
    width = int.from_bytes(data[16:20])
    assert data[24:29] in (b"\x08\x02\x00\x00\x00", b"\x08\x06\x00\x00\x00")
    depth = 3 if data[25] == 2 else 4
    place, body = 8, b""
    while place < len(data):
        length, kind = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        body += data[place + 8 : place + 8 + length] if kind == b"IDAT" else b""
        place += 12 + length
    plain, size = zlib.decompress(body), 1 + depth * width
    return [plain[start : start + size] for start in range(0, len(plain), size)]


@pytest.mark.slow
def test_what_is_hung_or_stopped_costs_the_others_nothing(web: Bot) -> None:
    url = url_of(web)
    hung: list[Any] = [requests.get(url + "events", stream=True, timeout=10) for _ in range(20)]
    assert [response.status_code for response in hung].count(503) == 4
    assert requests.get(url, timeout=5).status_code == 200
    for response in hung:
        response.close()
    wait_until(lambda: requests.get(url + "events", stream=True, timeout=5).status_code == 200)
    command = [sys.executable, "-c", STOPPED_READER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "reading\n"
        reader.send_signal(signal.SIGSTOP)
        assert len(events_of(web, 3)) == 3
        assert requests.get(url, timeout=5).status_code == 200
        reader.kill()


STOPPED_READER = """
import sys, requests
response = requests.get(sys.argv[1] + "events", stream=True, timeout=60)
next(response.iter_lines())
print("reading", flush=True)
for line in response.iter_lines(): pass
"""


@pytest.mark.slow
def test_readers_of_a_run_that_has_ended_make_room_when_they_go(
    web: Bot, state: Path, tmp_path: Path
) -> None:
    (path,) = files_in(state)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE runs SET ended_ms = begun_ms + 60000, how = 'SIGTERM'")
    url = url_of(web)
    for _ in range(3):
        gone = [requests.get(url + "events", stream=True, timeout=10) for _ in range(12)]
        assert {response.status_code for response in gone} == {200}
        for response in gone:
            response.close()
        wait_until(lambda: requests.get(url + "events", stream=True, timeout=5).ok)
        time.sleep(2.5)  # two turns: the first write to a closed connection may still succeed
    page = requests.get(url, timeout=5).text
    assert "ended</span> ended: SIGTERM" in page
    assert "so for" not in page


def test_a_killed_run_is_not_shown_as_quoting(state: Path) -> None:
    run = only_run(state)
    killed = replace(run, row=dict(run.row) | {"pid": 0})
    parts = live.quick_parts(killed, run.row["begun_ms"] + 86_400_000)
    assert '<span class="word PAUSED">ended</span> killed' in parts["state"]
    assert "<svg" in parts["price"]
