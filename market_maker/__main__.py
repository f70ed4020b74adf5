"""`python -m market_maker`, for a place without the script `marketmaker`."""

from market_maker import run

if __name__ == "__main__":
    raise SystemExit(run())
