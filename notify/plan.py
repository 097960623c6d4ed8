"""What to send now of what is due on a channel: grouping, digest, quiet hours. Pure; its laws are in the tests.

A person gets at most ten messages in ten minutes through a channel, critical ones not counted: when there would be
more, the rest is one digest, and for ten minutes after it only critical ones come. Programs (webhooks) get everything.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from notify.routing import Channel, ChannelKind
from rules.model.rule import Severity
from store.notices.notices import DueNotice, SentMessage

WINDOW = timedelta(minutes=10)
MOST_IN_WINDOW = 10
SAME_CAUSE_EVERY = timedelta(seconds=30)
LOOK_AGAIN = timedelta(seconds=30)
MOST_TO_A_PROGRAM = 100

Cause = tuple[str | None, str]
"""What notices are grouped by: community and rule."""


class Form(StrEnum):
    """How a message tells what it tells."""

    GROUP = "group"
    DIGEST = "digest"
    AFTER_QUIET = "after_quiet"


class Message(NamedTuple):
    """Notices that are told together; `cause` is None where they have several."""

    form: Form
    cause: Cause | None
    critical: bool
    notices: tuple[DueNotice, ...]


class Postponed(NamedTuple):
    """Notices that are looked at again at that time; `held` where a suppression is why."""

    until: datetime
    notices: tuple[DueNotice, ...]
    held: bool = False


class Dropped(NamedTuple):
    """Notices that nobody needs any more, and why."""

    reason: str
    notices: tuple[DueNotice, ...]


class Plan(NamedTuple):
    """Messages in the order in which they are sent, and what becomes of the other notices."""

    messages: list[Message]
    postponed: list[Postponed]
    dropped: list[Dropped]


def plan(
    due: Sequence[DueNotice],
    channel: Channel,
    recent: Sequence[SentMessage],
    suppressed: Collection[UUID],
    now: datetime,
) -> Plan:
    """Divide what is due on a channel into messages for now and what waits; every notice is in one place.

    Args:
        due: What is due.
        channel: Says who is at its other end, and when not to disturb them.
        recent: What was sent through the channel within `WINDOW`.
        suppressed: The alerts that nobody is told of while that lasts.
        now: The time.
    """
    postponed: list[Postponed] = []
    dropped: list[Dropped] = []
    wanted = _needed(due, suppressed, now, postponed, dropped)
    if channel.kind is ChannelKind.WEBHOOK:
        return Plan(list(_for_a_program(wanted)), postponed, dropped)
    critical = [notice for notice in wanted if notice.severity == Severity.CRITICAL]
    others = [notice for notice in wanted if notice.severity != Severity.CRITICAL]
    messages = _spaced(_grouped(critical), recent, now, postponed)
    quiet_until = channel.quiet.end_of(now) if channel.quiet else None
    if quiet_until:
        _postpone(others, quiet_until, postponed)
    elif others:
        messages += _within_limits(others, channel, recent, now, postponed)
    return Plan(messages, postponed, dropped)


def _needed(
    due: Sequence[DueNotice],
    suppressed: Collection[UUID],
    now: datetime,
    postponed: list[Postponed],
    dropped: list[Dropped],
) -> list[DueNotice]:
    """What is worth telling; a recovery goes with what it is the recovery of."""
    gone: dict[str, list[DueNotice]] = {}
    wanted, held, waiting, recoveries = [], [], [], []
    for notice in due:
        if notice.kind == "resolved":
            recoveries.append(notice)
        elif notice.kind == "escalated" and (notice.over or notice.attention != "unacknowledged"):
            gone.setdefault("somebody has seen to it", []).append(notice)
        elif notice.over and (notice.held or notice.alert_id in suppressed):
            gone.setdefault("over before its suppression ended", []).append(notice)
        elif notice.alert_id in suppressed:
            held.append(notice)
        else:
            wanted.append(notice)
    told_now = {notice.alert_id for notice in wanted}
    for notice in recoveries:
        if notice.first == "over":
            gone.setdefault("it was told as over", []).append(notice)
        elif notice.first == "sent" or notice.alert_id in told_now:
            wanted.append(notice)
        elif notice.first == "queued" and notice.alert_id not in suppressed:
            waiting.append(notice)
        else:
            gone.setdefault("nobody was told of it", []).append(notice)
    _postpone(waiting, now + LOOK_AGAIN, postponed)
    _postpone(held, now + LOOK_AGAIN, postponed, held=True)
    dropped += [Dropped(reason, tuple(notices)) for reason, notices in gone.items()]
    return wanted


def _within_limits(
    others: list[DueNotice],
    channel: Channel,
    recent: Sequence[SentMessage],
    now: datetime,
    postponed: list[Postponed],
) -> list[Message]:
    """What is not critical: a message for each cause while there is room, and one digest of all where there is none."""
    lately = [message for message in recent if not message.critical and message.sent_at > now - WINDOW]
    room = MOST_IN_WINDOW - len(lately)
    digests = [message.sent_at for message in lately if message.form == Form.DIGEST]
    if digests or room <= 0:
        _postpone(others, (digests[-1] if digests else lately[0].sent_at) + WINDOW, postponed)
        return []
    if len(others) > 1 and channel.quiet and channel.quiet.end_of(min(notice.queued_at for notice in others)):
        return [_message(Form.AFTER_QUIET, None, others)]
    groups = _grouped(others)
    if len(groups) < room:
        return _spaced(groups, recent, now, postponed)
    return [_message(Form.DIGEST, None, others)]


def _grouped(notices: Sequence[DueNotice]) -> list[Message]:
    """A message for each cause, in the order in which they came up."""
    causes: dict[Cause, list[DueNotice]] = {}
    for notice in notices:
        causes.setdefault((notice.community, notice.rule), []).append(notice)
    return [_message(Form.GROUP, cause, group) for cause, group in causes.items()]


def _spaced(
    messages: list[Message], recent: Sequence[SentMessage], now: datetime, postponed: list[Postponed]
) -> list[Message]:
    """Those whose cause was not told of a moment ago; the others gather for a while."""
    last = {(message.community, message.rule, message.critical): message.sent_at for message in recent}
    free = []
    for message in messages:
        before = last.get((*(message.cause or (None, None)), message.critical))
        again = before + SAME_CAUSE_EVERY if before else now
        if again <= now:
            free.append(message)
        else:
            _postpone(message.notices, again, postponed)
    return free


def _for_a_program(notices: Sequence[DueNotice]) -> Iterator[Message]:
    for group in _grouped(notices):
        for start in range(0, len(group.notices), MOST_TO_A_PROGRAM):
            yield group._replace(notices=group.notices[start : start + MOST_TO_A_PROGRAM])


def _message(form: Form, cause: Cause | None, notices: Sequence[DueNotice]) -> Message:
    critical = any(notice.severity == Severity.CRITICAL for notice in notices)
    return Message(form, cause, critical, tuple(notices))


def _postpone(notices: Sequence[DueNotice], until: datetime, postponed: list[Postponed], *, held: bool = False) -> None:
    if notices:
        postponed.append(Postponed(until, tuple(notices), held))
