"""A stream that reads from the shared feed misses no step: what the feed has dropped it says, and never skips."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.feed import AlertFeed, RenderedStep, TooManyStreamsProblem
from store.database import Database


def feed(places=2):
    database = Database("postgresql://nobody@127.0.0.1:1/none", application_name="test")
    database.close()
    return AlertFeed(database, places)


def step(number):
    # The feed looks at the number alone; transition, alert and causes are for those who draw the step.
    return RenderedStep(number, "linyin", "major", "{}", transition=None, alert=None, causes=())


# Numbers of transitions only rise, with gaps where others took one; None is a part that could not be read.
parts = st.lists(st.tuples(st.lists(st.integers(1, 3), max_size=4), st.booleans(), st.integers(0, 2)), max_size=12)


@given(parts, st.integers(0, 60))
def test_a_stream_gets_all_steps_after_its_last_one_or_is_told_to_read_for_itself(parts, last_id):
    async def follow():
        one, written, unread, newest = feed(), [], 0, 0
        for gaps, is_read, beyond in parts:
            numbers = []
            for gap in gaps:
                newest += gap
                numbers.append(newest)
            newest += beyond
            before = one.newest
            one._advance(newest, [step(number) for number in numbers] if is_read else None)  # noqa: SLF001
            written += numbers
            if not is_read and newest != before:
                unread = newest
        found = one.steps_after(last_id)
        if last_id < unread:
            assert found is None
        else:
            assert [each.id for each in found] == [number for number in written if number > last_id]

    asyncio.run(follow())


def test_of_very_many_steps_the_newest_are_kept_and_a_late_stream_is_told():
    async def follow():
        one = feed()
        for first in range(1, 3001, 500):
            one._advance(first + 499, [step(number) for number in range(first, first + 500)])  # noqa: SLF001
        assert one.steps_after(1999) is None
        assert [each.id for each in one.steps_after(2000)] == list(range(2001, 3001))

    asyncio.run(follow())


def test_all_streams_wake_at_the_same_step_and_none_without_one():
    async def follow():
        one = feed()
        waiting = [asyncio.create_task(one.wait_for_newer(7)) for _ in range(3)]
        await asyncio.sleep(0)
        one._advance(7, [])  # noqa: SLF001 - nothing newer than what they have
        await asyncio.sleep(0)
        assert not any(each.done() for each in waiting)
        one._advance(9, [step(9)])  # noqa: SLF001
        assert await asyncio.gather(*waiting) == [9, 9, 9]

    asyncio.run(follow())


def test_the_end_of_the_server_ends_every_stream():
    async def follow():
        one = feed()
        waiting = [asyncio.create_task(one.wait_for_newer(0)) for _ in range(3)]
        await asyncio.sleep(0)
        one.close()
        assert await asyncio.gather(*waiting) == [None] * 3
        assert await one.wait_for_newer(0) is None

    asyncio.run(follow())


def test_a_place_is_free_again_after_its_stream_also_after_an_error():
    one = feed(places=2)
    with one.place():
        with pytest.raises(ZeroDivisionError), one.place():
            raise ZeroDivisionError
        with one.place():
            assert one.streams == 2
            with pytest.raises(TooManyStreamsProblem, match=r"All 2 places .* set ANJU_HTTP_STREAMS"), one.place():
                pass
        assert one.streams == 1
    assert one.streams == 0
