"""The module of the BitMEX sample's default settings; its names say what to use instead."""

from market_maker import instead

instead.tell(__name__)
