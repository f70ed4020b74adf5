"""The paper exchange: the venue itself, on loopback."""
