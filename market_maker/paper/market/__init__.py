"""The other participants of the exchange, and the setup of a new one.

crowd    simulated participants
tape     a recorded market
setup    a new exchange with its accounts and markets
"""
