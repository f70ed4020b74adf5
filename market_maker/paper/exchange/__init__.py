"""The exchange itself, without I/O: time is an argument, and no module here knows a socket.

instrument, listing     what is traded; an instrument with its book, history and prices
engine                  the matching engine: one order book, price before time
background, moves       the orders of the other participants, and what they do to a book
history                 latest trades, candles, the last 24 hours
account, ledger         one owner's coins and positions; all accounts and the money in them
clearing                what an order reserves and a trade moves, for contracts and for spot
blotter, settlement     the users' orders; the booking of fills and cancels
funding, liquidation    what happens to positions every eight hours, and when margin runs out
events, outbox, ids     what has changed; what is not published yet; the counter of ids
errors, quirks          error codes; undocumented behaviour with its default
exchange                all of it together, one method for each request
"""
