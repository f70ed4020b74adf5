"""A bot on simulated time: the same code, given another clock and other connections.

timeline     what is to happen, in order; the bot's clock
network      what carries requests and frames, and what goes wrong there
connections  what stands for sockets and threads
world        one exchange, one network and what a bot there is given
"""
