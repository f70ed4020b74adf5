"""How the venue is reached: its texts, its limits, its clock, connections with TLS."""
