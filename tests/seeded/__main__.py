"""`python -m tests.seeded`: put each seeded bug into a copy, and say which test sees it."""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.seeded.bugs import BUGS, Bug

ROOT = Path(__file__).parents[2]
NOT_COPIED = shutil.ignore_patterns(".*_cache", "__pycache__", "*.egg-info", ".git", ".venv")
PARALLEL = 2
SECONDS, STILL_SECONDS = 1200.0, 90.0
"""A bug whose tests take longer, or one of them, is caught by the time limit."""
FORM = {"test_architecture", "test_rules", "test_docs", "test_versions", "test_soak"}
"""Not run: what judges texts would see a bug by its form; the soak is an option."""
FIRST = "test_secrecy"
"""It expects that no other test of its process has left a secret behind."""
SOAK = ("-m", "tests.chaos", "--hours", "0.5")
LIMIT = "time limit"


@dataclass(frozen=True, slots=True)
class Result:
    """What has caught a bug: the id of a test, or empty text for a bug that was missed."""

    bug: Bug
    caught_by: str
    seconds: float

    @property
    def kind(self) -> str:
        """Who has caught it, in a word."""
        if not self.caught_by:
            return "harmless" if self.bug.harmless else "MISSED"
        folder = re.match(r"tests/(\w+)/", self.caught_by)
        return folder.group(1) if folder else self.caught_by.partition(":")[0]


def main() -> int:
    """Try the bugs that are asked for; return 1 when one was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.seeded", description=__doc__)
    parser.add_argument("--sample", type=int, metavar="N", help="only so many of them")
    parser.add_argument("--seed", type=int, default=0, help="another sample")
    parser.add_argument("--like", default="", metavar="TEXT", help="only those named like this")
    parser.add_argument("--soak", action="store_true", help="where all pass, half an hour of soak")
    arguments = parser.parse_args()
    bugs = [bug for bug in BUGS if re.search(arguments.like, f"{bug.file}: {bug.name}")]
    if arguments.sample is not None:
        bugs = random.Random(arguments.seed).sample(bugs, min(arguments.sample, len(bugs)))
    kinds: Counter[str] = Counter()
    with ThreadPoolExecutor(PARALLEL) as pool:
        for result in pool.map(lambda bug: tried(bug, with_soak=arguments.soak), bugs):
            kinds[result.kind] += 1
            shown = result.caught_by or result.kind
            print(f"{result.bug.name:<72} {result.bug.room:<9} {result.seconds:4.0f} s  {shown}")
            sys.stdout.flush()
    print(f"{len(bugs)} bugs: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}")
    return 1 if kinds["MISSED"] else 0


def tried(bug: Bug, *, with_soak: bool) -> Result:
    """Return what catches a bug, in a copy of the tree that is thrown away."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="seeded-") as place:
        copy = Path(place) / "tree"
        shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
        apply(bug, copy)
        caught_by = ""
        for files in parts(bug):
            left = SECONDS - (time.monotonic() - begun)
            if caught_by := failing(copy, files, left):
                break
        if with_soak and not caught_by:
            status, said = run(copy, SOAK, SECONDS)
            caught_by = f"soak: {said.strip().splitlines()[-1:]}" if status else ""
    return Result(bug, caught_by, time.monotonic() - begun)


def apply(bug: Bug, root: Path) -> None:
    """Put a bug into a tree. Raises ValueError when its text is not there exactly once."""
    path = root / "market_maker" / bug.file
    text = path.read_text()
    if text.count(bug.old) != 1:
        raise ValueError(f"{bug.name}: its text is {text.count(bug.old)} times in {bug.file}")
    path.write_text(text.replace(bug.old, bug.new))


def parts(bug: Bug) -> Iterator[list[str]]:
    """Yield the test files in the order in which they are run: those about the module first."""
    module = "market_maker." + bug.file.removesuffix(".py").replace("/", ".")
    package, _, stem = module.rpartition(".")
    about = re.compile(
        rf"{re.escape(module)}\b|from {re.escape(package)} import .*\b{stem}\b"
        + (rf"|from {re.escape(package)} import" if "." in package else "")
    )
    names = [f"test_{stem}", f"test_{bug.room}"]
    folders = [sorted((ROOT / "tests" / name).glob("test_*.py")) for name in ("unit", "simulated")]
    files = [path for folder in folders for path in folder if path.stem not in FORM]
    named = [path for name in names for path in files if path.stem == name]
    near = [path for path in files if path not in named and about.search(path.read_text())]
    for part in (named, near, *folders):
        rest = [path for path in part if path in files]
        rest.sort(key=lambda path: path.stem != FIRST)
        files = [path for path in files if path not in rest]
        if rest:
            yield [str(path.relative_to(ROOT)) for path in rest]


def failing(copy: Path, files: Sequence[str], seconds: float) -> str:
    """Return the first test that fails, alone too, and passes without the bug; else nothing."""
    doubtful: list[str] = []
    while True:
        left_out = [f"--deselect={test}" for test in doubtful]
        status, said = run(copy, [*PYTEST, *left_out, *files], seconds)
        if status is None:
            begun = re.findall(r"^(tests/\S+)", said, re.MULTILINE) or ["before the first test"]
            without, _ = run(copy, [*PYTEST, begun[-1]], STILL_SECONDS, tree=ROOT)
            if without == 0 or begun[-1] in doubtful or len(begun) == 1:
                return f"{LIMIT}: {begun[-1]}"
            doubtful.append(begun[-1])
            continue
        failed = re.search(r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", said, re.MULTILINE)
        if not status or status == NO_TESTS:
            return ""
        if not failed:
            return f"broken: {said.strip()[-200:]}"
        alone, _ = run(copy, [*PYTEST, failed.group(1)], seconds)
        without, _ = run(copy, [*PYTEST, failed.group(1)], seconds, tree=ROOT)
        if (alone != 0 and without == 0) or failed.group(1) in doubtful:
            return failed.group(1)
        doubtful.append(failed.group(1))


OF_PYTEST = "not slow or sampled"
"""What `pytest` runs, and all cases of the tests of which it runs a third."""
PYTEST = ("-m", "pytest", "-o", "addopts=", "-m", OF_PYTEST, "-p", "no:cacheprovider", "-x", "-v")
NO_TESTS = 5


def run(
    copy: Path, arguments: Sequence[str], seconds: float, tree: Path | None = None
) -> tuple[int | None, str]:
    """Run Python in a copy, or another `tree`; return its status, None for too long, and words."""
    output = copy.parent / f"output-{time.monotonic_ns()}"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=tree or copy,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(tree or copy), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        try:
            status = _waited_for(process, output, seconds)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return status, output.read_text(errors="replace")


def _waited_for(process: "subprocess.Popen[bytes]", output: Path, seconds: float) -> int | None:
    """Wait for a process; return its exit status, None if it or one of its tests takes too long."""
    begun = told_at = time.monotonic()
    size = -1
    while (status := process.poll()) is None:
        now = time.monotonic()
        if output.stat().st_size != size:
            size, told_at = output.stat().st_size, now
        if now - begun > seconds or now - told_at > STILL_SECONDS:
            return None
        time.sleep(0.2)
    return status


if __name__ == "__main__":
    sys.exit(main())
