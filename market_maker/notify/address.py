"""Where notifications go: what NOTIFY_URL may be, and the request that takes a message there."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from market_maker.account import is_loopback
from market_maker.notify.message import Kind, Message
from market_maker.secrecy import SHORTEST, Secret, revealed


class Form(Enum):
    """Who listens at an address."""

    WEBHOOK = "webhook"
    NTFY = "ntfy"
    TELEGRAM = "Telegram"


BOT_API = "api.telegram.org"
OF_OTHERS = {"ntfy.sh": "ntfy+https://ntfy.sh/TOPIC", BOT_API: "telegram://TOKEN/CHAT"}
"""Hosts that take no plain webhook, and what to write instead."""
FORMS = "https://HOST/PATH, ntfy+https://HOST/TOPIC or telegram://TOKEN/CHAT"
_TELEGRAM = re.compile(
    r"telegram(?:\+(?P<server>https?://[^/]+)/|://)"
    r"(?P<token>[0-9]{1,20}:[\w-]{10,100})/(?P<chat>-?[0-9]{1,20}|@\w{1,64})",
    re.ASCII,
)
_TOPIC = re.compile(r"/[\w-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address that is well-formed. Its secrets are redacted from the log while it is held."""

    form: Form
    host: str
    """May be shown."""
    url: Secret
    """Where each message is posted."""
    login: tuple[Secret, Secret] | None = None
    """User and password, if it has them."""
    chat: Secret
    """Of Telegram; else empty."""
    parts: tuple[Secret, ...]
    """What a part of the address would give away: path, query, token, password."""

    def __str__(self) -> str:
        return f"{self.form.value} at {self.host}"


def address_of(text: str) -> Address:
    """Return the address that NOTIFY_URL names.

    Raises ValueError, which shows nothing of it, for one that is not well-formed, or that does
    without TLS though it is not of this machine.
    """
    whole = revealed(text)
    if whole.startswith("telegram"):
        return _of_telegram(whole)
    is_ntfy = whole.startswith("ntfy+")
    parts = _split(whole.removeprefix("ntfy+"))
    if is_ntfy and (parts.query or not _TOPIC.fullmatch(parts.path)):
        raise ValueError("must name one topic of ntfy: ntfy+https://HOST/TOPIC")
    if not is_ntfy and (instead := OF_OTHERS.get(parts.hostname or "")):
        raise ValueError(f"must be {instead} for that host")
    login = (parts.username or "", parts.password or "")
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    return Address(
        form=Form.NTFY if is_ntfy else Form.WEBHOOK,
        host=parts.hostname or "",
        url=Secret(bare.geturl()),
        login=(Secret(unquote(login[0])), Secret(unquote(login[1]))) if any(login) else None,
        chat=Secret(""),
        parts=_hidden(whole, parts.netloc.rpartition("@")[0], *_pieces(parts)),
    )


def content(address: Address, message: Message) -> tuple[bytes, Mapping[str, str]]:
    """Return the body and the headers that take a message to an address."""
    if address.form is Form.NTFY:
        headers = {"title": message.title, "priority": _priority(message.kind)}
        return message.body.encode(), headers | {"content-type": "text/plain; charset=utf-8"}
    if address.form is Form.TELEGRAM:
        told: dict[str, object] = {
            "chat_id": address.chat.reveal(),
            "text": f"{message.title}\n{message.body}",
            "disable_notification": message.kind.is_quiet,
        }
    else:
        text = f"{message.title}. {message.body}"
        told = {
            "kind": message.kind.value,
            "symbol": message.about.symbol,
            "prefix": message.about.prefix,
            "run": message.about.run,
            "time": datetime.fromtimestamp(message.time_ms / 1000, UTC).isoformat(),
            "others": message.others,
            **{"text": text, "content": text},  # as chat services name it
        }
    return json.dumps(told).encode(), {"content-type": "application/json"}


def _of_telegram(whole: str) -> Address:
    found = _TELEGRAM.fullmatch(whole)
    if not found:
        raise ValueError("must be telegram://TOKEN/CHAT, or telegram+https://HOST/TOKEN/CHAT")
    server, token, chat = found["server"] or f"https://{BOT_API}", found["token"], found["chat"]
    parts = _split(server)
    if parts.username is not None:
        raise ValueError("must name no user before the host")
    return Address(
        form=Form.TELEGRAM,
        host=parts.hostname or "",
        url=Secret(f"{server}/bot{token}/sendMessage"),
        chat=Secret(chat),
        parts=_hidden(whole, token, token.partition(":")[2], chat),
    )


def _split(url: str) -> SplitResult:
    """Return the parts of an address; ValueError if it is not one, or may not do without TLS."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(f"is no address: it must be {FORMS}") from None
    host = parts.hostname or ""
    if parts.scheme not in ("https", "http") or not re.fullmatch(r"[\w.:-]+", host, re.ASCII):
        raise ValueError(f"must be {FORMS}")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must be https (only this machine may do without)")
    if parts.fragment:
        raise ValueError("must be an address without #")
    return parts


def _pieces(parts: SplitResult) -> list[str]:
    """Return what of an address may be secret, as a whole and in pieces."""
    values = [value for _, value in parse_qsl(parts.query)]
    behind = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return [behind, *parts.path.split("/"), *values, parts.password or ""]


def _hidden(*texts: str) -> tuple[Secret, ...]:
    return tuple(Secret(text) for text in texts if len(text) >= SHORTEST)


def _priority(kind: Kind) -> str:
    return "urgent" if kind.is_urgent else "low" if kind.is_quiet else "default"
