"""Partitions of messages, and the share of partitions of each member."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.partition import partition_of
from devices.topic import PREFIX
from ingest.partition import Partition, choose, outside_topic

communities = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True)
counts = st.integers(2, 64)


@pytest.mark.parametrize(("text", "value"), [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)])
def test_the_hash_agrees_with_the_published_test_vectors(text, value):
    assert partition_of(text, 2**32) == value


@given(communities, counts)
def test_a_community_belongs_to_exactly_one_partition(community, count):
    assert sum(Partition(number, count).has(community) for number in range(count)) == 1


@given(communities, counts, st.data())
def test_a_mapped_topic_becomes_the_published_one_only_in_its_own_partition(community, count, data):
    number = data.draw(st.integers(0, count - 1))
    tail = f"{community}/water_meter/w1/telemetry"
    as_published = outside_topic(Partition(number, count))
    if Partition(number, count).has(community):
        assert as_published(f"anju/p/{number}/{tail}") == f"{PREFIX}/{tail}"
    else:
        assert as_published(f"anju/p/{number}/{tail}") == f"anju/p/{number}/{tail}"
    other = (number + 1) % count
    assert as_published(f"anju/p/{other}/{tail}") == f"anju/p/{other}/{tail}"


@given(st.text())
def test_a_single_partition_leaves_every_topic_unchanged(topic):
    assert outside_topic(Partition())(topic) == topic


def test_a_single_partition_takes_everything_and_one_of_several_its_own_messages():
    assert Partition().topic_filter == "anju/v1/#"
    assert Partition(3, 4).topic_filter == "anju/p/3/#"


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_client_id_follows_from_the_secret_and_can_be_guessed_from_nothing_else(secret, other):
    ours = [Partition(number, 4).client_id(secret) for number in range(4)]
    assert ours == [Partition(number, 4).client_id(secret) for number in range(4)]
    assert len(set(ours)) == 4
    assert all(re.fullmatch(rf"anju-ingest-{number}-[0-9a-f]{{32}}", id_) for number, id_ in enumerate(ours))
    assert (ours[0] == Partition(0, 4).client_id(other)) == (secret == other)


@given(st.integers(1, 64), st.lists(st.integers(0, 63), min_size=1, max_size=9))
def test_members_own_all_partitions_none_twice_and_none_more_than_its_share(count, arrivals):
    """Members join with any partitions; an owned partition is not available to a new member."""
    members = len(arrivals)
    held = [{first} if first < count and first not in arrivals[:rank] else set() for rank, first in enumerate(arrivals)]
    held[0] |= set(range(count)) - set().union(*held)
    for _ in range(3):
        for rank in range(members):
            held[rank] -= set(choose(count, held[rank], set().union(*held), rank, members).release)
        for rank in range(members):
            held[rank] |= set(choose(count, held[rank], set().union(*held), rank, members).take)
    assert sorted(number for each in held for number in each) == list(range(count))
    assert max(map(len, held)) <= -(-count // members)


@given(st.integers(1, 64), st.integers(1, 9))
def test_members_that_start_together_do_not_try_the_same_partitions(count, members):
    taken = [number for rank in range(members) for number in choose(count, (), (), rank, members).take]
    share = -(-count // members)
    assert set(taken) == set(range(count))
    assert len(taken) == share * members


@given(st.integers(1, 64), st.integers(1, 9), st.data())
def test_a_member_with_its_share_or_less_releases_nothing(count, members, data):
    share = -(-count // members)
    held = data.draw(st.sets(st.integers(0, count - 1), max_size=share))
    rank = data.draw(st.integers(0, members - 1))
    assert choose(count, held, held, rank, members).release == []
