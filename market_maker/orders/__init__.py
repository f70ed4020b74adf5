"""Our orders. Two doors: `orders.Orders`, and `orders.sweep` for guard and `cancel`.

tracker      each order's life, as the evidence shows it
reconciler   feeds order updates from the feed and REST into the tracker
executor     sends plans, a slice of time at once
startup      deals with what earlier runs have left
sweep        cancels all of ours and proves that none is left
"""
