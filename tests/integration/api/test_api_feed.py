"""Feed of alert steps: each step is read once, however many streams wait for it, and no stream loses one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import pytest

from api import feed as feed_module
from api import stream as stream_module
from api.feed import AlertFeed, TooManyStreamsProblem
from patience import patient
from store.alerts.stream import newest_transition
from store.database import Database

STREAMS = 60


class Reads:
    """Count of the reads of steps from the database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        read = feed_module.read_alert_transitions

        def counted(*arguments: Any, **more: Any) -> Any:
            self.count += 1
            return read(*arguments, **more)

        monkeypatch.setattr(feed_module, "read_alert_transitions", counted)


class Listener:
    """Account that sees everything and stays."""

    wait_s = 10.0

    async def may_go_on(self) -> bool:
        return True

    def sees(self, _community: str | None) -> bool:
        return True


async def follow(feed: AlertFeed, store: Database, beginning: int, **filters: Any) -> AsyncIterator[int]:
    """Yield the numbers of the steps that a stream sends."""
    with feed.place():
        async for event in stream_module.stream(store, feed, Listener(), beginning, **filters):
            if event.raw_data:
                yield int(event.id or 0)


async def wait_for(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(patient(30)):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def beginning_of(community: Any) -> int:
    newest = newest_transition(community.connection)
    community.connection.commit()
    return newest


def test_each_step_is_read_once_for_all_streams(
    api_database: str, community: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[list[int]] = [[] for _ in range(STREAMS)]
    reads = Reads(monkeypatch)
    store = Database(api_database, application_name="test")

    async def take(feed: AlertFeed, numbers: list[int], beginning: int) -> None:
        async for number in follow(feed, store, beginning, community=community.id):
            numbers.append(number)  # noqa: PERF401  read by others meanwhile

    async def run() -> list[UUID]:
        async with AlertFeed(store, STREAMS) as feed:
            beginning = await asyncio.to_thread(beginning_of, community)
            await wait_for(lambda: feed.newest >= beginning)
            tasks = [asyncio.create_task(take(feed, numbers, beginning)) for numbers in received]
            await wait_for(lambda: feed.streams == STREAMS)
            alerts = []
            for _ in range(5):
                alerts.append(await asyncio.to_thread(community.alert))
                await wait_for(lambda: all(len(numbers) == len(alerts) for numbers in received))
            feed.close()
            await asyncio.gather(*tasks)
            return alerts

    try:
        alerts = asyncio.run(run())
    finally:
        store.close()
    assert len(alerts) == 5
    assert all(numbers == received[0] and numbers == sorted(set(numbers)) for numbers in received)
    assert reads.count <= 6  # one a step, and one more where another test's step came between


def test_a_step_that_cannot_be_rendered_for_all_ends_no_feed(
    api_database: str, community: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Database(api_database, application_name="test")
    failures = []
    read = feed_module.read_steps

    def fail_once(*arguments: Any, **more: Any) -> Any:
        if not failures:
            failures.append(1)
            raise ValueError("no such state")
        return read(*arguments, **more)

    monkeypatch.setattr(feed_module, "read_steps", fail_once)

    async def run() -> list[int]:
        numbers: list[int] = []

        async def take(feed: AlertFeed, beginning: int) -> None:
            async for number in follow(feed, store, beginning, community=community.id):
                numbers.append(number)  # noqa: PERF401  read by others meanwhile

        async with AlertFeed(store, 1) as feed:
            beginning = await asyncio.to_thread(beginning_of, community)
            await wait_for(lambda: feed.newest >= beginning)
            task = asyncio.create_task(take(feed, beginning))
            await wait_for(lambda: feed.streams)
            for count in (1, 2):
                await asyncio.to_thread(community.alert)
                await wait_for(lambda: len(numbers) == count)  # noqa: B023
            feed.close()
            await task
        return numbers

    try:
        assert len(asyncio.run(run())) == 2
    finally:
        store.close()
    assert failures


def test_a_place_is_for_one_stream_and_is_given_back(api_database: str) -> None:
    store = Database(api_database, application_name="test")
    try:
        feed = AlertFeed(store, 1)
        with feed.place(), pytest.raises(TooManyStreamsProblem), feed.place():
            pass
        with feed.place():
            assert feed.streams == 1
        assert feed.streams == 0
    finally:
        store.close()
