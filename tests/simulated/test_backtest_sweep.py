"""Sweeps on made tapes: the same results whoever runs the trials, whatever was killed meanwhile."""

import fcntl
import importlib.util
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bot import ENVIRONMENT, ROOT, ended
from conftest import wait_until

from market_maker.app.cli import main
from market_maker.journal import runs_in
from market_maker.settings import settings
from market_maker.tapes import MadeTape, write_records

PLAN = """
[settings]
LOOP_INTERVAL = 2
MIN_SPREAD = 0.0002
RELIST_INTERVAL = 0.0001

[grid]
ORDER_PAIRS = [1, 2]
INTERVAL = [0.0002, 0.0004]
"""
TRIALS = 16
SECONDS = 12
TAPES = ("1.tape", "2.tape", "--strategy", "held.py")
ONE = "[settings]\nLOOP_INTERVAL = 2\nMIN_SPREAD = 0.0002\n[grid]\nORDER_PAIRS = [2]\n"
HELD = """
import os
import time
from pathlib import Path
from market_maker.market_maker import OrderManager

trials = 0

class Held(OrderManager):
    def __init__(self):
        global trials
        trials += 1
        while trials > 1 and Path(os.environ.get("HOLD", "/nowhere")).exists():
            time.sleep(0.01)
        super().__init__()
"""
"""A strategy that waits, in each process from its second trial on, as long as a file is there."""
MINE = """
from market_maker.market_maker import OrderManager
from market_maker.settings import setting, settings

class Mine(OrderManager):
    SETTINGS = {"MOOD": setting("good", "How it feels.")}

    def __init__(self):
        if settings.MOOD == "bad":
            raise LookupError(f"{self} in {__file__} does not feel like it")
        super().__init__()
        print("I print something")
"""
Sweep = Callable[..., int]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with plans and tapes, and the sweep of one of them; pytest's workers share it."""
    base = tmp_path_factory.getbasetemp()
    found = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "sweep"
    found.mkdir(exist_ok=True)
    with (found / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (found / "table").exists():
            fill(found)
    return found


def fill(place: Path) -> None:
    (place / "plan.toml").write_text(PLAN)
    (place / "one.toml").write_text(ONE)
    (place / "held.py").write_text(HELD)
    for seed in (1, 2, 3):
        made = MadeTape(seed, SECONDS)
        write_records(made.records(), made.market, place / f"{seed}.tape")
    command = [sys.executable, str(ROOT / "marketmaker"), "sweep", "plan.toml", *TAPES]
    done = subprocess.run(command, cwd=place, env=ENVIRONMENT, capture_output=True, check=True)
    assert done.stderr == b""
    (place / "table").write_bytes(done.stdout)


@pytest.fixture(autouse=True)
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be in that directory; afterwards settings and log are what they were."""
    monkeypatch.chdir(place)
    saved, level = dict(vars(settings)), logging.getLogger().level
    yield
    vars(settings).clear()
    vars(settings).update(saved)
    logging.getLogger().setLevel(level)


@pytest.fixture
def expected(place: Path) -> tuple[dict[str, bytes], str]:
    """The results of the plan on two tapes, by one worker, and the table."""
    return results(place / "plan"), (place / "table").read_text()


def results(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (directory / "results").glob("*.json")}


def sweep(*arguments: object, out: Path, plan: str = "plan.toml") -> int:
    return main(["sweep", plan, *map(str, arguments), "--out", str(out)])


def held(out: Path, tmp_path: Path) -> "subprocess.Popen[str]":
    """Start a sweep in a session of its own; its two workers wait amid their second trials."""
    (tmp_path / "hold").touch()
    command = [str(ROOT / "marketmaker"), "sweep", "plan.toml", *TAPES, "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, *command, "--out", str(out)],
        env=ENVIRONMENT | {"HOLD": str(tmp_path / "hold")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: len(holders(out)) == 2 and len(results(out)) == 2, 30)
    return process


def holders(out: Path) -> set[int]:
    """The processes that have claimed a trial."""
    found = set()
    for path in (out / "claims").glob("[0-9a-f]*") if (out / "results").exists() else ():
        try:
            found.add(int(json.loads(path.read_text())["pid"]))
        except (OSError, ValueError):
            continue
    return found


READS = """\
from edge import EDGE
from market_maker.market_maker import OrderManager
from market_maker.settings import setting

class Reads(OrderManager):
    SETTINGS = {"TABLE": setting("", "A file.")}
"""


@pytest.mark.slow
@pytest.mark.parametrize("edited", ["edge.py", "table.json"])
def test_what_a_strategy_imports_or_a_setting_names_is_a_part_of_the_key(
    edited: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reads.py").write_text(READS)
    (tmp_path / "edge.py").write_text("EDGE = 1\n")
    (tmp_path / "table.json").write_text("1")
    plan = tmp_path / "plan.toml"
    plan.write_text(f"[grid]\nTABLE = ['{tmp_path / 'table.json'}']\n")
    command = [sys.executable, str(ROOT / "marketmaker"), "sweep", str(plan), *TAPES[:2]]
    command += ["--strategy", str(tmp_path / "reads.py"), "--out", str(tmp_path / "out")]
    environment = ENVIRONMENT | {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    statuses = []
    for text in ("EDGE = 1\n", "EDGE = 1\n", "EDGE = 2\n"):
        (tmp_path / edited).write_text(text)
        statuses.append(subprocess.run(command, env=environment, check=False).returncode)
    assert statuses == [0, 0, 2]
    assert "another strategy" in capfd.readouterr().err


# --- the same results ---------------------------------------------------------------------------


def test_results_are_canonical_and_hold_nothing_of_this_machine(
    expected: tuple[dict[str, bytes], str], place: Path
) -> None:
    found, table = expected
    assert len(found) == TRIALS
    assert len(set(found.values())) == TRIALS
    for name, data in found.items():
        result = json.loads(data)
        assert name == f"{result['key']}.json"
        assert data.decode() == json.dumps(result, sort_keys=True, indent=1) + "\n"
        assert set(result) == {"figures", "inputs", "key"}
        assert os.uname().nodename.encode() not in data
        assert str(place).encode() not in data
    assert table.startswith(f"{TRIALS} trials: 4 combinations of settings on 2 parts")
    assert list((place / "plan" / "claims").glob("[0-9a-f]*")) == []


@pytest.mark.slow
def test_two_workers_leave_the_same_bytes(
    expected: tuple[dict[str, bytes], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(*TAPES, "--workers", 2, out=tmp_path / "out") == 0
    assert results(tmp_path / "out") == expected[0]
    assert capsys.readouterr().out == expected[1].replace(
        "Results: plan", f"Results: {tmp_path / 'out'}"
    )


@pytest.mark.slow
def test_a_sweep_that_was_killed_goes_on_to_the_same_bytes(
    expected: tuple[dict[str, bytes], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    process = held(out, tmp_path)
    workers = holders(out)
    process.kill()
    process.communicate()
    wait_until(lambda: all(map(ended, workers)))
    before = {name: (out / "results" / name).stat().st_mtime_ns for name in results(out)}
    assert len(before) == 2
    assert sweep(*TAPES, "--resume", "--workers", 2, out=out) == 0
    assert results(out) == expected[0]
    assert all((out / "results" / name).stat().st_mtime_ns == at for name, at in before.items())
    assert capsys.readouterr().out.splitlines()[:-1] == expected[1].splitlines()[:-1]


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_and_keeps_what_has_finished(
    expected: tuple[dict[str, bytes], str], tmp_path: Path
) -> None:
    process = held(tmp_path / "out", tmp_path)
    workers = holders(tmp_path / "out")
    os.killpg(process.pid, signal.SIGINT)
    said, log = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said == ""
    assert len(log.splitlines()) == 1
    assert all(map(ended, workers))
    found = results(tmp_path / "out")
    assert len(found) == 2
    assert found.items() <= expected[0].items()


@pytest.mark.slow
@pytest.mark.skipif(
    not importlib.util.find_spec("distributed"), reason="needs distributed: the extra `sweep`"
)
def test_a_cluster_leaves_the_same_bytes(
    expected: tuple[dict[str, bytes], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, first = tmp_path / "out", next(iter(expected[0]))
    (out / "results").mkdir(parents=True)
    (out / "results" / first).write_bytes(expected[0][first])
    distributed = importlib.import_module("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, dashboard_address=None, local_directory=str(tmp_path)
    ) as cluster:
        address = cluster.scheduler_address
        assert sweep(*TAPES, "--scheduler", address, out=out) == 0
    assert results(out) == expected[0]
    assert capsys.readouterr().out.splitlines()[:-1] == expected[1].splitlines()[:-1]


def test_without_distributed_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    where = ("--scheduler", "tcp://127.0.0.1:1")
    assert sweep("1.tape", "2.tape", *where, out=tmp_path / "out", plan="one.toml") == 2
    assert "pip install gte-market-maker[sweep]" in capsys.readouterr().err


# --- what is there already ----------------------------------------------------------------------


@pytest.mark.slow
def test_claims_of_processes_that_have_gone_hold_nothing_up(
    expected: tuple[dict[str, bytes], str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree("plan", out)
    key, *_ = expected[0]
    (out / "results" / key).unlink()
    claim = out / "claims" / key.removesuffix(".json")
    claim.write_text('{"host": "elsewhere", "pid": 1, "expires_ms": 1}')
    assert sweep(*TAPES, out=out) == 0
    assert results(out) == expected[0]
    assert not claim.exists()


@pytest.mark.slow
def test_results_of_other_tapes_are_refused_unless_resumed(
    expected: tuple[dict[str, bytes], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree("plan", out)
    assert sweep("1.tape", "3.tape", out=out, plan="one.toml") == 2
    assert f"holds {TRIALS} results of another plan, other tapes" in capsys.readouterr().err
    assert results(out) == expected[0]
    assert sweep("1.tape", "3.tape", "--resume", out=out, plan="one.toml") == 0
    assert len(results(out)) == TRIALS + 4


# --- parts, settings and strategies -------------------------------------------------------------


def parts_in(out: Path) -> set[tuple[Any, Any]]:
    tapes = [json.loads(data)["inputs"]["tape"] for data in results(out).values()]
    return {(tape["from_ns"], tape["until_ns"]) for tape in tapes}


@pytest.mark.slow
def test_one_tape_is_cut_in_halves_by_the_venues_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep("1.tape", out=tmp_path / "out", plan="one.toml") == 0
    ((_, half),) = {part for part in parts_in(tmp_path / "out") if part[1] is not None}
    assert parts_in(tmp_path / "out") == {(None, half), (half, None)}
    first, *_, last = MadeTape(1, SECONDS).records()
    assert half == (first.time_ns + last.time_ns) // 2
    assert "Out of sample: second half of 1.tape" in capsys.readouterr().out


def test_a_file_of_settings_counts_in_full_and_the_plan_wins(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("ORDER_PAIRS = 9\nMAX_POSITION = 700\nMIN_POSITION = -700\nLOG_LEVEL = 'DEBUG'")
    file.chmod(0o600)
    out = tmp_path / "out"
    assert sweep("1.tape", "2.tape", "--settings", file, out=out, plan="one.toml") == 0
    for data in results(out).values():
        found = json.loads(data)["inputs"]["settings"]
        assert found == {
            "CHECK_POSITION_LIMITS": True,  # a missing line means True, the example has False
            "LOOP_INTERVAL": 2,
            "MAX_POSITION": 700,
            "MIN_POSITION": -700,
            "MIN_SPREAD": 0.0002,
            "ORDER_PAIRS": 2,
        }


@pytest.mark.slow
def test_a_trial_that_fails_says_why_and_the_others_go_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "moods.toml").write_text("[grid]\nMOOD = ['good', 'bad']\n")
    given = ("1.tape", "2.tape", "--strategy", tmp_path / "mine.py", "--keep")
    assert sweep(*given, out=tmp_path / "out", plan=str(tmp_path / "moods.toml")) == 0
    found = [json.loads(data) for data in results(tmp_path / "out").values()]
    failed = [each for each in found if "failed" in each]
    assert {each["inputs"]["settings"]["MOOD"] for each in failed} == {"bad"}
    assert len(failed) == len(found) - len(failed) == 4
    words = (
        "SettingsError: Mine.__init__(): LookupError: <mine.Mine object at 0x...> in mine.py does "
        "not feel like it (mine.py, line 10)"
    )
    assert {each["failed"] for each in failed} == {words}
    said = capfd.readouterr()
    assert f"FAILED: trials of 1 combinations. MOOD bad: {words}" in said.out
    assert "I print something" not in said.out
    assert "Traceback" not in said.err
    kept = list((tmp_path / "out" / "journals").iterdir())
    assert len(kept) == 4
    for journal in kept:
        key = journal.name.removesuffix(".journal")
        result = json.loads((tmp_path / "out" / "results" / f"{key}.json").read_text())
        (run,) = runs_in(journal)
        assert len(run.rows("fills")) == result["figures"]["fills"]
    shutil.rmtree(tmp_path / "out" / "journals")
    (tmp_path / "mine.py").write_text(MINE + "# changed\n")
    assert sweep(*given, out=tmp_path / "out", plan=str(tmp_path / "moods.toml")) == 2


@pytest.mark.parametrize(
    ("arguments", "plan", "words"),
    [
        (["1.tape", "1.tape"], ONE, "1.tape holds the same as a tape before it: name it once"),
        (["none.tape"], ONE, "none.tape"),
        (["1.tape"], "[grid]\nORDER_PAIRS = [1, 900]", "with ORDER_PAIRS = 900: settings: ORDER_P"),
        (["1.tape"], "[grid]\nORDER_PAIRS = [1, 60]", "ORDER_PAIRS = 60 needs MAX_OPEN_ORDERS ="),
        (["1.tape"], "[grid]\nORDER_PAIRS = ['a']", "ORDER_PAIRS must be a whole number, not 'a'"),
        (["1.tape"], "[grid]\nORDER_PAIRS = [1.5]", "ORDER_PAIRS must be a whole number, not 1.5"),
        (["1.tape"], "[grid]\nMOOD = ['a']", "[grid] MOOD is not a setting"),
        (["1.tape", "--fee", "0,0"], "[grid]\nMAKER_FEE = [0.1]", "does not go with --fee"),
        (["1.tape"], ONE + "[models]\nfills = ['never']", "there is no fill model 'never'"),
        (["1.tape", "--workers", "0"], ONE, "--workers must be from 1 to 512, not 0"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(
    tmp_path: Path,
    arguments: list[str],
    plan: str,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(plan)
    assert sweep(*arguments, out=tmp_path / "out", plan=str(file)) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.glob("out/results/*"))


def test_a_page_is_written_with_the_table_and_two_heat_maps(
    expected: tuple[dict[str, bytes], str], tmp_path: Path
) -> None:
    shutil.copytree("plan", tmp_path / "out")
    page = tmp_path / "sweep.html"
    assert sweep(*TAPES, "--html", page, out=tmp_path / "out") == 0
    text = page.read_text("utf-8")
    assert text.count("<svg") == 2
    assert text.count("<tr>") == 5
