"""Faults on request: what goes wrong in requests, in frames and in the state of the exchange.

schedule    the catalogue of faults, and which of them strikes when
reading     a schedule as JSON
frames      what a fault makes of the frames of one connection
state       what the active faults make of the exchange
"""
