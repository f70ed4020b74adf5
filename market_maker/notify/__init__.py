"""Notifications: what a person is told of a run, at an address of theirs.

address   where they go, and the request that takes one there
message   what they say
flood     how many may leave
sender    the thread that sends them
"""

from market_maker.notify.address import address_of
from market_maker.notify.flood import Flood
from market_maker.notify.message import About, Kind, Message
from market_maker.notify.sender import NotDelivered, Sender, deliver

__all__ = [
    "About",
    "Flood",
    "Kind",
    "Message",
    "NotDelivered",
    "Sender",
    "address_of",
    "deliver",
]
