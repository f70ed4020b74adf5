"""Loggers under the name of the BitMEX sample."""

import logging


def setup_custom_logger(name: str, log_level: int | str | None = None) -> logging.Logger:
    """Return a logger of this name. Its lines go where the bot's lines go.

    `log_level`, if given, is its lowest level: a constant or name of `logging`.
    """
    logger = logging.getLogger("market_maker.strategy" if name == "root" else name)
    if log_level is not None:
        logger.setLevel(log_level)
    return logger
