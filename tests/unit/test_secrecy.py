"""Secrets show nowhere: not by themselves, and not in the log, in whatever form they got there."""

import base64
import copy
import gc
import io
import json
import logging
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus
from weakref import WeakValueDictionary

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from market_maker import auth, secrecy
from market_maker.secrecy import MASK, Redacting, Secret, fit

ROOT = Path(__file__).parents[2]
CANARY = "c4nary+/of=the&mine"
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=_-%&é\\\"' "
secrets = st.text(LETTERS, min_size=8, max_size=64)
around = st.text(max_size=40)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know no secret that another test of this process has left."""
    monkeypatch.setattr(secrecy, "_known", WeakValueDictionary())


# --- the secret itself --------------------------------------------------------------------------

SHOWN: dict[str, Callable[[Secret], object]] = {
    "str": str,
    "repr": repr,
    "ascii": ascii,
    "format": lambda secret: f"{secret} {secret!r} {secret!s:>40} {secret:^30}",
    "percent": lambda secret: "%s %r %10s" % (secret, secret, secret),  # noqa: UP031
    "join": lambda secret: "".join([secret, secret + "x", "x" + secret]),
    "json": lambda secret: json.dumps({"key": secret, secret: [secret]}),
    "vars": lambda secret: repr(vars(secret)),
    "pickle": pickle.dumps,
    "unpickled": lambda secret: pickle.loads(pickle.dumps(secret)).reveal(),
    "copy": lambda secret: copy.copy(secret).reveal(),
    "deepcopy": lambda secret: copy.deepcopy([secret])[0].reveal(),
    "encode": lambda secret: secret.encode(),
    "slices": lambda secret: secret[:] + secret.upper() + "".join(secret),
    "container": lambda secret: repr({"a": [secret, (secret,)]}),
    "write": lambda secret: io.StringIO(secret).getvalue(),
}


@pytest.mark.parametrize("how", SHOWN)
def test_a_secret_shows_as_stars_however_one_looks(how: str) -> None:
    shown = SHOWN[how](Secret(CANARY))
    text = shown.decode("latin-1") if isinstance(shown, bytes) else str(shown)
    assert "c4nary" not in text.lower()
    assert MASK in text


def test_a_traceback_with_locals_does_not_show_it() -> None:
    def fail(secret: str) -> None:
        assert secret
        raise ValueError("no")

    try:
        fail(Secret(CANARY))
    except ValueError as error:
        found = traceback.TracebackException.from_exception(error, capture_locals=True)
    shown = "".join(line for line in found.format() if "def " not in line)
    assert "secret = ***" in shown
    assert CANARY not in shown


def test_a_secret_is_true_when_it_holds_something_and_equal_to_what_it_holds() -> None:
    assert Secret("a")
    assert not Secret("")
    assert Secret("a") == Secret("a") == "a"
    assert Secret("a") != "b"
    assert Secret("a") != MASK
    assert Secret("a") != 5
    assert len({Secret("a"), "a", Secret("b")}) == 2
    assert Secret(Secret("a")).reveal() == "a"


@given(secrets)
def test_only_reveal_gives_it_back(value: str) -> None:
    secret = Secret(value)
    assert secret.reveal() == value
    assert str(secret) == MASK


def test_a_signature_is_the_same_of_a_secret_and_of_plain_text() -> None:
    assert auth.sign(Secret("s3cret-s3cret"), "x") == auth.sign("s3cret-s3cret", "x")
    assert auth.websocket_login(Secret("k"), Secret("s"), 1) == auth.websocket_login("k", "s", 1)


def test_the_signer_shows_neither_key_nor_secret() -> None:
    signer = auth.APIKeyAuthWithExpires("key-" + CANARY, CANARY)
    assert "c4nary" not in repr(vars(signer))


# --- the log ------------------------------------------------------------------------------------


def in_base64(value: str, ahead: bytes, behind: bytes) -> str:
    return base64.b64encode(ahead + value.encode() + behind).decode()


@given(secrets, around, around)
def test_a_secret_is_taken_out_wherever_it_stands(value: str, ahead: str, behind: str) -> None:
    assume("*" not in ahead + behind)
    held = Secret(value)
    encoded = value.encode().hex(), value.encode().hex(" ").upper()
    quoted = quote(value), quote(value, safe=""), quote_plus(value), repr(value)[1:-1]
    for form in (value, *quoted, *encoded):
        assert form.lower() not in fit(ahead + form + behind).lower()
    assert held


def test_a_process_with_secrets_leaves_no_core_dump_in_a_file_or_a_pipe() -> None:
    code = "import resource as r; from market_maker import secrecy; secrecy.install(); "
    code += "print(*r.getrlimit(r.RLIMIT_CORE))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    soft, hard = map(int, shown.stdout.split())
    assert soft == (1 if hard else 0)


@given(secrets, st.binary(max_size=20), st.binary(max_size=20))
def test_a_secret_is_taken_out_of_base64(value: str, ahead: bytes, behind: bytes) -> None:
    held = Secret(value)
    whole = in_base64(value, ahead, behind)
    for text in (whole, whole.translate(str.maketrans("+/", "-_"))):
        left = fit(f"Authorization: Basic {text}")
        assert MASK in left
        for piece in left.removeprefix("Authorization: Basic ").split(MASK):
            padded = piece.translate(str.maketrans("-_", "+/")).rstrip("=")
            padded += "=" * (-len(padded) % 4)
            if len(padded.rstrip("=")) % 4 != 1:
                assert value.encode() not in base64.b64decode(padded)
    assert held


@given(secrets, st.data())
def test_a_secret_is_taken_out_when_arguments_put_it_together(
    value: str, data: st.DataObject
) -> None:
    held = Secret(value)
    cut = data.draw(st.integers(0, len(value)))
    first = value[:cut].replace("%", "%%")
    record = logging.LogRecord("x", 20, "x", 1, f"{first}%s!", (value[cut:],), None)
    assert value not in Redacting().format(record)
    assert held


def test_of_a_key_the_last_four_stay() -> None:
    key = Secret("abcdefgh12345678", tail=4)
    assert fit("with abcdefgh12345678.") == "with ***5678."
    assert key


def test_signatures_and_headers_are_taken_out() -> None:
    signature = auth.sign("any", "thing")
    assert fit(f"signature {signature}.") == "signature ***."
    for text in (
        "api-key: some-key-value, next",
        "{'api-key': 'some-key-value', 'next': 1}",
        "('api-key', 'some-key-value')",
        "b'api-key: some-key-value\\r\\napi-expires: 1'",
        "?API-Key=some-key-value&next=1",
        '{\\"api_key\\":\\"some-key-value\\"}',
        '"api_secret": "some-key-value"',
    ):
        assert "some-key-value" not in fit(text)
        assert "1" not in text or "1" in fit(text)
    assert fit("the API key is unknown (code -10054)") == "the API key is unknown (code -10054)"


def test_a_line_without_secrets_stays_as_it_is() -> None:
    held = Secret("s3cret-s3cret")
    line = "Sell 5117 @ 9871.5\n\tclient_oid mm_gte_k2j1h30000001 order_id 1044674424722194432 é"
    assert fit(line) == line
    assert held


def test_control_characters_are_escaped_in_the_log() -> None:
    assert fit("\x1b[31mred\rback\x9b\u202eline\u2028") == (
        "\\x1b[31mred\\rback\\x9b\\u202eline\\u2028"
    )


def test_tracebacks_are_covered() -> None:
    held = Secret(CANARY)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Redacting(logging.Formatter("%(levelname)s %(message)s")))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    try:
        raise ValueError(f"bad secret {CANARY}") from KeyError(CANARY)
    except ValueError:
        logger.exception("Failed with %s", CANARY, stack_info=True)
    assert "ERROR Failed with ***\n" in stream.getvalue()
    assert "ValueError: bad secret ***" in stream.getvalue()
    assert CANARY not in stream.getvalue()
    assert held


def test_a_message_that_does_not_fit_its_arguments_is_covered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    held = Secret(CANARY)
    record = logging.LogRecord("x", 20, "x", 1, "%s and %s", (CANARY,), None)
    shown = Redacting().format(record)
    assert "cannot be formatted" in shown
    assert CANARY not in shown + capsys.readouterr().err
    assert held


def test_a_secret_that_nobody_holds_is_forgotten() -> None:
    secret = Secret("f0rgotten-secret")
    again = Secret("f0rgotten-secret")
    del secret
    gc.collect()
    assert fit("f0rgotten-secret") == MASK
    del again
    gc.collect()
    assert fit("f0rgotten-secret") == "f0rgotten-secret"


PROGRAM = """
import logging, sys, threading
from market_maker import secrecy
logging.basicConfig(level=10)
secrecy.install()
held = secrecy.Secret("c4nary-" + "of-the-mine")
def fail(where):
    raise ValueError(where + " " + held.reveal())
thread = threading.Thread(target=fail, args=("in a thread",))
thread.start()
thread.join()
logging.info("logged %s", held.reveal())
fail("at the end")
"""


def test_errors_that_nobody_catches_are_covered_in_threads_too() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "logged ***" in run.stderr
    assert "ValueError: in a thread ***" in run.stderr
    assert "ValueError: at the end ***" in run.stderr
    assert "c4nary-of-the-mine" not in run.stdout + run.stderr
