"""`python -m tests.chaos`: soak a bot in trouble, and say what came of it. The seed is the run."""

import argparse
import os
import random
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.chaos.injections import WIDE_KINDS
from tests.chaos.shape import WIDE
from tests.chaos.soak import run

HOURS_EACH = 1.0
MANY_HOURS, MANY_KINDS = 5.0, 120
"""In so many hours at least so many kinds of faults must have been injected."""
JUDGED = 60
"""Seconds an hour, at least, in which what holds while nothing is wrong is looked at."""
DIGEST_SEEDS, DIGEST_HOURS = 20, 0.25


def main() -> int:
    """Run the asked hours, spread over seeds and processes; return 1 when an invariant broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--hours", type=float, default=30.0, help="simulated hours in all")
    seed = parser.add_mutually_exclusive_group()
    seed.add_argument("--seed", type=int, default=0, help="the first seed; one an hour")
    seed.add_argument("--fresh", action="store_true", help="seeds that nobody has tried yet")
    parser.add_argument(
        "--digests", action="store_true", help="print a digest of what each seed did, and end"
    )
    arguments = parser.parse_args()
    fresh = WIDE + random.SystemRandom().randrange(10**9)
    first = fresh if arguments.fresh else arguments.seed
    if arguments.digests:
        return _print_digests(first)
    count = max(1, round(arguments.hours / HOURS_EACH))
    each = arguments.hours / count
    seeds = range(first, first + count)
    print(f"seeds          {seeds[0]} to {seeds[-1]}, {each:g} h each", flush=True)
    injected: Counter[str] = Counter()
    halts: Counter[str] = Counter()
    quoted: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for outcome in pool.map(run, seeds, [each] * count):
            injected.update(outcome.injected)
            halts.update(outcome.halts)
            totals["seconds"] += round(outcome.seconds)
            for name in ("messages", "requests", "fills", "starts"):
                totals[name] += getattr(outcome, name)
            quoted.update(outcome.quoted)
            for violation in outcome.violations:
                totals["violations"] += 1
                print(f"seed {outcome.seed}: {violation}")
            if outcome.violations:
                print("  " + "\n  ".join([outcome.about, *outcome.trace[-10:]]))
                again = f"python -m tests.chaos --seed {outcome.seed} --hours {each:g}"
                print(f"  again: {again}", flush=True)
    print(f"simulated      {totals['seconds'] / 3600:.1f} h in {count} seeds from {seeds[0]}")
    known = len(WIDE_KINDS)
    print(f"faults         {injected.total()} of {len(injected)} kinds ({known} are known)")
    print(f"messages       {totals['messages']} frames, {totals['requests']} requests")
    print(
        f"trading        {totals['fills']} fills, {totals['starts']} starts, {halts.total()} halts"
    )
    share = quoted["both sides"] / max(quoted["running"], 1)
    print(f"quoted         {share:.0%} of the time on both sides")
    print(
        f"judged         {quoted['judged']} s in which nothing had been wrong for long (I29, I33)"
    )
    print(f"violations     {totals['violations']}")
    if arguments.hours >= MANY_HOURS and len(injected) < MANY_KINDS:
        print(f"too few kinds  {len(injected)} of at least {MANY_KINDS}")
        return 1
    if first >= WIDE and arguments.hours >= MANY_HOURS and quoted["judged"] < JUDGED * count:
        print(f"too little     judged, of at least {JUDGED} s an hour")
        return 1
    return 1 if totals["violations"] else 0


def _print_digests(first: int) -> int:
    seeds = range(first, first + DIGEST_SEEDS)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for outcome in pool.map(run, seeds, [DIGEST_HOURS] * DIGEST_SEEDS):
            broken = " ".join(sorted({each.invariant for each in outcome.violations}))
            print(f"{outcome.seed} {outcome.digest} {broken}".rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
