"""Measurements: `python -m tests.benchmarks`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does, for what the tests share
