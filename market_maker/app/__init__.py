"""The program: the command line, its commands, the log and the exit status."""
