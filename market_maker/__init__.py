"""A market maker for the GTE exchange, and a paper exchange to run it on."""

__version__ = "2.0.0"


def run() -> int:
    """Run the command line and return its exit status (the `marketmaker` console script)."""
    from market_maker.app.cli import main

    return main()
