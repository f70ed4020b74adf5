"""`python -m tests.processes`: kill bots at any moment of their start, and see what is left."""

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]  # as pytest does

from kills import LATENCIES, MARKETS, Death, assert_clean, kill_bots  # noqa: E402

LINE = "{:<10} {:>8} {:>6} {:>8} {:>9} {:>11} {:>13}"


def main() -> int:
    """Kill as often as asked, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.processes", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="how many of each kind, at least 4")
    parser.add_argument("--lanes", type=int, default=2, help="how many bots of a kind at a time")
    parser.add_argument(
        "--latency",
        type=float,
        nargs="+",
        metavar="MS",
        default=[seconds * 1000 for seconds in LATENCIES],
        help="milliseconds each way between bot and exchange",
    )
    arguments = parser.parse_args()
    kinds = list(product(MARKETS, arguments.latency))
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(len(kinds)) as pool:

        def run(kind: tuple[str, float]) -> list[Death]:
            market, ms = kind
            return kill_bots(
                Path(directory) / f"{market}-{ms:g}",
                kills=arguments.kills,
                lanes=arguments.lanes,
                market=market,
                latency=ms / 1000,
            )

        print(LINE.format("", "latency", "kills", "left", "up", "none rests", "proven"))
        died: list[list[Death]] = []
        for (market, ms), deaths in zip(kinds, pool.map(run, kinds), strict=True):
            died.append(deaths)
            up = [death.up for death in deaths]
            print(
                LINE.format(
                    market,
                    f"{ms:g} ms",
                    len(deaths),
                    sum(death.left for death in deaths),
                    f"{min(up)}..{max(up)}",
                    f"<= {max(death.gone for death in deaths):.1f} s",
                    f"<= {max(death.proven for death in deaths):.1f} s",
                ),
                flush=True,
            )
    for deaths in died:
        assert_clean(deaths)
    return 0


if __name__ == "__main__":
    sys.exit(main())
