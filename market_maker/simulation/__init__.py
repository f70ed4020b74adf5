"""A bot on simulated time: the same code, given another clock and other connections.

timeline         what is to happen, in order; the bot's clock
network          what carries requests and frames, and what goes wrong there
connections      what stands for sockets and threads
world            one exchange, one network and what a bot there is given
recorded_market  a tape as the other participants      latency  how long requests travel
backtest         a bot on a tape, with its journal     check    whether it knows what comes
replay           recorded decisions, decided again     restage  a strategy on other facts
plan, draws      what a sweep is to try                trials   one trial: its key and its result
claims, results  the directory that workers share      sweep    all trials of a plan
"""
