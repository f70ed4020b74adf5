"""The micro-price: exactly in fractions, from a chain that is known, and where there is none."""

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.strategies.estimate import NoEstimate
from market_maker.strategies.microprice_model import bucket_of
from market_maker.strategies.microprice_table import (
    Moves,
    adjustment,
)


def fractions(*rows: str) -> list[list[Fraction]]:
    return [[Fraction(each) for each in row.split()] for row in rows]


def floats(rows: list[list[Fraction]]) -> list[list[float]]:
    return [[float(each) for each in row] for row in rows]


Q = fractions("1/2 1/5 0", "1/5 1/5 1/5", "0 1/5 1/2")
R1 = fractions("1/4 1/20", "1/5 1/5", "1/20 1/4")
R2 = fractions("3/20 1/10 1/20", "1/10 1/5 1/10", "1/20 1/10 3/20")
TOY = [Fraction(-1, 2), Fraction(0), Fraction(1, 2)]

# --- the sum --------------------------------------------------------------------------------------


def test_the_toy_comes_out_exactly_in_fractions_and_nearly_in_floats() -> None:
    assert adjustment(Q, R1, [Fraction(-1), Fraction(1)], R2) == TOY
    found = adjustment(floats(Q), floats(R1), [-1.0, 1.0], floats(R2))
    assert found == pytest.approx([-0.5, 0, 0.5], abs=1e-14)


def test_it_is_the_limit_of_the_partial_sums() -> None:
    """G1 is (-2/5, 0, 2/5), and each further term a fifth of the one before it."""
    terms = [[Fraction(-2, 5) / 5**i, Fraction(0), Fraction(2, 5) / 5**i] for i in range(40)]
    sums = [float(sum(each)) for each in zip(*terms, strict=True)]
    assert sums == pytest.approx([float(each) for each in TOY], abs=1e-15)


NONE, HALF, ONE = "0 0", "1/2 1/2", "1 0"


@pytest.mark.parametrize(
    ("q", "r1", "r2", "words"),
    [
        pytest.param(("1 0", HALF), (NONE, NONE), (NONE, NONE), "never moves", id="singular"),
        pytest.param((NONE, NONE), (ONE, HALF), (HALF, HALF), "drifts", id="drift"),
        pytest.param((NONE, NONE), (ONE, "0 1"), ("0 1", "1 0"), "round in a circle", id="circle"),
        pytest.param((NONE, NONE), (HALF, HALF), ("1 0", "0 1"), "never meet", id="groups"),
    ],
)
def test_where_there_is_no_sum_it_says_why(
    q: tuple[str, ...], r1: tuple[str, ...], r2: tuple[str, ...], words: str
) -> None:
    exact = fractions(*q), fractions(*r1), fractions(*r2)
    with pytest.raises(NoEstimate, match=words):
        adjustment(exact[0], exact[1], [Fraction(-1), Fraction(1)], exact[2])
    with pytest.raises(NoEstimate, match=words):
        adjustment(floats(exact[0]), floats(exact[1]), [-1.0, 1.0], floats(exact[2]))


# --- the counting ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bid_qty", "ask_qty", "buckets", "bucket"),
    [
        (1, 99, 10, 0),
        (10, 90, 10, 1),
        (90, 10, 10, 8),
        (99, 1, 10, 9),
        (100, 0, 10, 9),
        (0, 100, 10, 0),
        (50, 50, 9, 4),
        (50, 50, 10, 5),
        (0.3, 0.1, 2, 1),
    ],
)
def test_the_bucket_of_an_imbalance(
    bid_qty: float, ask_qty: float, buckets: int, bucket: int
) -> None:
    assert bucket_of(bid_qty=bid_qty, ask_qty=ask_qty, buckets=buckets) == bucket


@given(st.integers(0, 10**9), st.integers(1, 10**9), st.integers(2, 100))
def test_the_mirror_image_of_a_bucket_is_that_of_the_quantities_exchanged(
    one: int, other: int, buckets: int
) -> None:
    here = bucket_of(bid_qty=one, ask_qty=other, buckets=buckets)
    there = bucket_of(bid_qty=other, ask_qty=one, buckets=buckets)
    assert 0 <= here < buckets
    if one != other or buckets % 2:
        assert here + there == buckets - 1


QUANTITIES = {0: (10, 90), 1: (50, 50), 2: (90, 10)}


def walked(seed: int, changes: int, *, tick: int = 1, lots: int = 1, mirror: bool = False) -> Moves:
    """Return a market that goes by the toy's chain, three buckets and a spread of a tick."""
    chance, moves = random.Random(seed), Moves(3)
    state, bid = 1, 10_000
    for number in range(changes):
        if chance.random() < float(sum(Q[state])):
            state = chance.choices(range(3), [float(each) for each in Q[state]])[0]
        else:
            bid += chance.choices((-1, 1), [float(each) for each in R1[state]])[0]
            state = chance.choices(range(3), [float(each) for each in R2[state]])[0]
        bid_qty, ask_qty = (each * lots + number % 3 * lots for each in QUANTITIES[state])
        if mirror:
            moves.add(bid=-(bid + 1) * tick, ask=-bid * tick, bid_qty=ask_qty, ask_qty=bid_qty)
        else:
            moves.add(bid=bid * tick, ask=(bid + 1) * tick, bid_qty=bid_qty, ask_qty=ask_qty)
    return moves


def test_a_market_of_a_known_chain_gives_its_adjustment_within_the_errors() -> None:
    off = []
    for seed in range(12):
        found = walked(seed, 4000).table()
        assert found.spreads == (1,)
        assert found.error is not None
        assert 0.01 < found.error[0][2] < 0.1
        off.append((found.adjustment[0][2] - 0.5) / found.error[0][2])
        assert abs(found.adjustment[0][1]) < 1e-12
    assert 0.6 < math.sqrt(sum(each**2 for each in off) / len(off)) < 1.6
    assert max(map(abs, off)) < 4


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_the_mirror_image_of_each_entry_is_its_opposite_exactly(seed: int) -> None:
    (row,) = walked(seed, 400).table(Fraction).adjustment
    assert row == tuple(-each for each in reversed(row))


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([1, 10**8]), st.sampled_from([1, 5]))
def test_neither_coin_nor_mirror_changes_it_and_a_finer_tick_counts_in_its_ticks(
    seed: int, lots: int, tick: int
) -> None:
    one = walked(seed, 400).table()
    other = walked(seed, 400, lots=lots, tick=tick, mirror=True).table()
    assert other.spreads == (tick,)
    expected = [each * tick for each in one.adjustment[0]]
    assert other.adjustment[0] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_only_changes_count_and_a_gap_or_a_crossed_book_begins_anew() -> None:
    moves = Moves(3)
    book = {"bid": 100, "ask": 101, "bid_qty": 1, "ask_qty": 1}
    for _ in range(5):
        moves.add(**book)
    assert moves.n == 0
    moves.add(**book | {"bid_qty": 5})
    assert moves.n == 1
    moves.lose()
    moves.add(**book)
    moves.add(**book | {"bid": 101})
    moves.add(**book)
    assert moves.n == 1


def test_a_spread_with_a_bucket_that_was_hardly_seen_has_no_row_and_is_counted() -> None:
    moves = walked(1, 400)
    before = moves.table()
    for spread in (3, 1, 3, 1):
        moves.add(bid=20_000, ask=20_000 + spread, bid_qty=90, ask_qty=10)
    found = moves.table()
    assert found.spreads == (1,)
    assert found.left_out == 4
    assert found.n == before.n


@pytest.mark.parametrize("changes", [0, 1, 5])
def test_a_short_tape_says_what_it_takes(changes: int) -> None:
    with pytest.raises(NoEstimate, match="a longer tape or fewer buckets"):
        walked(1, changes).table()


def test_a_mid_that_never_moves_is_said() -> None:
    moves = Moves(2)
    for number in range(100):
        moves.add(bid=1, ask=2, bid_qty=1 + number, ask_qty=1 + number * 7 % 100)
    with pytest.raises(NoEstimate, match="not moved"):
        moves.table()


def test_one_bucket_is_refused() -> None:
    with pytest.raises(ValueError, match="1 buckets"):
        Moves(1)
