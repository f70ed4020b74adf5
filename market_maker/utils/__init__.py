"""What strategies of the BitMEX sample import: log, constants, errors, math, dotdict.

A new strategy needs none of them. `progress` is ours: it shows how far a command is.
"""
