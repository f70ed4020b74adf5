"""The live feed: tables kept by a thread."""
