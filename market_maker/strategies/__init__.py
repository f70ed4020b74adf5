"""Ready strategies, one file each, and the pure models that they quote by.

`--strategy glft` runs one. Copy its file to write your own.
"""

READY = ("skew", "volatility", "avellaneda_stoikov", "glft", "microprice")
"""The names that `--strategy` knows, each a file of this folder."""
