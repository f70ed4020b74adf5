"""Own orders. Entry points: `orders.Orders`, and `orders.sweep` for guard and `cancel`.

orders           what the trading loop does with own orders
tracker          the state of each own order, from evidence alone
unacknowledged   orders without a row yet: which rows may be theirs
reconciler       feeds order updates from the feed and REST into the tracker
executor         sends plans, one time slice at a time
dry              sends nothing; matching tells what the market would have filled
last_check       whether a create may still leave
slices           how long the requests of a plan may leave
startup          cancels the orders of previous runs
words            orders in a line of the log
notes            creates noted for a process after their run
others           what orders of others on the account fill
taker_reports    fills that took liquidity, from execution reports
sweep            cancels all own orders and proves by query that none is left
"""
