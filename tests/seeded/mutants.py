"""`python -m tests.seeded.mutants`: change one operator, number or word of the pure rooms and the
order tracker at a time, and say which test sees it. It needs `pip install cosmic-ray`.

Of each place in the code one change is drawn. Left out are changes that Python itself refuses
(shifts and bits of a price), annotations and decorators, and those of EQUIVALENT.
"""

import argparse
import ast
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from tests.seeded.__main__ import PARALLEL, ROOT, tried
from tests.seeded.bugs import Bug

PACKAGE = ROOT / "market_maker"
ROOMS = ("strategy/*.py", "money/*.py", "safety/*.py", "decimals.py", "orders/tracker.py")
TRIVIAL = re.compile(
    r"_(Pow|Mod|RShift|LShift|BitOr|BitAnd|BitXor|Is|IsNot|Invert)$"
    r"|_(Is|IsNot)_(Eq|NotEq|LtE?|GtE?)$|Decorator"
)
"""Operators whose changes are refused by Python, or that mean the same for words of an Enum."""
EQUIVALENT = {
    "strategy/convergence.py: j = 10**9  ->  j = 10** 10": "any number beyond all levels will do",
    "money/virtual.py: part = min(fill.qty / self._qty, Decimal(1)) if self._qty > 0 else ZERO"
    "  ->  part = min(fill.qty / self._qty, Decimal(1)) if self._qty != 0 else ZERO": (
        "it is never below 0"
    ),
    "orders/tracker.py: REMEMBER = 10_000  ->  REMEMBER = 10001": "any large number will do",
    "orders/tracker.py: REMEMBER = 10_000  ->  REMEMBER = 9999": "any large number will do",
    "money/fees.py: REMEMBER = 10_000  ->  REMEMBER = 10001": "any large number will do",
    "money/position.py: for (line, leg), (_, fills) in zip(self._legs(shown), self._later(shown), "
    "strict=True)  ->  for (line, leg), (_, fills) in zip(self._legs(shown), self._later(shown), "
    "strict=False)": "both have two legs",
    "strategy/convergence.py: around = [i for i in (at - 1, at) if 0 <= i < len(free)]  ->  "
    "around = [i for i in (at - 1, at) if -1 <= i < len(free)]": (
        "the last one is no nearer than the first where all are above"
    ),
    'safety/trading_state.py: f"(limit {CLOCK_MS / 1000:.0f} s): set it"  ->  f"(limit {CLOCK_MS / '
    '1001:.0f} s): set it"': "it is rounded to whole seconds",
    "money/position.py: mismatch_since: float = 0.0  ->  mismatch_since: float = -1.0": (
        "set when a mismatch begins, and read while there is one"
    ),
    "strategy/ladder.py: price = origin * (1 + interval) ** (steps if index > 0 else -steps)  ->  "
    "price = origin * (1 + interval) ** (steps if index > -1 else -steps)": "no level is 0",
    "strategy/ladder.py: origin = start.buy if index < 0 else start.sell  ->  "
    "origin = start.buy if index < 1 else start.sell": "no level is 0",
    "money/realised.py: return Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0) / "
    "price  ->  return Decimal(1).scaleb(exponent if isinstance(exponent, int) else -1) / price": (
        "of a finite number the exponent is an int"
    ),
    "money/fees.py: return printed if maker < 0 and printed < 0 else abs(printed)  ->  "
    "return printed if maker < 0 and printed < 1 else abs(printed)": (
        "a fee of 0 or more is what its size is"
    ),
    'safety/trading_state.py: f"(limit {CLOCK_MS / 1000:.0f} s): set it"  ->  f"(limit {CLOCK_MS / '
    '999:.0f} s): set it"': "it is rounded to whole seconds",
    "strategy/convergence.py: return pairs, list(zip(missing, moved, strict=True))  ->  "
    "return pairs, list(zip(missing, moved, strict=False))": "one is made of the other",
    "money/profit.py: self.paid += worth if qty > 0 else -worth  ->  self.paid += worth if qty >= "
    "0 else -worth": "what is 0 contracts is worth 0",
    "money/position.py: while self._recent and self._recent[0].arrival < oldest:  ->  "
    "while self._recent and self._recent[ -1].arrival < oldest:": (
        "what is kept longer is filtered by its arrival, and is bounded"
    ),
    "money/money.py: self._earlier = dict(zip(self._earlier, found[2:], strict=True))  ->  "
    "self._earlier = dict(zip(self._earlier, found[2:], strict=False))": "both have two",
}
"""Changes that nobody can notice, each with the reason: as they are printed."""


def main() -> int:
    """Try a sample of the changes; return 1 when over a tenth of them is seen by no test."""
    parser = argparse.ArgumentParser(prog="python -m tests.seeded.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=300, metavar="N", help="so many of them")
    parser.add_argument("--seed", type=int, default=0, help="another sample")
    parser.add_argument("--like", default="", metavar="TEXT", help="only of files named like this")
    arguments = parser.parse_args()
    mutants = list(islice(drawn(arguments.seed, arguments.like), arguments.sample))
    kinds: Counter[str] = Counter()
    with ThreadPoolExecutor(PARALLEL) as pool:
        for result in pool.map(lambda bug: tried(bug, with_soak=False), mutants):
            kinds[result.kind] += 1
            print(f"{result.seconds:4.0f} s  {result.caught_by or result.kind}: {result.bug.name}")
            sys.stdout.flush()
    print(f"{len(mutants)} changes: {', '.join(f'{n} {kind}' for kind, n in kinds.items())}")
    return 1 if 10 * kinds["MISSED"] > len(mutants) else 0


def drawn(seed: int, like: str) -> Iterator[Bug]:
    """Yield one change of each place of the code, in an order that the seed decides."""
    import parso.python.tree  # noqa: F401 - before cosmic_ray, which imports it in a circle
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names

    chance = random.Random(seed)
    kinds = [get_operator(name) for name in operator_names() if not TRIVIAL.search(name)]
    operators = [kind() for kind in kinds if not kind.arguments()]
    places: dict[tuple[Path, object], list[tuple[Any, int]]] = {}
    for path in (path for room in ROOMS for path in sorted(PACKAGE.glob(room))):
        if path.name == "__init__.py" or like not in str(path):
            continue
        nodes = list(ast_nodes(get_ast(path.read_text("utf-8"))))
        for operator in operators:
            starts = (start for node in nodes for start, _ in operator.mutation_positions(node))
            for occurrence, start in enumerate(starts):
                places.setdefault((path, start), []).append((operator, occurrence))
    for path, start in chance.sample(list(places), len(places)):
        source = path.read_text("utf-8")
        changed = mutate_code(source, *chance.choice(places[path, start])) or source
        if without_annotations(changed) in ("", without_annotations(source)):
            continue
        bug = named(path, source, changed)
        if ": @" not in bug.name and bug.name not in EQUIVALENT:  # decorators promise to mypy
            yield bug


def named(path: Path, source: str, changed: str) -> Bug:
    """Return a change, with the line that it changes as its name."""
    lines = zip(source.splitlines(), changed.splitlines(), strict=False)
    before, after = next((a.strip(), b.strip()) for a, b in lines if a != b)
    file = str(path.relative_to(PACKAGE))
    return Bug(f"{file}: {before}  ->  {after}", file, source, changed)


def without_annotations(source: str) -> str:
    """Return what a source does, whatever its annotations and the signs of its signatures say.

    Empty for what is no Python.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arguments):  # its * and / are no operators
            node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
            node.defaults += [each for each in node.kw_defaults if each]
            node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
    return ast.dump(tree)


if __name__ == "__main__":
    sys.exit(main())
