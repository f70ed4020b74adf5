"""Every setting with its default, meaning, unit and range; settings.py.example is made of it."""

import dataclasses
import functools
from dataclasses import dataclass, field
from typing import Any

from market_maker.settings.values import missed


def setting(
    default: Any,
    meaning: str,
    *,
    section: str = "",
    example: Any = None,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    pattern: str = "",
    needs_restart: bool = False,
    secret_tail: int | None = None,
) -> Any:
    """Describe one setting.

    The default is what a missing line means, so it is the safe value; `example` is the value in
    settings.py.example where that is another. A reload refuses a change of what `needs_restart`. A
    setting with a `secret_tail` is secret but for so many characters at its end. Raises ValueError
    for a default that a settings file could not have.
    """
    about = {
        "meaning": meaning,
        "section": section,
        "example": default if example is None else example,
        "low": low,
        "high": high,
        "choices": choices,
        "pattern": pattern,
        "needs_restart": needs_restart,
        "secret_tail": secret_tail,
    }
    if wrong := missed(default, type(default), about):
        raise ValueError(f"the default of a setting must {wrong}, not {default!r}")
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=about)
    return field(default=default, metadata=about)


fixed = functools.partial(setting, needs_restart=True)
"""Describe a setting that cannot be changed by a reload."""


@dataclass(repr=False)
class SettingsBase:
    """The settings as attributes, all in capitals, as users of the family know them."""

    API_URL_BASE: str = fixed(
        "http://127.0.0.1:8420",
        "REST address, with or without https://. This one is the paper exchange as\n"
        "`python marketmaker paper` serves it. The venue's own addresses of 2020 (api.gte.io,\n"
        "td.gte.io, api.lianhj.com, td.lianhj.com) may belong to others today: ask the venue.",
        section="Connection",
    )
    WS_URL: str = fixed(
        "ws://127.0.0.1:8420", "WebSocket address; wss:// is added where it has no scheme."
    )
    USE_HOSTS_OF_2020: bool = fixed(
        False,
        "True: the key may go to those addresses of 2020; False: no run with a key starts there.",
    )
    API_KEY: str = fixed(
        "",
        "The key pair. Better places, which win over these lines: files that only you can read,\n"
        "named by the environment variables GTE_API_KEY_FILE and GTE_API_SECRET_FILE; or the\n"
        "variables GTE_API_KEY and GTE_API_SECRET.",
        secret_tail=4,
    )
    API_SECRET: str = fixed("", "", secret_tail=0)
    SETTLECURRENCY: str = fixed(
        "BTC",
        "Settlement area of the contract (pc) or trading area of the pair (bb).",
        section="What to trade",
        pattern=r"[A-Z0-9]{2,10}",
    )
    INSTRUMENTTYPE: str = fixed(
        "pc",
        "Type of instrument: pc (perpetual contracts) or bb (spot).",
        choices=("pc", "bb"),
    )
    SYMBOL: str = fixed(
        "BTC_USD",
        "Contract (BTC_USD) or pair (BTC/USDT). `python marketmaker SYMBOL` wins over it, and a\n"
        "file settings-SYMBOL.py beside this one is read on top of it.",
        pattern=r"[A-Z0-9]{2,12}[_/][A-Z0-9]{2,12}",
    )
    ORDER_PAIRS: int = setting(
        30, "Levels on each side of the ladder.", section="Ladder", low=1, high=500
    )
    ORDER_START_SIZE: float = setting(
        100,
        "Size of the first level, in contracts (pc) or base currency (bb).",
        low=1e-12,
        high=1e12,
    )
    ORDER_STEP_SIZE: float = setting(
        173, "How much larger each further level is.", low=0, high=1e12
    )
    INTERVAL: float = setting(
        0.005, "Distance from level to level, as a fraction: 0.005 is 0.5 %.", low=1e-6, high=0.5
    )
    MIN_SPREAD: float = setting(
        0.01,
        "Smallest distance between the first buy and the first sell, as a fraction. If the market\n"
        "is tighter, both step back by half of it.",
        low=0,
        high=0.5,
    )
    MAINTAIN_SPREADS: bool = setting(
        True, "True: the first level stands at the start price. False: one INTERVAL further out."
    )
    RELIST_INTERVAL: float = setting(
        0.01,
        "An order stays where it is while its price is within this fraction of the wanted price.",
        low=0,
        high=0.5,
    )
    RANDOM_ORDER_SIZE: bool = setting(
        False,
        "True: sizes are drawn between MIN_ORDER_SIZE and MAX_ORDER_SIZE, once per level and\n"
        "again when it has filled.",
    )
    MIN_ORDER_SIZE: float = setting(50, "Smallest random size.", low=1e-12)
    MAX_ORDER_SIZE: float = setting(500, "Largest random size.", low=1e-12)
    CHECK_POSITION_LIMITS: bool = setting(
        True,
        "True: never more position than the two limits below allow, counting every order that\n"
        "rests as if it filled. A missing line means True.",
        section="Limits",
        example=False,
    )
    MIN_POSITION: float = setting(
        -10000,
        "Lowest position, in contracts (pc) or base currency (bb); below 0 is short.",
        high=0,
    )
    MAX_POSITION: float = setting(10000, "Highest position, in the same.", low=0)
    POSITION_MODE: str = setting(
        "net",
        "net: an order closes the opposite position when all of it can be closed, else it opens,\n"
        "and the limits bound long - short. hedge: an order opens, and they bound each leg; a\n"
        "full leg is closed by the orders of the other side.",
        choices=("net", "hedge"),
    )
    PRICE_COLLAR: float = setting(
        0.05,
        "A buy more than this fraction above the mark or index price is not placed, nor a sell so\n"
        "far below.",
        low=0.001,
        high=1,
    )
    MAX_ORDER_QTY: float = setting(
        100_000, "No order is larger than this, whatever the strategy asks for.", low=1e-12
    )
    MAX_OPEN_ORDERS: int = setting(
        90, "Open orders at most, those on their way or being cancelled included.", low=1, high=2000
    )
    MAX_OPEN_VALUE: float = setting(
        0,
        "Worth of all open orders at most, in SETTLECURRENCY; 0 is no limit. The log names orders\n"
        "that are beyond it.",
        low=0,
    )
    MAKER_FEE: float = setting(
        0.00025,
        "Fees as fractions of the value of a fill, for resting orders and for those that take;\n"
        "below zero the venue pays. They tell the bot what to expect: a row that prints another\n"
        "fee is counted as it prints, and one outside both rates is said once. The paper exchange\n"
        "charges its own 0.025 % and 0.075 %.",
        low=-0.01,
        high=0.01,
    )
    TAKER_FEE: float = setting(0.00075, "", low=-0.01, high=0.01)
    MAX_LOSS: float = setting(
        0,
        "When a run, its restarts for changed code included, has lost so much, in SETTLECURRENCY\n"
        "after fees and funding, all orders are cancelled and the bot halts until a person clears\n"
        "it; 0 is no limit.",
        low=0,
    )
    MAX_FILLS: int = setting(
        100,
        "When more fills than this come within a minute, all orders are cancelled and the bot\n"
        "halts until a person clears it.",
        low=1,
        high=100_000,
    )
    POST_ONLY: bool = setting(
        False,
        "The venue has no post-only. Prices at or through the other side are never sent; True\n"
        "looks at the book once more just before sending.",
    )
    DRY_RUN: bool = setting(
        True,
        "True: real public data, but nothing is sent; the orders are held as virtual ones.\n"
        "A missing line means True.",
        section="Running",
    )
    DRY_BTC: float = setting(50, "Balance shown in a dry run, in SETTLECURRENCY.", low=0)
    LOOP_INTERVAL: float = setting(
        5, "Seconds from one look at the market to the next.", low=0.05, high=3600
    )
    WAKE_ON_FILL: bool = setting(
        True,
        "True: look again at once when an own order has filled, the venue has ended one, or the\n"
        "last cancel is done. False is better for a strategy that wants something else at each\n"
        "look.",
    )
    API_REST_INTERVAL: float = setting(
        1, "Has no effect: requests are paced by the venue's limits for each endpoint.", low=0
    )
    API_ERROR_INTERVAL: float = setting(
        10, "Seconds without new orders after the venue has refused some.", low=0
    )
    TIMEOUT: float = fixed(7, "Seconds to wait for an answer; at most 4.", low=0.1)
    LOG_LEVEL: int | str = fixed(
        "INFO",
        "DEBUG, INFO, WARNING or ERROR; the constants of `logging` work too.",
    )
    ORDERID_PREFIX: str = fixed(
        "mm_gte_",
        "How our orders are told from others: each client_oid begins with it. At most 13 of\n"
        "A-Z a-z 0-9 _ -. Two bots on one account need two prefixes.",
        pattern=r"[A-Za-z0-9_-]{1,13}",
    )
    WATCHED_FILES: list[str] = fixed(
        ["market_maker/market_maker.py", "market_maker/gte.py", "settings.py"],
        "When one of these or the file of the strategy changes, settings are read again, and code\n"
        "is loaded by a restart: the bot cancels its orders, starts anew and places them again.",
    )
    STRATEGY_SETTINGS: list[str] = fixed(
        [],
        "Names of settings that a strategy of yours reads and does not declare: lines with them\n"
        "may stand here, too.",
    )
    JOURNAL_DAYS: float = fixed(
        90,
        "Days that the journal of runs is kept; fills, payments and balances stay. 0: all stays.",
        low=0,
    )
    JOURNAL_MB: float = fixed(
        1000,
        "Size of a journal in MB above which its oldest rows go; fills, payments and balances\n"
        "stay. 0: any size.",
        low=0,
    )
    NOTIFY_URL: str = fixed(
        "",
        "Where to tell you of a halt, a long pause, orders that may be left, a dead bot, and each\n"
        "day's result: https://HOST/PATH (a webhook), ntfy+https://HOST/TOPIC or\n"
        "telegram://TOKEN/CHAT. It is secret: a better place is the file that\n"
        "GTE_NOTIFY_URL_FILE names, or the variable GTE_NOTIFY_URL.",
        secret_tail=0,
    )
    WITHDRAW_PATH: str = fixed(
        "",
        "Path that GTE.withdraw() posts to; the venue's documents name none.",
        pattern=r"(/[A-Za-z0-9_/-]+)?",
    )


FIELDS = {each.name: each for each in dataclasses.fields(SettingsBase)}
NEED_RESTART = {name for name, each in FIELDS.items() if each.metadata["needs_restart"]}
SECRETS = {
    name: each.metadata["secret_tail"]
    for name, each in FIELDS.items()
    if each.metadata["secret_tail"] is not None
}
"""The secret settings, with how many characters at the end of each the log may show."""


def defaults(*, example: bool = False) -> dict[str, Any]:
    """Return the value that each name has when no file names it, or in settings.py.example."""
    if example:
        return {name: each.metadata["example"] for name, each in FIELDS.items()}
    return dict(vars(SettingsBase()))
