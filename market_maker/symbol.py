"""Symbols: of contracts, such as BTC_USD, and of pairs, such as BTC/USD_T."""


def base_of(symbol: str) -> str:
    """Return the base currency of a pair.

    >>> base_of("BTC/USD_T")
    'BTC'
    """
    return symbol.partition("/")[0]


def quote_of(symbol: str) -> str:
    """Return the quote currency of a pair; empty for a contract.

    >>> quote_of("BTC/USD_T"), quote_of("BTC_USD")
    ('USD_T', '')
    """
    return symbol.partition("/")[2]


def unit_of(symbol: str) -> str:
    """Return what quantities are counted in: contracts, or the base currency of a pair.

    >>> unit_of("BTC/USD_T"), unit_of("BTC_USD")
    ('BTC', 'contracts')
    """
    return base_of(symbol) if quote_of(symbol) else "contracts"
