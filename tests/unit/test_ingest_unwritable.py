"""Search for the messages of a batch that cannot be written."""

from datetime import UTC, datetime
from math import log2

from hypothesis import given
from hypothesis import strategies as st

from ingest.receiver import Message
from ingest.unwritable import find_unwritable, rest_of
from laws import examples

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def batch(size):
    return [Message(f"t/{number}", b"", NOW, redelivered=False, packet_id=number + 1) for number in range(size)]


@examples(200)
@given(st.integers(1, 300), st.data())
def test_exactly_the_messages_at_fault_are_found_in_order_and_in_few_tries(size, data):
    messages = batch(size)
    poison = data.draw(st.sets(st.sampled_from(range(size)), max_size=8))
    tries = []

    def error_of(some):
        tries.append(len(some))
        bad = [message for message in some if message.packet_id - 1 in poison]
        return ValueError(bad[0].topic) if bad else None

    found = find_unwritable(messages, error_of)
    assert [one.message.packet_id - 1 for one in found] == sorted(poison)
    assert all(str(one.error) == one.message.topic for one in found)
    assert len(tries) <= 1 + 2 * len(poison) * (log2(size) + 1)
    rest = rest_of(messages, found)
    if poison:
        assert [message for part in rest for message in part] == [
            message for message in messages if message.packet_id - 1 not in poison
        ]


def test_without_a_message_at_fault_the_batch_is_halved_in_order():
    messages = batch(5)
    assert rest_of(messages, []) == [messages[:2], messages[2:]]


def test_equal_messages_are_told_apart():
    one, two = batch(1)[0], batch(1)[0]
    calls = iter([ValueError("x"), None, ValueError("x")])
    found = find_unwritable([one, two], lambda _: next(calls))
    assert [each.message is two for each in found] == [True]
    assert [each is one for (each,) in rest_of([one, two], found)] == [True]
