"""What outlives or stands by a live run: lock, halt latch, guard process, signals, run files."""
