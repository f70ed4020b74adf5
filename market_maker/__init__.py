"""A market maker for the GTE exchange, and a paper exchange to run it on."""

__version__ = "2.0.0"
PYTHON = (3, 11)
"""The oldest Python that will do."""


def run() -> int:
    """Run the command line and return its exit status (the `marketmaker` console script).

    Python 3.6 can parse this file, and so it can say what is missing.
    """
    import sys

    if sys.version_info[:2] < PYTHON:
        here = sys.version.split()[0]
        sys.stderr.write(f"Python {here} is too old: 3.{PYTHON[1]} or newer is needed\n")
        return 2
    if sys.platform == "win32":
        sys.stderr.write("This runs on Linux and macOS only: Windows has no fcntl\n")
        return 2
    try:
        from market_maker.app.cli import main

        return main()
    except KeyboardInterrupt:  # while it was being imported
        sys.stderr.write("Interrupted.\n")
        return 130
