"""Refusals of the broker, read from its log. The lines are those that NATS Server 2.15 writes."""

from datetime import UTC, datetime, timedelta

import pytest

from ingest.broker_log import RefusalReason, refusals

SINCE = datetime(2026, 11, 30, tzinfo=UTC)
LINE = '[6674] 2026/11/30 22:31:{second:02d}.887256 [ERR] 127.0.0.1:52087 - mid:41 - "{client}" - {error}'
REASONS = [
    ('Publish Violation - Subject "foo.bar"', RefusalReason.TOPIC, "foo/bar"),
    ('Publish Violation - User "publisher", Subject "foo.bar"', RefusalReason.TOPIC, "foo/bar"),
    ("maximum payload exceeded: 1200041 vs 1048576", RefusalReason.SIZE, ""),
    ("character not supported for MQTT topics", RefusalReason.CHARACTER, ""),
    ('invalid character in client ID "dev four"', RefusalReason.CLIENT_ID, ""),
    ("unable to connect: authentication error", RefusalReason.LOGIN, ""),
    ("unacceptable protocol version of 5", RefusalReason.PROTOCOL, ""),
]
# Subject of NATS, and the topic that it was made of.
SUBJECTS = [
    ("foo.bar", "foo/bar"),
    ("anju./.v1.c", "anju//v1/c"),
    ("anju.v1.c.water_meter.d//x.telemetry", "anju/v1/c/water_meter/d.x/telemetry"),
    ("/.foo", "/foo"),
    ("foo./", "foo/"),
]


def line(error, client="meter", second=1):
    return LINE.format(client=client, error=error, second=second)


@pytest.mark.parametrize(("error", "reason", "topic"), REASONS)
@pytest.mark.parametrize("prefix", ["", "broker-1  | ", "2026-11-30T22:31:42Z "])
def test_each_refusal_is_told_with_its_reason_client_and_topic(error, reason, topic, prefix):
    (refusal,) = refusals([prefix + line(error)], SINCE)
    assert (refusal.reason, refusal.client, refusal.topic, refusal.count) == (reason, "meter", topic, 1)


@pytest.mark.parametrize(("subject", "topic"), SUBJECTS)
def test_a_subject_is_told_as_the_topic_that_the_device_wrote(subject, topic):
    (refusal,) = refusals([line(f'Publish Violation - Subject "{subject}"')], SINCE)
    assert refusal.topic == topic


def test_repeated_refusals_are_one_with_a_count_and_the_newest_time():
    lines = [line(REASONS[0][0], second=second) for second in (1, 5, 9)]
    other = line(REASONS[1][0], client="other", second=7)
    newest, older = refusals([*lines[:2], other, lines[2]], SINCE)
    assert (newest.client, newest.count, newest.newest.second) == ("meter", 3, 9)
    assert (older.client, older.count) == ("other", 1)


def test_older_refusals_and_all_other_lines_are_left_out():
    others = [
        "[6674] 2026/11/30 22:22:35.285442 [INF] Server is ready",
        line('authentication error - User "publisher"'),
        "[6674] 2026/11/30 22:31:49.9",
        "",
    ]
    assert refusals([*others, line(REASONS[0][0])], SINCE + timedelta(days=30)) == []
    assert refusals(others, SINCE) == []
