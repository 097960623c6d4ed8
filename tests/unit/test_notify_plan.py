"""Laws of the plan: grouping, digests, quiet hours and suppression, on generated sequences of notices."""

from collections import Counter
from datetime import datetime, time, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from devices.local_time import CITY
from notify.plan import MAX_IN_WINDOW, SAME_CAUSE_EVERY, UNLIMITED, WINDOW, Form, plan
from notify.routing import Channel, ChannelKind, QuietHours
from store.notices.delivery import DueNotice, SentMessage

NOON = datetime(2026, 11, 25, 12, tzinfo=CITY)
NIGHT = QuietHours(time(22), time(7))
PERSON = Channel("王经理/wecom", ChannelKind.WECOM, "https://example.com")
SLEEPER = Channel("王经理/wecom", ChannelKind.WECOM, "https://example.com", quiet=NIGHT)
PROGRAM = Channel("平台/webhook", ChannelKind.WEBHOOK, "https://example.com", quiet=NIGHT)


def notice(number, *, kind="raised", severity="warning", rule="leak", community="a", over=False, **more):
    values = {
        "id": number, "alert_id": UUID(int=more.pop("alert", number)), "kind": kind, "n": 1, "attempts": 0,
        "queued_at": NOON, "severity": severity, "community": community, "rule": rule, "over": over,
        "attention": "unacknowledged", "held": False, **more,
    }  # fmt: skip
    return DueNotice(**values)


def ids(parts):
    return [each.id for part in parts for each in part.notices]


notices = st.lists(
    st.builds(
        notice,
        st.integers(1, 400),
        kind=st.sampled_from(["raised", "raised", "escalated", "fallback", "resolved"]),
        severity=st.sampled_from(["info", "warning", "major", "critical"]),
        rule=st.sampled_from([f"rule-{n}" for n in range(14)]),
        community=st.sampled_from(["a", "b", None]),
        over=st.booleans(),
        other_sent=st.booleans(),
        other_sent_as_over=st.booleans(),
        other_queued=st.booleans(),
        attention=st.sampled_from(["unacknowledged", "acknowledged"]),
    ),
    unique_by=lambda each: each.id,
    max_size=60,
)
hours = st.integers(0, 48).map(lambda half: NOON + timedelta(minutes=30 * half))


@given(notices, st.sampled_from([PERSON, SLEEPER, PROGRAM]), st.sets(st.integers(1, 400)), hours)
def test_every_notice_is_in_exactly_one_place(due, channel, suppressed, now):
    planned = plan(due, channel, [], {UUID(int=number) for number in suppressed}, now)
    places = Counter(ids(planned.messages) + ids(planned.postponements) + ids(planned.drops))
    assert places == Counter(each.id for each in due)
    assert all(part.until > now for part in planned.postponements)


@given(notices, st.sets(st.integers(1, 400)))
def test_a_suppressed_notice_is_neither_sent_nor_lost_while_its_alert_is_open(due, suppressed):
    planned = plan(due, PERSON, [], {UUID(int=number) for number in suppressed}, NOON)
    hidden = {each.id for each in due if each.alert_id.int in suppressed and each.kind != "resolved"}
    assert not hidden & set(ids(planned.messages))
    open_ones = {each.id for each in due if each.id in hidden and not each.over and each.kind == "raised"}
    assert open_ones <= set(ids(planned.postponements))


@given(notices, hours)
def test_quiet_hours_hold_everything_but_critical_messages(due, now):
    planned = plan(due, SLEEPER, [], (), now)
    if NIGHT.end_of(now):
        assert {each.severity for message in planned.messages for each in message.notices} <= {"critical"}


@given(notices, hours)
def test_critical_notices_and_programs_never_wait_for_a_limit(due, now):
    critical = [each for each in due if each.severity == "critical" and each.kind in {"raised", "fallback"}]
    assert {each.id for each in critical} <= set(ids(plan(due, SLEEPER, [], (), now).messages))
    raised = {each.id for each in due if each.kind in {"raised", "fallback"}}
    assert raised <= set(ids(plan(due, PROGRAM, [], (), now).messages))


counted_messages = st.lists(
    st.builds(
        SentMessage,
        st.integers(0, 599).map(lambda ago_s: NOON - timedelta(seconds=ago_s)),
        st.sampled_from([Form.GROUP, Form.DIGEST]),
        st.just("a"),
        st.just("counted"),
        unlimited=st.just(False),
    ),
    max_size=15,
).map(lambda sent: sorted(sent, key=lambda message: message.sent_at))


@given(notices, counted_messages)
def test_nothing_major_waits_behind_warnings_however_many_there_are(due, recent):
    """Other law of the limit: neither ten earlier messages nor a digest delays a major or critical notice."""
    planned = plan(due, PERSON, recent, (), NOON)
    grave = {each.id for each in due if each.severity in UNLIMITED and each.kind in {"raised", "fallback"}}
    assert grave <= set(ids(message for message in planned.messages if message.form is Form.GROUP))
    assert grave <= set(ids(plan(due, SLEEPER, recent, (), NOON).messages))


@given(notices, counted_messages, st.sampled_from([PERSON, SLEEPER]), hours)
def test_a_digest_has_several_causes_and_never_counts_for_grave_alerts(due, recent, channel, now):
    for message in plan(due, channel, recent, (), now).messages:
        if message.form is not Form.GROUP:
            assert len({each.alert_id for each in message.notices}) > 1
        if message.form is Form.DIGEST:
            assert not {each.severity for each in message.notices} & {*UNLIMITED}
            assert len({(each.community, each.rule) for each in message.notices}) > 1


sequences = st.lists(
    st.tuples(st.integers(0, 90), st.integers(0, 20), st.sampled_from(["warning", "major", "critical"])),
    min_size=1,
    max_size=120,
)


@given(sequences)
def test_a_person_gets_at_most_ten_messages_in_ten_minutes_and_nothing_is_lost(sequence):
    """A notice arrives after `after_s` seconds, of a rule; the channel is planned whenever a notice is due."""
    waiting, sent, at, number = [], [], NOON, 0
    for after_s, rule, severity in sequence:
        at += timedelta(seconds=after_s)
        number += 1
        waiting.append((at, notice(number, severity=severity, rule=f"rule-{rule}")))
    sent_ids, now = [], NOON
    while waiting:
        now = max(now, min(due_at for due_at, _ in waiting))
        due = [each for due_at, each in waiting if due_at <= now]
        waiting = [(due_at, each) for due_at, each in waiting if due_at > now]
        recent = [message for message in sent if message.sent_at > now - WINDOW]
        planned = plan(due, PERSON, recent, (), now)
        for message in planned.messages:
            sent.append(SentMessage(now, message.form, *(message.cause or (None, None)), message.unlimited))
            sent_ids += [each.id for each in message.notices]
        waiting += [(part.until, each) for part in planned.postponements for each in part.notices]
        now += timedelta(seconds=1)
    assert sorted(sent_ids) == list(range(1, number + 1))
    times = [message.sent_at for message in sent if not message.unlimited]
    for first, after in zip(times, times[MAX_IN_WINDOW:], strict=False):
        assert after - first >= WINDOW
    _causes_are_spaced(sent)


def _causes_are_spaced(sent):
    by_cause = {}
    for message in sent:
        if message.form == Form.GROUP:
            by_cause.setdefault((message.community, message.rule, message.unlimited), []).append(message.sent_at)
    for times in by_cause.values():
        assert all(after - before >= SAME_CAUSE_EVERY for before, after in pairwise(times))


def test_alerts_of_one_cause_are_one_message():
    planned = plan([notice(1), notice(2), notice(3, rule="other"), notice(4, community="b")], PERSON, [], (), NOON)
    assert [[each.id for each in message.notices] for message in planned.messages] == [[1, 2], [3], [4]]


def test_critical_and_major_alerts_of_one_cause_are_one_message():
    planned = plan([notice(1, severity="major"), notice(2, severity="critical")], PERSON, [], (), NOON)
    assert [ids([message]) for message in planned.messages] == [[2, 1]]


def test_beyond_the_limit_the_rest_is_one_digest_and_the_next_message_comes_ten_minutes_later():
    many = [notice(number, rule=f"rule-{number}") for number in range(20)]
    (digest,) = plan(many, PERSON, [], (), NOON).messages
    assert digest.form is Form.DIGEST
    assert len(digest.notices) == 20
    sent = SentMessage(NOON, Form.DIGEST, None, None, unlimited=False)
    later = plan([notice(30)], PERSON, [sent], (), NOON + timedelta(minutes=3))
    assert later.messages == []
    assert (later.postponements[0].until, later.postponements[0].reason) == (NOON + WINDOW, "message_limit")


def test_a_burst_pipe_after_ten_warnings_comes_at_once_as_an_ordinary_message():
    """Found by a stranger: it came ten minutes late, as a digest of one, without a place."""
    ten = [SentMessage(NOON, Form.GROUP, "a", f"rule-{number}", unlimited=False) for number in range(10)]
    due = [notice(1, severity="major", rule="water_burst"), notice(2, rule="other")]
    planned = plan(due, PERSON, ten, (), NOON + timedelta(seconds=5))
    assert [(message.form, message.cause, ids([message])) for message in planned.messages] == [
        (Form.GROUP, ("a", "water_burst"), [1])
    ]
    assert ids(planned.postponements) == [2]


def test_the_tenth_message_of_one_alert_is_an_ordinary_one():
    nine = [SentMessage(NOON, Form.GROUP, "a", f"rule-{number}", unlimited=False) for number in range(9)]
    due = [notice(1), notice(2, kind="resolved", over=True, other_sent=True, alert=1)]
    (message,) = plan(due, PERSON, nine, (), NOON + timedelta(minutes=1)).messages
    assert message.form is Form.GROUP


def test_the_beginning_and_the_end_of_one_alert_in_quiet_hours_are_an_ordinary_message():
    night = NOON - timedelta(hours=8)
    due = [
        notice(1, over=True, queued_at=night),
        notice(2, kind="resolved", over=True, other_queued=True, alert=1, queued_at=night),
    ]
    (message,) = plan(due, SLEEPER, [], (), NOON).messages
    assert (message.form, len(message.notices)) == (Form.GROUP, 2)


def test_after_quiet_hours_there_is_one_summary():
    held = [notice(n, rule=f"rule-{n}", queued_at=NOON - timedelta(hours=8)) for n in (1, 2)]
    (summary,) = plan(held, SLEEPER, [], (), NOON).messages
    assert summary.form is Form.AFTER_QUIET


def test_a_recovery_goes_to_the_channels_that_got_the_beginning_and_to_no_other():
    due = [
        notice(1, kind="resolved", over=True, other_sent=True),
        notice(6, kind="resolved", over=True, other_sent=True, other_sent_as_over=True),
        notice(2, kind="resolved", over=True, other_queued=True),
        notice(3, kind="resolved", over=True),
        notice(4, over=True),
        notice(5, kind="resolved", over=True, other_queued=True, alert=4),
    ]
    planned = plan(due, PERSON, [], (), NOON)
    assert sorted(ids(planned.messages)) == [1, 4, 5]
    assert ids(planned.postponements) == [2]
    assert sorted(ids(planned.drops)) == [3, 6]


def test_an_acknowledged_or_ended_alert_is_not_escalated():
    due = [notice(1, kind="escalated", attention="acknowledged"), notice(2, kind="escalated", over=True)]
    assert {drop.reason: ids([drop]) for drop in plan(due, PERSON, [], (), NOON).drops} == {
        "acknowledged": [1], "over": [2],
    }  # fmt: skip


def test_a_postponed_notice_names_its_reason():
    def reasons(due, channel=PERSON, recent=(), suppressed=(), now=NOON):
        return [part.reason for part in plan(due, channel, recent, suppressed, now).postponements]

    same_cause = SentMessage(NOON, Form.GROUP, "a", "leak", unlimited=False)
    assert reasons([notice(1)], suppressed=[UUID(int=1)]) == ["suppressed"]
    assert reasons([notice(1)], SLEEPER, now=NOON.replace(hour=23)) == ["quiet_hours"]
    assert reasons([notice(1)], recent=[same_cause], now=NOON + timedelta(seconds=20)) == ["gathering"]
    assert reasons([notice(1, kind="resolved", over=True, other_queued=True)]) == ["after_raised"]


def test_quiet_hours_span_midnight():
    at = {hour: NIGHT.end_of(NOON.replace(hour=hour)) for hour in (6, 7, 21, 22)}
    assert at == {
        6: NOON.replace(hour=7),
        7: None,
        21: None,
        22: NOON.replace(hour=7) + timedelta(days=1),
    }
