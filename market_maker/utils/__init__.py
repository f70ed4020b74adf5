"""What strategies of the BitMEX sample import: log, constants, errors, math.

A new strategy needs none of them.
"""
