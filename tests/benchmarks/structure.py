"""`python -m tests.benchmarks.structure [TREE ...]`: the structure of this tree and of others.

TREE is the root of another checkout, such as a worktree of an earlier commit; all are measured in
one run, side by side.
"""

import ast
import io
import subprocess
import sys
import tokenize
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

HERE = Path(__file__).parents[2]
GROUND = set(
    "errors clock secrecy account client_oid decimals symbol models control instead "
    "private_files auth".split()
)
BRANCHES = (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.With, ast.IfExp, ast.comprehension)
ROUNDS = 5
TICK = """
import logging, sys, time
from statistics import median
logging.disable(logging.CRITICAL)
from tests.world.world import World
world = World()
with world.installed():
    bot = world.start(ORDER_PAIRS=30, MAX_OPEN_ORDERS=90)
    world.run(20)
    for _ in range(5):
        bot.tick()
    modules, counts = set(), {"calls": 0, "snapshots": 0}
    def trace(frame, event, _):
        name = frame.f_globals.get("__name__", "")
        if event == "call" and name.startswith("market_maker"):
            modules.add(name)
            counts["calls"] += 1
            counts["snapshots"] += name.endswith("ws_thread") and frame.f_code.co_name == "view"
    sys.setprofile(trace)
    bot.tick()
    sys.setprofile(None)
    took = []
    for _ in range(300):
        begun = time.perf_counter()
        bot.tick()
        took.append(time.perf_counter() - begun)
print(len(modules), counts["calls"], counts["snapshots"], f"{median(took) * 1e3:.3f}")
"""


def lines_of_code(source: str, tree: ast.Module) -> int:
    """Return the lines with code on them: no blanks, comments or docstrings."""
    skip: set[int] = set()
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                if isinstance(child.value.value, str):
                    skip |= set(range(child.lineno, (child.end_lineno or child.lineno) + 1))
    code: set[int] = set()
    ignored = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in ignored and token.type != tokenize.ENDMARKER:
            code |= set(range(token.start[0], token.end[0] + 1))
    return len(code - skip)


def room_of(name: str) -> str:
    """Return the room of a module: its folder, or itself where it lies loose; paper is one."""
    first = name.split(".", maxsplit=1)[0]
    return "ground" if first in GROUND else first


def floors_of(arrows: dict[str, set[str]]) -> tuple[int, int]:
    """Return the number of floors, and of circles, of rooms with these arrows."""
    floors: dict[str, int] = {}
    circles = 0

    def floor(room: str, path: tuple[str, ...]) -> int:
        nonlocal circles
        if room in path:
            circles += 1
            return 0
        if room not in floors:
            floors[room] = 1 + max((floor(r, (*path, room)) for r in arrows[room]), default=0)
        return floors[room]

    for room in list(arrows):
        floor(room, ())
    return max(floors.values()), circles


def measure(root: Path) -> dict[str, str]:
    """Return the figures of one tree, in words."""
    package = root / "market_maker"
    files = {
        ".".join(path.relative_to(package).with_suffix("").parts): path.read_text("utf-8")
        for path in sorted(package.rglob("*.py"))
        if "paper" not in path.relative_to(package).parts and path.stem != "__init__"
    }
    trees = {name: ast.parse(text) for name, text in files.items()}
    arrows: dict[str, set[str]] = {room_of(name): set() for name in files}
    loc: dict[str, int] = defaultdict(int)
    lengths, complexities = [], []
    for name, tree in trees.items():
        loc[room_of(name)] += lines_of_code(files[name], tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("market_maker"):
                for alias in node.names:
                    target = f"{node.module}.{alias.name}".removeprefix("market_maker.")
                    room = room_of(target)
                    if room in arrows and room != room_of(name):
                        arrows[room_of(name)].add(room)
            if isinstance(node, ast.FunctionDef):
                lengths.append((node.end_lineno or 0) - node.lineno + 1)
                inner = list(ast.walk(node))
                boolean = sum(len(n.values) - 1 for n in inner if isinstance(n, ast.BoolOp))
                complexities.append(1 + boolean + sum(isinstance(n, BRANCHES) for n in inner))
    floors, circles = floors_of(arrows)
    longest = max(files, key=lambda name: len(files[name].splitlines()))
    rooms = ", ".join(f"{room} {count}" for room, count in sorted(loc.items()) if count > 100)
    return {
        "rooms": str(len(arrows)),
        "floors": str(floors),
        "arrows": str(sum(map(len, arrows.values()))),
        "circles": str(circles),
        "files": str(len(files)),
        "lines of code": str(sum(loc.values())),
        "longest file": f"{len(files[longest].splitlines())} ({longest})",
        "function, p90 lines": f"{quantiles(lengths, n=10)[-1]:.0f}",
        "complexity, most": str(max(complexities)),
        "by room": rooms,
    }


def ticks(trees: Sequence[Path]) -> list[dict[str, str]]:
    """Return the figures of a steady tick of each tree; they run in turns, the fastest counts."""
    command = [sys.executable, "-c", TICK]
    runs = [
        [subprocess.check_output(command, cwd=tree, text=True).split() for tree in trees]
        for _ in range(ROUNDS)
    ]
    best = [min(float(each[3]) for each in of_tree) for of_tree in zip(*runs, strict=True)]
    return [
        {
            "modules of a tick": modules,
            "calls of a tick, 30 pairs": calls,
            "snapshots of a tick": snapshots,
            "a steady tick, 30 pairs": f"{ms:.3f} ms, {ms / best[-1]:.2f} of the last tree's",
        }
        for (modules, calls, snapshots, _), ms in zip(runs[0], best, strict=True)
    ]


def main() -> None:
    """Print the figures of this tree and of those that are named."""
    trees = [HERE, *map(Path, sys.argv[1:])]
    found = [measure(tree) | tick for tree, tick in zip(trees, ticks(trees), strict=True)]
    for name in found[0]:
        if name != "by room":
            print(f"{name:<28}" + "".join(f"{each[name]:<38}" for each in found).rstrip())
    for tree, each in zip(trees, found, strict=True):
        print(f"by room, {tree.name}: {each['by room']}")


if __name__ == "__main__":
    main()
