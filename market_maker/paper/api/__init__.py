"""GTE's API over the exchange: texts, requests, replies and frames. No HTTP and no sockets.

encoding, rows      numbers as text; the rows of all replies and tables
levels              the rows of the book
auth                API keys, signatures, expiry, rate limits
parameters, request the parameters of a request; a request with its exchange and owner
accounts, positions, orders, market_data    the REST endpoints as functions
rest                the table of the REST endpoints
dispatch            from a raw request to its reply
topic, session      what a client subscribes to; one client of the feed
tables, feed        the rows of the feed's tables; its messages and frames
judge               the audit of one owner
"""
