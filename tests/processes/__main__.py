"""`python -m tests.processes`: kill bots at any moment of their start, and see what is left."""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]  # as pytest does

from kills import assert_clean, kill_bots  # noqa: E402


def main() -> int:
    """Kill as often as asked, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.processes", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="how many, at least 4")
    parser.add_argument("--lanes", type=int, default=8, help="how many bots at a time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        deaths = kill_bots(Path(directory), kills=arguments.kills, lanes=arguments.lanes)
    seconds = sorted(death.seconds for death in deaths)
    print(f"kills          {len(deaths)}")
    print(f"orders up      {sorted(death.up for death in deaths)}")
    print(f"gone after     {seconds[len(seconds) // 2]:.1f} s (median), {seconds[-1]:.1f} s (most)")
    assert_clean(deaths)
    print("left           0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
