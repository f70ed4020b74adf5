"""Names of the BitMEX sample that are not here: who asks for one is told what to use instead."""

import sys

INSTEAD = {
    "market_maker.bitmex.BitMEX": "self.exchange.bitmex in a strategy, else market_maker.gte.GTE",
    "market_maker.ws.ws_thread.BitMEXWebsocket": "GTEWebsocket of this module",
    "market_maker.auth.AccessTokenAuth": "APIKeyAuthWithExpires: GTE signs with a key pair alone",
    "market_maker.auth.APIKeyAuth": "APIKeyAuthWithExpires of market_maker.auth",
    "market_maker.auth.generate_nonce": "APIKeyAuthWithExpires: GTE has no nonce",
    "market_maker.auth.generate_expires": "APIKeyAuthWithExpires, which sets it",
    "market_maker.auth.generate_signature": "sign() of market_maker.auth",
    "market_maker._settings_base": "settings of market_maker.settings",
}
"""By a name of the sample what to use for it; a module stands for all its names."""


def tell(module: str) -> None:
    """Have a module raise an ImportError with the way out when such a name is asked for."""

    def missing(name: str) -> object:
        is_special = name.startswith("__") and name != "__all__"
        for each in () if is_special else (module, f"{module}.{name}"):
            if each in INSTEAD:
                raise ImportError(f"{each} is of the BitMEX sample; use {INSTEAD[each]}")
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    vars(sys.modules[module])["__getattr__"] = missing
