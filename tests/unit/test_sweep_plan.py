"""Sweeps: the plan, the keys of trials, claims, waiting for others, and the table at the end."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from market_maker.clock import Clock
from market_maker.errors import SettingsError
from market_maker.report.heat import axis_of, means_of, sweep_html
from market_maker.report.sweep import Outcome, Row, Table, doubt_of, sweep_text
from market_maker.settings import setting
from market_maker.simulation.backtest import Assumptions
from market_maker.simulation.claims import LOCK, Claim, Claims
from market_maker.simulation.latency import Latency
from market_maker.simulation.plan import Plan, read_plan
from market_maker.simulation.results import Directory, refuse_others
from market_maker.simulation.sweep import attempt, drive, models_of, parts_of
from market_maker.simulation.trials import Job, Part, Shared, Source, SweepEnds
from market_maker.tapes import MadeTape, Options

OWN = {"SKEW": setting(0.5, "How far."), "STEPS": setting(3, "How many.")}
GRID = "[grid]\nORDER_PAIRS = [1, 2]\nINTERVAL = [0.001, 0.002]\n"
RANDOM = "[random]\ntrials = 20\nseed = 7\n[random.settings]\n"


def plan_of(tmp_path: Path, text: str) -> Plan:
    file = tmp_path / "plan.toml"
    file.write_text(text)
    return read_plan(file, OWN, ("FREE",))


# --- the plan -----------------------------------------------------------------------------------


def test_a_grid_is_every_combination_with_what_all_share(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "[settings]\nLOOP_INTERVAL = 2\n" + GRID)
    assert plan.combinations == (
        {"LOOP_INTERVAL": 2, "ORDER_PAIRS": 1, "INTERVAL": 0.001},
        {"LOOP_INTERVAL": 2, "ORDER_PAIRS": 1, "INTERVAL": 0.002},
        {"LOOP_INTERVAL": 2, "ORDER_PAIRS": 2, "INTERVAL": 0.001},
        {"LOOP_INTERVAL": 2, "ORDER_PAIRS": 2, "INTERVAL": 0.002},
    )
    assert plan.varying == plan.heat == ("ORDER_PAIRS", "INTERVAL")


def test_a_setting_with_one_value_does_not_vary(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "[grid]\nORDER_PAIRS = [1]\nSKEW = [0.1, 0.2]\nFREE = ['a', 'b']\n")
    assert plan.varying == ("SKEW", "FREE")


def test_the_heat_map_shows_the_settings_that_are_asked_for(tmp_path: Path) -> None:
    text = GRID + "SKEW = [0.1, 0.2]\n[heat]\ny = 'SKEW'\n"
    assert plan_of(tmp_path, text).heat == ("ORDER_PAIRS", "SKEW")


def test_the_same_seed_draws_the_same_settings(tmp_path: Path) -> None:
    text = RANDOM + "INTERVAL = {from = 0.001, to = 0.01}\nORDER_PAIRS = {from = 1, to = 40}\n"
    plan = plan_of(tmp_path, text)
    assert plan == plan_of(tmp_path, text)
    assert plan != plan_of(tmp_path, text.replace("seed = 7", "seed = 8"))
    assert len({repr(each) for each in plan.combinations}) == 20


def test_a_setting_beside_it_changes_no_draw_of_another(tmp_path: Path) -> None:
    text = RANDOM + "INTERVAL = {from = 0.001, to = 0.01}\n"
    plans = [plan_of(tmp_path, text), plan_of(tmp_path, text + "SKEW = {from = 0, to = 1}\n")]
    first, second = ([each["INTERVAL"] for each in plan.combinations] for plan in plans)
    assert first == second


@pytest.mark.parametrize(
    ("about", "is_right"),
    [
        ("STEPS = {from = 1, to = 90}", lambda n: isinstance(n, int) and 1 <= n <= 90),
        ("STEPS = {from = 1, to = 900, log = true}", lambda n: isinstance(n, int) and n <= 900),
        ("SKEW = {from = 1, to = 90}", lambda n: isinstance(n, float) and 1 <= n <= 90),
        ("SKEW = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] # 20 of 10 are too many", None),
        ("INTERVAL = {from = 0.00001, to = 0.1, log = true}", lambda n: 0.00001 <= n <= 0.1),
    ],
)
def test_draws_stay_in_their_range_and_keep_their_type(
    tmp_path: Path, about: str, is_right: Callable[[Any], bool] | None
) -> None:
    if is_right is None:
        with pytest.raises(SettingsError, match="about 10 different combinations"):
            plan_of(tmp_path, RANDOM + about)
        return
    name = about.partition(" ")[0]
    values = [each[name] for each in plan_of(tmp_path, RANDOM + about).combinations]
    assert all(map(is_right, values))


def test_with_log_each_decade_is_as_likely(tmp_path: Path) -> None:
    text = "[random]\ntrials = 400\n[random.settings]\n"
    text += "INTERVAL = {from = 0.0001, to = 0.01, log = true}"
    values = [each["INTERVAL"] for each in plan_of(tmp_path, text).combinations]
    assert 160 < sum(value < 0.001 for value in values) < 240


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[grid", "plan.toml: "),
        ("", r"nothing varies: give \[grid\] or \[random\]"),
        ("[grid]", r"nothing varies: give \[grid\] or \[random\]"),
        (GRID + RANDOM + "SKEW = [1, 2]", r"\[grid\] and \[random\] do not go together"),
        ("[grids]\nSKEW = [1]", "grids is not known here: a plan has settings, grid"),
        ("grid = 3", r"grid must be a table: write \[grid\]"),
        ("[grid]\nORDER_PAIR = [1]", r"\[grid\] ORDER_PAIR is not a setting; did you mean ORDER_P"),
        ("[grid]\nQQQ = [1]", r"\[grid\] QQQ is not a setting: a strategy names its own"),
        ("[settings]\nQQQ = 1\n" + GRID, r"\[settings\] QQQ is not a setting"),
        ("[grid]\nSYMBOL = ['A_B']", r"\[grid\] SYMBOL is not for a sweep"),
        ("[grid]\nDRY_RUN = [true]", r"\[grid\] DRY_RUN is not for a sweep"),
        ("[grid]\nSKEW = []", r"\[grid\] SKEW is an empty list"),
        ("[grid]\nSKEW = 1", r"\[grid\] SKEW must be a list such as \[1, 2\], not 1"),
        ("[grid]\nSKEW = [1, 2, 1]", r"\[grid\] SKEW has 1 twice"),
        ("[settings]\nSKEW = 1\n[grid]\nSKEW = [1]", r"SKEW is both in \[settings\] and in \[grid"),
        (f"[grid]\nSKEW = {list(range(400))}\nSTEPS = {list(range(400))}", "160,000 combinations"),
        ("[random]\ntrials = 0", r"\[random\] trials must be a whole number from 1 to"),
        ("[random]\ntrials = true", r"\[random\] trials must be a whole number"),
        ("[random]\nseed = 'a'\ntrials = 1", r"\[random\] seed must be a whole number, not 'a'"),
        ("[random]\ntrials = 1", r"nothing varies: \[random.settings\] is missing"),
        ("[random]\ntrial = 1", r"\[random\] trial is not known: it has trials, seed, settings"),
        ("[random]\ntrials = 1\nsettings = 1", r"write \[random.settings\]"),
        (RANDOM + "SKEW = {from = 1}", r"\[random.settings\] SKEW: to must be a number, not None"),
        (RANDOM + "SKEW = {from = 1, till = 2}", "SKEW: till is not known: it has from, to and"),
        (RANDOM + "SKEW = {from = 2, to = 1}", "SKEW: from = 2 is not below to = 1"),
        (RANDOM + "SKEW = {from = 0, to = inf}", "SKEW: to must be a number, not inf"),
        (RANDOM + "SKEW = {from = 0, to = 1, log = true}", "from must be above 0 with log = true"),
        (RANDOM + "SKEW = {from = 0, to = 1, log = 1}", "log must be true or false, not 1"),
        (RANDOM + "STEPS = {from = 0.5, to = 9}", "STEPS: from must be a whole number, not 0.5"),
        (GRID + "[models]\nfills = []", r"\[models\] fills is an empty list"),
        (GRID + "[models]\nfills = [1]", r"\[models\] fills must be a list of names"),
        (GRID + "[heat]\nx = 'SKEW'", r"\[heat\] x = 'SKEW' does not vary: ORDER_PAIRS or INTERV"),
        (GRID + "[heat]\nx = 'INTERVAL'\ny = 'INTERVAL'", "x and y are the same setting"),
    ],
)
def test_a_bad_plan_is_refused_with_its_file_and_the_name(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(SettingsError, match=words) as error:
        plan_of(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path / 'plan.toml'}: ")


def test_a_plan_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: No such file"):
        read_plan(tmp_path / "none.toml", OWN)


def test_fill_models_go_from_optimistic_to_conservative(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, GRID + "[models]\nfills = ['through', 'power:2', 'touch']")
    assert models_of(plan, is_level_1=False) == ("touch", "power:2", "through")
    assert models_of(replace(plan, fills=()), is_level_1=False) == ("touch", "safe")
    assert models_of(replace(plan, fills=()), is_level_1=True) == ("touch", "through")
    with pytest.raises(SettingsError, match="power:2"):
        models_of(plan, is_level_1=True)
    with pytest.raises(SettingsError, match="of power:3 and log neither is the more conservative"):
        models_of(replace(plan, fills=("power:3", "log")), is_level_1=False)
    with pytest.raises(SettingsError, match="there is no fill model 'never'"):
        models_of(replace(plan, fills=("never",)), is_level_1=False)


# --- trials and their keys ----------------------------------------------------------------------


def source(name: str = "a.tape", **changed: Any) -> Source:
    market = MadeTape(1, 1).market
    about = {"format": "", "about": Options(), "market": market, "digest": f"digest of {name}"}
    return Source(**{"path": Path("somewhere") / name, **about, **changed})


def job(**changed: Any) -> Job:
    shared = Shared(
        strategy="here/mine.py",
        strategy_name="mine:Mine",
        strategy_digest="abc",
        assumed=Assumptions(),
        trials=8,
    )
    names = [name for name in changed if hasattr(shared.assumed, name)]
    assumed = replace(shared.assumed, **{name: changed.pop(name) for name in names})
    of_shared = {name: changed.pop(name) for name in list(changed) if hasattr(shared, name)}
    of_shared["assumed"] = assumed
    whole = {"part": Part(source=source()), "fills": "safe", "settings": {"ORDER_PAIRS": 2}}
    return Job(**{**whole, "shared": replace(shared, **of_shared), **changed})


@pytest.mark.parametrize(
    "changed",
    [
        {"part": Part(source=source("b.tape"))},
        {"part": Part(source=source(), until_ns=5)},
        {"part": Part(source=source(market=replace(source().market, tick=Decimal("0.1"))))},
        {"fills": "touch"},
        {"settings": {"ORDER_PAIRS": 3}},
        {"strategy_name": "mine:Other"},
        {"strategy_digest": "abd"},
        {"latency": Latency(0.02)},
        {"latency": Latency(measured={"": (0.1, 0.2)})},
        {"feed_latency": 0.02},
        {"fees": (Decimal("0.0001"), Decimal("0.0002"))},
        {"balance": Decimal(51)},
        {"position": 1},
        {"seed": 2},
    ],
    ids=str,
)
def test_whatever_a_result_depends_on_changes_its_key(changed: dict[str, Any]) -> None:
    assert job(**changed).key != job().key


def test_places_names_and_the_number_of_trials_change_no_key() -> None:
    elsewhere = source("c.tape", digest=source().digest, path=Path("elsewhere/c.tape"))
    same = job(part=Part(source=elsewhere, words="half of "), strategy="there/mine.py", trials=9)
    assert same.key == job().key
    assert re.fullmatch("[0-9a-f]{64}", same.key)
    assert "where" not in json.dumps(same.inputs)


def test_tapes_are_parts_and_do_not_mix(tmp_path: Path) -> None:
    two = [source("a"), source("b")]
    made: Any = MadeTape(1, 1)
    assert [part.name for part in parts_of(two, made)] == ["a", "b"]
    other = replace(source().market, symbol="ETH_USD")
    with pytest.raises(SettingsError, match=r"of one market, not of pc/BTC/BTC_USD, pc/BTC/ETH"):
        parts_of([source("a"), source("b", market=other)], made)
    with pytest.raises(SettingsError, match=r"b holds the same as a tape before it"):
        parts_of([source("a"), source("b", digest=source("a").digest)], made)


# --- the directory ------------------------------------------------------------------------------


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    made = Directory(tmp_path / "out")
    made.make(keep=False)
    return made


def test_results_of_other_trials_need_resume(directory: Directory) -> None:
    directory.write("one", "{}\n")
    refuse_others(directory, {"one", "two"}, resume=False)
    with pytest.raises(SettingsError, match=r"holds 1 results of another plan.*--out.*--resume"):
        refuse_others(directory, {"two"}, resume=False)
    refuse_others(directory, {"two"}, resume=True)


def test_a_result_that_somebody_has_changed_is_not_believed(directory: Directory) -> None:
    directory.write("one", '{"key": "two", "figures": {}}')
    with pytest.raises(SettingsError, match=r"one\.json is no result of this trial: remove it"):
        directory.read("one")


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be used: Not a directory: --out"):
        Directory(tmp_path / "file").make(keep=True)


# --- claims -------------------------------------------------------------------------------------


class Hands(Clock):
    """A clock that goes on only when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def now_ms(self) -> int:
        return round(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def claim_of(directory: Directory, key: str, **about: Any) -> Path:
    """Let somebody else have a claim: of another machine, for some time to come."""
    path = directory.path / "claims" / key
    whole = {"host": "elsewhere", "pid": 1, "expires_ms": Hands().now_ms() + 60_000}
    path.write_text(json.dumps({**whole, **about}))
    return path


def left(directory: Directory) -> list[str]:
    """The claims that are there."""
    return [name for name in os.listdir(directory.path / "claims") if name != LOCK]


@pytest.fixture
def claims(directory: Directory) -> Claims:
    return directory.claims(expires=600, clock=Hands())


def test_a_trial_is_claimed_once_and_free_again_afterwards(claims: Claims) -> None:
    first = claims.take("one")
    assert isinstance(first, Claim)
    with first:
        assert claims.take("one") == f"process {os.getpid()} of {os.uname().nodename}"
    second = claims.take("one")
    assert isinstance(second, Claim)
    with second:
        pass


def test_a_live_claim_of_another_machine_is_kept(directory: Directory, claims: Claims) -> None:
    path = claim_of(directory, "one")
    before = path.read_text()
    assert claims.take("one") == "process 1 of elsewhere"
    assert path.read_text() == before


def test_an_expired_claim_is_taken_over(directory: Directory, claims: Claims) -> None:
    path = claim_of(directory, "one", expires_ms=Hands().now_ms() - 1)
    taken = claims.take("one")
    assert isinstance(taken, Claim)
    with taken:
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert left(directory) == []


def test_a_claim_of_a_process_that_has_gone_is_taken_over(
    directory: Directory, claims: Claims
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    claim_of(directory, "one", host=os.uname().nodename, pid=gone.pid)
    assert isinstance(claims.take("one"), Claim)
    claim_of(directory, "two", host=os.uname().nodename, pid=os.getppid())
    assert isinstance(claims.take("two"), str)


def test_a_claim_that_is_being_written_counts_from_the_time_of_its_file(
    directory: Directory,
) -> None:
    path = directory.path / "claims" / "one"
    path.write_text("")
    assert isinstance(directory.claims(expires=600, clock=Clock()).take("one"), str)
    os.utime(path, (0, 0))
    assert isinstance(directory.claims(expires=600, clock=Clock()).take("one"), Claim)


def test_of_many_who_find_an_expired_claim_one_gets_it(directory: Directory) -> None:
    for number in range(100):
        claim_of(directory, str(number), expires_ms=0)
        every = [directory.claims(expires=600, clock=Clock()) for _ in range(4)]
        with ThreadPoolExecutor(4) as threads:
            taken = list(threads.map(lambda each, key=str(number): each.take(key), every))
        assert sum(isinstance(each, Claim) for each in taken) == 1


def test_a_claim_is_renewed_while_its_trial_runs(directory: Directory) -> None:
    hands = Hands()
    claim = directory.claims(expires=600, clock=hands).take("one")
    assert isinstance(claim, Claim)
    with claim:
        hands.sleep(590)
        claim.write()
        hands.sleep(590)
        assert isinstance(directory.claims(expires=600, clock=hands).take("one"), str)


def test_a_claim_that_was_lost_is_not_removed_from_its_new_holder(directory: Directory) -> None:
    hands = Hands()
    lost = directory.claims(expires=600, clock=hands).take("one")
    assert isinstance(lost, Claim)
    (directory.path / "claims" / "one").rename(directory.path / "claims" / "aside")
    claim_of(directory, "one")
    with lost:
        pass
    assert directory.claims(expires=600, clock=hands).take("one") == "process 1 of elsewhere"


# --- running ------------------------------------------------------------------------------------


def test_a_trial_that_has_finished_is_not_run_again(directory: Directory) -> None:
    runs = []

    def run(given: Job) -> str:
        runs.append(given)
        return "{}\n"

    assert [attempt(job(), directory, run) for _ in range(3)] == ["", "", ""]
    assert len(runs) == 1
    assert directory.keys() == {job().key}


def test_what_is_the_fault_of_the_machine_leaves_no_result_and_no_claim(
    directory: Directory,
) -> None:
    def run(_: Job) -> str:
        raise OSError(28, "No space left on device")

    with pytest.raises(SweepEnds, match="No space left"):
        attempt(job(), directory, run)
    assert directory.keys() == set()
    assert left(directory) == []


def test_trials_of_others_are_waited_for(directory: Directory) -> None:
    hands, looks = Hands(), []

    def attempted(given: Job) -> str:
        looks.append(given.key)
        return "process 1 of elsewhere" if given.fills == "touch" and len(looks) < 9 else ""

    jobs = [job(), job(fills="touch")]
    with ThreadPoolExecutor(1) as threads:
        drive(jobs, threads, attempted, wait=60, clock=hands)
    assert looks == [jobs[0].key, *[jobs[1].key] * 8]


def test_trials_of_others_are_waited_for_with_a_bound() -> None:
    hands = Hands()
    begun = hands.seconds
    words = r"1 trials are claimed by process 1 of elsewhere, and none has finished for 60 s.*--res"
    with ThreadPoolExecutor(1) as threads, pytest.raises(SweepEnds, match=words):
        drive([job()], threads, lambda _: "process 1 of elsewhere", wait=60, clock=hands)
    assert hands.seconds - begun == 60


# --- the table ----------------------------------------------------------------------------------


def row(key: str, *profits: str, failed: str = "", **settings: Any) -> Row:
    """A row with these profits by part: of safe, and twice that of touch."""
    outcomes = {}
    for part, profit in enumerate(profits):
        for model, times in (("touch", 2), ("safe", 1)):
            outcomes[part, model] = Outcome(3 * times, times * Decimal(profit), failed)
    return Row(key, settings or {"A": key}, outcomes)


def table(*rows: Row, varying: tuple[str, ...] = ("A",)) -> Table:
    count = len({part for part, _ in rows[0].outcomes})
    return Table(
        models=("touch", "safe"),
        parts=tuple(f"{number}.tape" for number in range(count)),
        varying=varying,
        currency="BTC",
        rows=rows,
        trials=2 * count * len(rows),
    )


def test_the_table_has_both_samples_the_range_fills_and_the_number_of_trials() -> None:
    text = sweep_text(table(row("x", "0.1", "-0.2"), row("y", "0.3", "0.4")))
    assert text.startswith("8 trials: 2 combinations of settings on 2 parts, fills by touch and s")
    assert "In sample:     0.tape\nOut of sample: 1.tape\n" in text
    lines = [
        line.split("  ") for line in text.splitlines() if ".." in line and "Profit" not in line
    ]
    assert [[cell.strip() for cell in line if cell] for line in lines] == [
        ["y", "+0.60000000 .. +0.30000000", "+0.80000000 .. +0.40000000", "6 .. 3", "6 .. 3"],
        ["x", "+0.20000000 .. +0.10000000", "-0.40000000 .. -0.20000000", "6 .. 3", "6 .. 3"],
    ]
    assert "WARNING" not in text


def test_rows_that_earned_the_same_are_in_the_order_of_their_keys() -> None:
    ranked = table(row("c", "1", "1"), row("a", "1", "2"), row("b", "2", "1")).ranked([0])
    assert [each.key for each in ranked] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("outside", "is_doubtful"),
    [
        (["4", "3", "2", "1"], False),
        (["3", "4", "2", "1"], False),
        (["2", "4", "3", "1"], True),
        (["1", "4", "3", "2"], True),
        (["1", "1", "1", "1"], False),
        (["1", "2"], True),
        (["1"], False),
        (["2", "3", "1"], True),
    ],
)
def test_the_best_in_sample_must_be_in_the_upper_half_out_of_sample(
    outside: list[str], is_doubtful: bool
) -> None:
    rows = [row(str(number), str(9 - number), each) for number, each in enumerate(outside)]
    assert bool(doubt_of(table(*rows))) == is_doubtful
    assert ("WARNING: the best in sample (A 0)" in sweep_text(table(*rows))) == is_doubtful


def test_a_walk_forward_tells_what_the_best_so_far_earned_next() -> None:
    text = sweep_text(table(row("x", "1", "2", "3"), row("y", "0", "5", "4")))
    assert "  1.tape: +4.00000000 .. +2.00000000 (A x)\n" in text
    assert "  2.tape: +8.00000000 .. +4.00000000 (A y)\n" in text
    assert "Walk-forward" not in sweep_text(table(row("x", "1", "2")))


def test_a_failed_trial_is_told_and_comes_last() -> None:
    lost = Row("x", {"A": 1}, {**row("x", "1", "1").outcomes, (0, "safe"): Outcome(0, None, "No!")})
    text = sweep_text(table(lost, row("y", "-1", "1")))
    assert re.search(r"y  -2.*\n *1 +failed  \+2", text)
    assert "FAILED: trials of 1 combinations. A 1: No!\n" in text


def test_trials_whose_bot_halted_are_marked_with_the_reason() -> None:
    found = {
        "figures": {"fills": 3, "profit": {"total": "-0.5"}, "ended": "halted: a loss of 0.6 BTC"}
    }
    halted = {**row("x", "1", "1").outcomes, (1, "safe"): Outcome.of(found)}
    text = sweep_text(table(Row("x", {"A": 1}, halted), row("y", "-1", "1")))
    assert re.search(r"1 +\+2.0+ .. \+1.0+ +\+2.0+ .. -0.50+ halted ", text)
    assert "HALTED: 1 of 8 trials. A 1: a loss of 0.6 BTC. A halted bot quotes no more" in text
    assert "HALTED" not in sweep_text(table(row("x", "1", "1")))


def test_a_sweep_without_a_fill_says_so() -> None:
    empty = {
        (part, model): Outcome(0, Decimal(0)) for part in (0, 1) for model in ("touch", "safe")
    }
    assert "No trial was filled" in sweep_text(table(Row("x", {"A": 1}, empty)))
    assert "No trial was filled" not in sweep_text(table(row("x", "1", "1")))


def test_a_long_table_is_cut_and_says_so() -> None:
    text = sweep_text(table(*(row(f"{number:03}", "1", "1") for number in range(60))))
    assert "10 more are not shown: --html shows them." in text


# --- the page -----------------------------------------------------------------------------------


class Seen(HTMLParser):
    """The tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def test_the_page_is_one_file_without_script_and_escapes_what_it_shows() -> None:
    rows = [row(key, "1", "2", A=f"<b>{key}</b>", B=2) for key in ("x", "<i>")]
    page = sweep_html(table(*rows, varying=("A", "B")), ("A", "B"))
    tags = Seen(page).tags
    assert not {"script", "link", "img", "b", "i"} & set(tags)
    assert "prefers-color-scheme: dark" in page
    assert tags.count("svg") == 2
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "http" not in page


def test_a_cell_of_the_heat_map_is_the_mean_of_its_rows() -> None:
    rows = [
        row("p", "1", "0", A=1, B=1, C=1),
        row("q", "4", "0", A=1, B=1, C=2),
        row("r", "-1", "0", A=2, B=1, C=1),
    ]
    whole = table(*rows, varying=("A", "B", "C"))
    x, y = (axis_of(name, [each.settings[name] for each in rows]) for name in ("A", "B"))
    assert means_of(whole, x, y, [0]) == {(0, 0): Decimal("2.5"), (1, 0): Decimal(-1)}


def test_many_numbers_share_columns_and_other_values_have_one_each() -> None:
    axis = axis_of("A", [number / 100 for number in range(100)])
    assert len(axis.labels) == 8
    assert (axis.place(0.0), axis.place(0.5), axis.place(0.99)) == (0, 4, 7)
    assert axis_of("A", [3, 1, 2, 1]).labels == ("1", "2", "3")
    assert axis_of("A", ["b", "a", True, "b"]).labels == ("b", "a", "True")


def test_one_setting_alone_has_a_heat_map_of_one_row() -> None:
    page = sweep_html(table(row("x", "1", "2", A=1), row("y", "1", "2", A=2)), ("A",))
    assert Seen(page).tags.count("rect") == 4
