"""What is wrong with settings: each by itself, all together, and where they send a key."""

import difflib
import logging
import re
import reprlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import MISSING, Field
from typing import Any, get_type_hints
from urllib.parse import SplitResult, urlsplit

from market_maker.account import PAPER, is_loopback, is_paper_key
from market_maker.secrecy import revealed
from market_maker.settings.sample import FAMILY, hint_of
from market_maker.settings.schema import FIELDS, SECRETS, SettingsBase
from market_maker.settings.values import missed

DOMAINS_OF_2020 = (".gte.io", ".lianhj.com")
"""Where the venue was in 2020, by its documents and the old sample."""
SCHEMES = {"API_URL_BASE": ("https", "http"), "WS_URL": ("wss", "ws")}
"""How each address begins: anywhere, and on this machine, which may do without TLS."""
_TYPES = get_type_hints(SettingsBase)
Own = Mapping[str, Field[Any]]
"""The settings that a strategy declares, by name, as `schema.setting()` makes them."""


def problem(name: str, value: Any, own: Own | None = None) -> str:
    """Return what is wrong with one setting, or empty text. Never shows a key.

    `own` are the settings that the strategy declares.
    """
    fields = {**FIELDS, **(own or {})}
    if name not in fields:
        return unknown(name, own)
    if name in SECRETS and isinstance(value, str) and re.match("[\"']", revealed(value)):
        return f"{name} has quotes round it, which belong to settings.py only: leave them out"
    if name in SECRETS and isinstance(value, str) and not re.fullmatch(r"[!-~]*", revealed(value)):
        return f"{name} holds a space, a line break or another character that cannot be in it"
    shown = "the value" if name in SECRETS else _shown(value)
    kind = _TYPES[name] if name in _TYPES else type(default(fields[name]))
    if wanted := missed(value, kind, fields[name].metadata):
        return f"{name} must {wanted}, not {shown}{hint_of(value) if name == 'SYMBOL' else ''}"
    if name == "LOG_LEVEL" and _is_unknown_level(value):
        return f"{name}: no such level {shown}"
    return _wrong_address(value) if name == "NOTIFY_URL" and value else ""


def _wrong_address(url: str) -> str:
    """Return what is wrong with NOTIFY_URL, or empty text."""
    from market_maker.notify import address_of

    try:
        address_of(url)
    except ValueError as error:
        return f"NOTIFY_URL {error}"
    return ""


def unknown(name: str, own: Own | None = None) -> str:
    """Return what to say of a name that is no setting."""
    if name in FAMILY:
        return f"{name} is a setting of the BitMEX sample: {FAMILY[name]}"
    near = near_names(name, own)
    hint = f"did you mean {near[0]}? If" if near else "if"
    return (
        f"{name} is not a setting; {hint} your strategy reads it, name it in STRATEGY_SETTINGS "
        "in the settings file, or declare it in the strategy's SETTINGS: it is there from the "
        "strategy's __init__() on"
    )


def near_names(name: str, own: Own | None = None) -> list[str]:
    """Return the setting that a name looks like, if any."""
    return difflib.get_close_matches(name, [*FIELDS, *(own or {})], 1, 0.7)


def free_names(values: Mapping[str, Any], own: Own, *, is_strict: bool) -> set[str]:
    """Return the names that may have any value: those of a strategy that declares none.

    While the strategy is not known, that is each that does not look like a setting's.
    """
    free = given_names(values) - set(FIELDS)
    others = {name for name in values if name not in FIELDS and name not in FAMILY}
    return free if is_strict else free | {name for name in others if not near_names(name, own)}


def given_names(values: Mapping[str, Any]) -> set[str]:
    """Return the names in STRATEGY_SETTINGS."""
    named = values.get("STRATEGY_SETTINGS")
    return {each for each in named if isinstance(each, str)} if isinstance(named, list) else set()


def default(about: Field[Any]) -> Any:
    """Return the value that a setting has when no file names it."""
    factory = about.default_factory
    return about.default if factory is MISSING else factory()


def _shown(value: Any) -> str:
    try:
        return reprlib.repr(value)
    except Exception:  # a number of too many digits, or a user's own class
        return f"a {type(value).__name__} that cannot be shown"


def _is_unknown_level(value: int | str) -> bool:
    return isinstance(value, str) and value not in logging.getLevelNamesMapping()


def contradictions(values: Mapping[str, Any], wrong: Collection[str] = ()) -> list[str]:
    """Return what is wrong with settings that are each right by themselves.

    Nothing is said of those that are `wrong` by themselves.
    """
    found = []

    def are_right(*names: str) -> bool:
        return not set(names) & set(wrong)

    sizes, orders = ("MIN_ORDER_SIZE", "MAX_ORDER_SIZE"), ("ORDER_PAIRS", "MAX_OPEN_ORDERS")
    if are_right(*sizes) and values["MIN_ORDER_SIZE"] > values["MAX_ORDER_SIZE"]:
        found.append("MIN_ORDER_SIZE is more than MAX_ORDER_SIZE")
    if are_right(*orders) and 2 * values["ORDER_PAIRS"] > values["MAX_OPEN_ORDERS"]:
        found.append(
            f"ORDER_PAIRS = {values['ORDER_PAIRS']} needs MAX_OPEN_ORDERS = "
            f"{2 * values['ORDER_PAIRS']} or more"
        )
    has_key, has_secret = bool(values["API_KEY"]), bool(values["API_SECRET"])
    if are_right("API_KEY", "API_SECRET") and has_key != has_secret:
        found.append("API_KEY and API_SECRET go together: set both or none")
    if are_right("DRY_RUN", "API_KEY") and not values["DRY_RUN"] and not has_key:
        found.append(
            "DRY_RUN = False needs a key: set GTE_API_KEY_FILE and GTE_API_SECRET_FILE, or "
            "GTE_API_KEY and GTE_API_SECRET, in the environment"
        )
    return found


def misdirected(values: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return what is wrong with the addresses of these names, and with the key for them.

    A key of the paper exchange is for this machine only, any other never for it. Both addresses are
    on this machine, or none.
    """
    found = []
    places = set()
    for name in names:
        url = _split(values[name])
        if url is None or not url.hostname:
            found.append(f"{name} holds no host name: {values[name]!r}")
            continue
        is_here = is_loopback(url.hostname)
        places.add(is_here)
        secure, plain = SCHEMES[name]
        if url.scheme != secure and not (url.scheme == plain and is_here):
            found.append(f"{name} must begin with {secure}:// (only this machine may do without)")
        if "@" in url.netloc or "?" in values[name] or "#" in values[name]:
            found.append(f"{name} must be an address without user, ? and #")
        if name == "API_URL_BASE" and url.path.strip("/"):
            found.append(f"{name} must end with the host: leave out {url.path!r}")
    if len(places) > 1:
        found.append("API_URL_BASE and WS_URL: one is this machine and the other is not")
    return found + _misdirected_key(values["API_KEY"], places)


def hosts_of_2020(values: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return which addresses of these names are where the venue was in 2020."""
    hosts = {name: (_split(values[name]) or SplitResult(*[""] * 5)).hostname for name in names}
    return [
        f"{name}: {host} was the venue's in 2020 and may be somebody else's today: ask the venue "
        "for its address; USE_HOSTS_OF_2020 = True if it is still this one"
        for name, host in hosts.items()
        if host and f".{host.rstrip('.')}".endswith(DOMAINS_OF_2020)
    ]


def _misdirected_key(key: str, places: set[bool]) -> list[str]:
    """Return what is wrong with a key, where `places` holds whether each address is here."""
    if is_paper_key(key) and False in places:
        return [f"API_KEY is of the paper exchange ({PAPER}...), which is on this machine only"]
    if key and not is_paper_key(key) and True in places:
        return [
            f"API_KEY is not of the paper exchange ({PAPER}...): it must not go to this machine"
        ]
    return []


def _split(address: str) -> SplitResult | None:
    """Return the parts of an address; None if it is not one."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return None
    return parts if address.isascii() and address.isprintable() and " " not in address else None


def is_here(address: str) -> bool:
    """Return whether a valid address is on this machine."""
    return is_loopback(urlsplit(address).hostname or "")
