"""What the settings of the BitMEX sample are here."""

FAMILY = {
    "BASE_URL": "here the addresses are API_URL_BASE and WS_URL, and the venue is GTE",
    "CONTRACTS": "a bot trades one contract, the one of SYMBOL; leave the line out",
}
"""Settings of the BitMEX sample that are none here, and why."""
SYMBOLS = {"XBTUSD": "BTC_USD", "ETHUSD": "ETH_USD"}
"""Its contracts, and those of GTE that are like them."""


def hint_of(symbol: object) -> str:
    """Return what to use for a contract of the sample, as the end of a sentence."""
    ours = SYMBOLS.get(symbol) if isinstance(symbol, str) else None
    return f"; the contract of GTE like it is {ours}" if ours else ""
