"""Blocks: a 403 holds back what said it, and no cancel."""

import pytest

from market_maker.wire.blocks import Blocks
from market_maker.wire.endpoints import (
    BOOK_QUERY,
    ORDER_CANCEL,
    ORDER_CANCEL_BATCH,
    ORDER_CREATE,
    ORDER_QUERY,
    Endpoint,
)

ALL = (ORDER_CREATE, ORDER_QUERY, BOOK_QUERY, ORDER_CANCEL, ORDER_CANCEL_BATCH)


def leave(blocks: Blocks, endpoint: Endpoint, now: float) -> bool:
    """Let a request leave, if it may."""
    if may_leave := blocks.may_leave(endpoint, now):
        blocks.leaves(endpoint, now)
    return may_leave


def free(blocks: Blocks, now: float) -> set[Endpoint]:
    return {each for each in ALL if leave(blocks, each, now)}


@pytest.mark.parametrize("said_by", [ORDER_CREATE, ORDER_QUERY, BOOK_QUERY])
def test_one_endpoint_is_held_back_alone_and_tried_after_ten_seconds_then_once_a_minute(
    said_by: Endpoint,
) -> None:
    blocks = Blocks()
    blocks.refused(said_by, 0.0)
    assert free(blocks, 9.9) == {*ALL} - {said_by}
    assert free(blocks, 10.0) == {*ALL}
    blocks.refused(said_by, 10.1)
    assert free(blocks, 70.0) == {*ALL} - {said_by}
    assert blocks.blocked_for(said_by, 70.0) == 70.0
    assert blocks.blocked_for(said_by, 70.1) is None, "it may be tried"
    assert free(blocks, 70.1) == {*ALL}
    assert free(blocks, 130.0) == {*ALL} - {said_by}
    blocks.answered(said_by)
    assert free(blocks, 130.0) == {*ALL}


@pytest.mark.parametrize("said_by", [ORDER_CANCEL, ORDER_CANCEL_BATCH])
def test_a_cancel_is_never_held_back(said_by: Endpoint) -> None:
    blocks = Blocks()
    blocks.refused(said_by, 0.0)
    assert free(blocks, 0.0) == {*ALL}
    blocks.refused(ORDER_QUERY, 0.0)
    assert free(blocks, 0.0) == {ORDER_CANCEL, ORDER_CANCEL_BATCH}


def test_two_endpoints_block_the_venue_until_any_answers() -> None:
    blocks = Blocks()
    blocks.refused(ORDER_CREATE, 0.0)
    blocks.refused(ORDER_CANCEL, 1.0)
    assert blocks.blocked_for(BOOK_QUERY, 30.0) == 30.0
    assert not leave(blocks, BOOK_QUERY, 60.9)
    assert not leave(blocks, ORDER_CREATE, 61.0), "a read tries it"
    assert leave(blocks, BOOK_QUERY, 61.0)
    assert not leave(blocks, ORDER_QUERY, 61.0), "one"
    blocks.answered(BOOK_QUERY)
    assert free(blocks, 61.0) == {*ALL} - {ORDER_CREATE}


def test_an_answer_between_two_of_them_shows_that_the_venue_is_not_blocked() -> None:
    blocks = Blocks()
    blocks.refused(ORDER_CREATE, 0.0)
    blocks.answered(ORDER_QUERY)
    blocks.refused(ORDER_CANCEL, 1.0)
    assert free(blocks, 1.0) == {*ALL} - {ORDER_CREATE}
