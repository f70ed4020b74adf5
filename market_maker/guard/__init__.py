"""What outlives or stands by a live run.

session   a live run: lock, latch, guard       guard     the bot's side of the guard
signals   what a person asks of a run          watch     the guard's side
runfiles  what a bot keeps on this machine     child     a process tied to us by a pipe
lock      against a second instance            container the process that waits for the guard
shared    rate limits spent, venue's address   telling   what the guard sends to a person
service   what systemd is told
"""
