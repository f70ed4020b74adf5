"""Notifications: where they go, how many leave, and that a bad address costs nothing."""

import itertools
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import account, wait_until
from hypothesis import given
from hypothesis import strategies as st
from listener import Listener, silent
from raw_server import RawServer, self_signed, server_context

from market_maker import secrecy
from market_maker.errors import SettingsError
from market_maker.guard.telling import Telling
from market_maker.notify import (
    About,
    Flood,
    Kind,
    Message,
    NotDelivered,
    Sender,
    address_of,
    deliver,
    sender,
)
from market_maker.notify.flood import HOUR, OF_A_KIND, OF_ALL
from market_maker.secrecy import Secret
from market_maker.settings.store import Settings

ABOUT = About(symbol="BTC_USD", prefix="mm_gte_", run="PAPER")
TIME_MS = 1_580_545_105_000
TOKEN = "123456:AAc4nary-of_the_token"


def message(kind: Kind = Kind.TEST, text: str = "Something.") -> Message:
    return Message(kind=kind, about=ABOUT, text=text, time_ms=TIME_MS)


# --- the address ----------------------------------------------------------------------------------

WELL_FORMED = {
    "https://example.org/hooks/abcdef": ("webhook at example.org", "{}"),
    "https://example.org/?key=abcdef": ("webhook at example.org", "{}"),
    "http://127.0.0.1:8080/hook": ("webhook at 127.0.0.1", "{}"),
    "http://[::1]:8080/hook": ("webhook at ::1", "{}"),
    "ntfy+https://ntfy.sh/my-topic": ("ntfy at ntfy.sh", "https://ntfy.sh/my-topic"),
    "ntfy+https://me:pass%40word@n.example.org:8443/t": (
        "ntfy at n.example.org",
        "https://n.example.org:8443/t",
    ),
    "ntfy+http://localhost/t": ("ntfy at localhost", "http://localhost/t"),
    f"telegram://{TOKEN}/-100123": (
        "Telegram at api.telegram.org",
        f"https://api.telegram.org/bot{TOKEN}/sendMessage",
    ),
    f"telegram+http://127.0.0.1:8081/{TOKEN}/@channel": (
        "Telegram at 127.0.0.1",
        f"http://127.0.0.1:8081/bot{TOKEN}/sendMessage",
    ),
}
"""Addresses, with how each is shown and where it posts to; {}: to itself."""


@pytest.mark.parametrize("url", WELL_FORMED)
def test_an_address_tells_by_its_scheme_who_listens(url: str) -> None:
    shown, posted_to = WELL_FORMED[url]
    address = address_of(Secret(url))
    assert str(address) == shown
    assert address.url.reveal() == posted_to.format(url)


ILL_FORMED = {
    "example.org/c4nary-hook": "must be https://HOST/PATH, ntfy",
    "ftp://example.org/c4nary-hook": "must be https://HOST/PATH, ntfy",
    "https:///c4nary-hook": "must be https://HOST/PATH, ntfy",
    "https://[c4nary": "is no address",
    "https://example.org:c4nary/": "is no address",
    "http://example.org/c4nary-hook": "must be https",
    "ntfy+http://example.org/c4nary": "must be https",
    "telegram+http://example.org/1:c4nary-c4nary/5": "must be https",
    "https://example.org/c4nary#part": "without #",
    "https://ntfy.sh/c4nary-topic": "must be ntfy+https://ntfy.sh/TOPIC",
    "https://api.telegram.org/c4nary/sendMessage": "must be telegram://TOKEN/CHAT",
    "ntfy+https://ntfy.sh": "one topic",
    "ntfy+https://ntfy.sh/c4nary/two": "one topic",
    "ntfy+https://ntfy.sh/c4nary?x=1": "one topic",
    "telegram://c4nary/5": "must be telegram://TOKEN/CHAT",
    "telegram://1:c4nary-c4nary": "must be telegram://TOKEN/CHAT",
    "telegram://1:c4nary-c4nary/five": "must be telegram://TOKEN/CHAT",
}


@pytest.mark.parametrize("url", ILL_FORMED)
def test_an_ill_formed_address_is_a_settings_error_that_does_not_show_it(
    url: str, tmp_path: Path
) -> None:
    (tmp_path / "settings.py").write_text(f"NOTIFY_URL = {url!r}\n")
    with pytest.raises(SettingsError, match=r"NOTIFY_URL") as caught:
        Settings().load(tmp_path / "settings.py")
    assert ILL_FORMED[url] in str(caught.value)
    assert "c4nary" not in str(caught.value)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_whatever_text_is_an_address_or_is_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"ntfy+https://{text}", f"telegram://{text}"):
        with suppress(ValueError):
            assert address_of(url).url.reveal().startswith(("https://", "http://"))


def test_the_address_comes_from_a_file_or_the_environment_and_cancel_does_not_need_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, url = tmp_path / "settings.py", tmp_path / "url"
    file.write_text("NOTIFY_URL = 'https://example.org/in-settings'\n")
    monkeypatch.setenv("GTE_NOTIFY_URL", "https://example.org/in-environment")
    loaded = Settings()
    loaded.load(file)
    assert loaded.NOTIFY_URL == "https://example.org/in-environment"
    assert str(loaded.NOTIFY_URL) == "***"
    url.write_text("https://example.org/in-a-file\n")
    url.chmod(0o600)
    monkeypatch.setenv("GTE_NOTIFY_URL_FILE", str(url))
    loaded.load(file)
    assert loaded.NOTIFY_URL == "https://example.org/in-a-file"
    url.unlink()
    Settings().load(file, only=("SYMBOL",))
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings().load(file)


@pytest.mark.parametrize(
    ("url", "given_away"),
    [
        ("https://me:c4nary-pass@example.org/c4nary-hook/c4nary-two?key=c4nary-key", 5),
        ("ntfy+https://ntfy.sh/c4nary-topic", 1),
        (f"telegram://{TOKEN}/-100123987", 2),
    ],
)
def test_no_part_of_an_address_is_shown_in_any_usual_form(url: str, given_away: int) -> None:
    address = address_of(Secret(url))
    assert len(address.parts) >= given_away
    for part in (url, address.url.reveal(), *(each.reveal() for each in address.parts)):
        for form in (part, part.encode().hex(), part.replace(":", "%3A").replace("/", "%2F")):
            left = secrecy.fit(f"posted to {form} in vain")
            assert "c4nary" not in left
            assert form not in left


# --- what is sent ---------------------------------------------------------------------------------


def test_a_webhook_gets_json_with_all_that_is_known(listener: Listener) -> None:
    deliver(address_of(f"http://{listener.at}/hook?a=1"), message(Kind.HALTED, "Kill switch."))
    told = json.loads(listener.bodies[0])
    text = told.pop("text")
    assert text == told.pop("content")
    assert text == ("Halted: BTC_USD mm_gte_ (PAPER). Kill switch. (2020-02-01 08:18:25 UTC)")
    assert told == {
        "kind": "halted",
        "symbol": "BTC_USD",
        "prefix": "mm_gte_",
        "run": "PAPER",
        "time": "2020-02-01T08:18:25+00:00",
        "others": 0,
    }
    assert listener.heads[0].startswith("POST /hook?a=1 HTTP/1.1\r\n")


def test_ntfy_gets_plain_text_with_title_priority_and_login(listener: Listener) -> None:
    url = f"ntfy+http://me:pass%3Aword@{listener.at}/topic"
    deliver(address_of(url), message(Kind.HALTED, "Größe: 5"))
    head = listener.heads[0].lower()
    assert head.startswith("post /topic http/1.1")
    assert "title: halted: btc_usd mm_gte_ (paper)" in head
    assert "priority: urgent" in head
    assert "authorization: basic bwu6cgfzczp3b3jk" in head  # me:pass:word
    assert listener.bodies[0].decode().startswith("Größe: 5 (")


def test_telegram_gets_the_chat_and_a_quiet_message_is_quiet(listener: Listener) -> None:
    url = f"telegram+http://{listener.at}/{TOKEN}/-100123"
    deliver(address_of(url), message(Kind.SUMMARY))
    assert listener.heads[0].startswith(f"POST /bot{TOKEN}/sendMessage HTTP/1.1")
    told = json.loads(listener.bodies[0])
    assert (told["chat_id"], told["disable_notification"]) == ("-100123", True)
    assert told["text"].startswith("Daily summary: BTC_USD mm_gte_ (PAPER)\nSomething. (")


def test_a_long_reason_is_cut(listener: Listener) -> None:
    deliver(address_of(f"http://{listener.at}/"), message(text="x" * 100_000))
    assert len(listener.bodies[0]) < 3000


REDIRECT = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
REFUSALS = {
    REDIRECT: ("a redirect, not followed", True),
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 9\r\n\r\nno\x1bchat 5": ("no\\x1bchat", True),
    b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n": ("HTTP 404", True),
    b"HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n": ("HTTP 429", False),
    b"HTTP/1.1 500 No\r\ncontent-length: 99999999\r\n\r\n" + b"x" * 500: ("HTTP 500", False),
    b"nonsense\r\n\r\n": ("connection broken", False),
    b"": ("connection reset", False),
}
"""Answers, with what is said of each, and whether another try would end the same."""


@pytest.mark.parametrize("answer", REFUSALS)
def test_what_is_no_success_is_told_and_whether_it_is_final(
    listener: Listener, answer: bytes
) -> None:
    listener.answer = answer
    words, is_final = REFUSALS[answer]
    with pytest.raises(NotDelivered) as caught:
        deliver(address_of(f"http://{listener.at}/c4nary-hook"), message())
    assert words in str(caught.value) or "connection" in str(caught.value)
    assert caught.value.is_final is is_final
    assert "c4nary" not in str(caught.value)
    assert listener.server.connections == 1


def test_a_server_with_a_certificate_of_nobody_is_refused(tmp_path: Path) -> None:
    context = server_context(self_signed(tmp_path, "localhost"))
    with RawServer(lambda _: None, context) as server:
        with pytest.raises(NotDelivered, match="TLS refused: invalid certificate"):
            deliver(address_of(f"https://localhost:{server.port}/hook"), message())
        assert server.received == b""


def test_the_proxy_of_the_environment_is_not_used(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    deliver(address_of(f"http://{listener.at}/"), message())
    assert len(listener.bodies) == 1


# --- the thread that sends ------------------------------------------------------------------------


def trickling(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def resetting(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("serve", [silent, trickling, resetting, None])
def test_a_bad_address_makes_nobody_wait(serve: Callable[[socket.socket], None] | None) -> None:
    with RawServer(serve or resetting) as server:
        port = server.port if serve else 1  # where nobody listens
        made = Sender(Secret(f"http://127.0.0.1:{port}/hook"))
        begun = time.monotonic()
        for _ in range(1000):
            made.tell(message(Kind.HALTED))
        assert time.monotonic() - begun < 0.5
        begun = time.monotonic()
        made.close(0.5)
        assert time.monotonic() - begun < 1.0


def test_what_could_not_be_sent_is_tried_again_in_its_order(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sender, "TRY_AGAIN", 0.05)
    sound, listener.answer = listener.answer, b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"
    made = Sender(Secret(f"ntfy+http://{listener.at}/topic"))
    for text in ("first", "second"):
        made.tell(message(Kind.HALTED, text))
    wait_until(lambda: len(listener.bodies) >= 3)
    assert all(body.startswith(b"first") for body in listener.bodies)
    listener.answer = sound
    wait_until(lambda: listener.bodies[-1].startswith(b"second"))
    made.close(2)
    assert log.text.count("Notification not sent, tried again for an hour") == 1
    assert log.text.count("Notified: halted.") == 2


def test_what_waits_at_the_end_is_tried_once_more(
    listener: Listener, log: pytest.LogCaptureFixture
) -> None:
    listener.answer = b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"
    made = Sender(Secret(f"http://{listener.at}/hook"))
    made.tell(message(Kind.HALTED))
    wait_until(lambda: "tried again" in log.text)
    listener.answer = Listener.answer
    made.close(2)
    assert "Notified: halted." in log.text


def test_a_refusal_is_given_up_and_the_next_message_leaves(
    listener: Listener, log: pytest.LogCaptureFixture
) -> None:
    listener.answer = b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"
    made = Sender(Secret(f"http://{listener.at}/c4nary-hook"))
    made.tell(message(Kind.HALTED))
    wait_until(lambda: "Notification given up: halted: webhook at 127.0.0.1: HTTP 404" in log.text)
    listener.answer = Listener.answer
    made.tell(message(Kind.SUMMARY))
    wait_until(lambda: "Notified: daily summary" in log.text)
    assert "c4nary" not in log.text


def test_no_thread_is_started_before_there_is_a_message() -> None:
    before = threading.enumerate()
    made = Sender(Secret("http://127.0.0.1:1/"))
    assert not [each for each in threading.enumerate() if each not in before]
    made.close(1)


# --- what a guard tells ---------------------------------------------------------------------------


def test_a_guard_tells_once_each_time_that_it_is_stuck_and_each_end_of_it(
    listener: Listener,
) -> None:
    about = account(base_url="http://127.0.0.1:1", settle_currency="BTC", symbol="BTC_USD")
    telling = Telling(Secret(f"http://{listener.at}/hook"), about)
    for told in (2, 4):
        telling.stuck("the bot hangs", "no answer")
        telling.stuck("the bot hangs", "no answer")
        telling.finished("the bot hung", 3)
        wait_until(lambda told=told: len(listener.bodies) >= told)
    telling.close()
    kinds = [json.loads(body)["kind"] for body in listener.bodies]
    assert kinds == [Kind.ORDERS_LEFT.value, Kind.DIED.value] * 2


# --- flood control --------------------------------------------------------------------------------

HELD = [kind for kind in Kind if not kind.always_passes]
gaps = st.one_of(st.just(0), st.integers(1, 60), st.integers(1, 4000))
events = st.lists(st.tuples(gaps, st.sampled_from(Kind)), max_size=150)


def flood(given_: list[tuple[int, Kind]]) -> list[tuple[int, Message]]:
    """Let messages come after so many seconds each, as the thread does; return what leaves, when.

    After the last one it goes on for as long as something waits.
    """
    control, now, left = Flood(), 0, []
    due: float | None
    for gap, kind in given_:
        until = now + gap
        while (due := control.next_at(now)) is not None and due <= until:
            now = max(now, int(due))
            left += [(now, each) for each in control.take(now)]
        now = until
        control.put(message(kind), now)
        left += [(now, each) for each in control.take(now)]
    while (due := control.next_at(now)) is not None:
        assert due > now
        now = int(due)
        left += [(now, each) for each in control.take(now)]
    return left


@given(events)
def test_of_one_kind_at_most_four_leave_within_an_hour(given_: list[tuple[int, Kind]]) -> None:
    for kind in HELD:
        times = [at for at, each in flood(given_) if each.kind is kind]
        for place, at in enumerate(times[OF_A_KIND:]):
            assert at - times[place] >= HOUR


@given(st.lists(gaps, max_size=100))
def test_after_one_was_held_back_one_an_hour_leaves(of_one_kind: list[int]) -> None:
    sent = flood([(gap, Kind.PAUSED) for gap in of_one_kind])
    for (before, _), (at, each) in itertools.pairwise(sent):
        assert at - before >= HOUR or each.others == 0
    for (held_at, held), (at, _) in itertools.pairwise(sent):
        assert at - held_at >= HOUR or held.others == 0


@given(events)
def test_all_kinds_together_are_at_most_twenty_an_hour(given_: list[tuple[int, Kind]]) -> None:
    sent = flood(given_)
    for place, (at, each) in enumerate(sent):
        if not each.kind.always_passes:
            assert sum(at - HOUR < before <= at for before, _ in sent[: place + 1]) <= OF_ALL


@given(events)
def test_what_always_passes_leaves_at_once(given_: list[tuple[int, Kind]]) -> None:
    now, wanted = 0, []
    for gap, kind in given_:
        now += gap
        wanted += [(now, kind)] if kind.always_passes else []
    assert [(at, each.kind) for at, each in flood(given_) if each.kind.always_passes] == wanted


@given(events)
def test_every_message_leaves_or_is_counted_by_one_that_does(
    given_: list[tuple[int, Kind]],
) -> None:
    sent = flood(given_)
    for kind in Kind:
        told = sum(1 + each.others for _, each in sent if each.kind is kind)
        assert told == sum(wanted is kind for _, wanted in given_)


@given(events)
def test_a_first_message_of_a_kind_leaves_at_once_unless_all_are_too_many(
    given_: list[tuple[int, Kind]],
) -> None:
    sent, now = flood(given_), 0
    seen: set[Kind] = set()
    for gap, kind in given_:
        now += gap
        within = sum(now - HOUR < at <= now for at, _ in sent)
        if kind not in seen and within < OF_ALL:
            assert (now, kind) in [(at, each.kind) for at, each in sent]
        seen.add(kind)


def test_a_burst_in_one_kind_by_hand() -> None:
    minute = 60
    sent = flood([(minute, Kind.PAUSED)] * 10)
    hour = 4 * minute + int(HOUR)
    assert [(at, each.others) for at, each in sent] == [
        *((place * minute, 0) for place in (1, 2, 3, 4)),
        (hour, 5),
    ]
    later = flood([*[(minute, Kind.PAUSED)] * 10, (int(HOUR), Kind.PAUSED)])
    assert [(at, each.others) for at, each in later][4:] == [(hour, 5), (hour + int(HOUR), 0)]
    calm = flood([*[(minute, Kind.PAUSED)] * 10, (3 * int(HOUR), Kind.PAUSED)])
    assert [at for at, _ in calm][4:] == [hour, 10 * minute + 3 * int(HOUR)]


def test_after_a_quiet_hour_four_leave_at_once_again() -> None:
    later = [(3 * int(HOUR), Kind.PAUSED), *[(1, Kind.PAUSED)] * 3]
    sent = flood([*[(60, Kind.PAUSED)] * 10, *later])
    assert [at for at, _ in sent][5:] == [600 + 3 * int(HOUR) + second for second in range(4)]


def test_the_hour_of_a_flood_begins_with_the_last_one_that_left() -> None:
    sent = flood([(gap, Kind.PAUSED) for gap in (0, 1200, 1200, 1100, 50)])
    assert [at for at, _ in sent] == [0, 1200, 2400, 3500, 3500 + int(HOUR)]


@pytest.mark.parametrize(("urgent", "at"), [(19, 60), (20, int(HOUR)), (25, int(HOUR))])
def test_those_that_always_pass_count_among_the_twenty(urgent: int, at: int) -> None:
    sent = flood([*[(0, Kind.HALTED)] * urgent, (60, Kind.PAUSED)])
    assert [each.kind for _, each in sent] == [*[Kind.HALTED] * urgent, Kind.PAUSED]
    assert sent[-1][0] == at
