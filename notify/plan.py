"""Plan of the due notices of a channel: grouping, digests, quiet hours, limits. Pure; its laws are in the tests.

A person gets at most ten messages in ten minutes through a channel. Beyond that the rest is one digest, and no other
message of the limit follows for ten minutes. Critical and major messages are outside the limit. Programs (webhooks) get
everything.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from notify.routing import Channel, ChannelKind
from rules.model.rule import Severity
from store.notices.delivery import DropReason, DueNotice, SentMessage, WaitReason

WINDOW = timedelta(minutes=10)
MAX_IN_WINDOW = 10
SAME_CAUSE_EVERY = timedelta(seconds=30)
RECHECK_AFTER = timedelta(seconds=30)
MAX_PER_WEBHOOK = 100
UNLIMITED = (Severity.CRITICAL, Severity.MAJOR)
"""Severities outside the limit, the gravest first."""

Cause = tuple[str | None, str]
"""Community and rule: the key by which notices are grouped."""


class Form(StrEnum):
    """Form of a message: alerts of one cause, a digest, or the summary after quiet hours."""

    GROUP = "group"
    DIGEST = "digest"
    AFTER_QUIET = "after_quiet"


class Message(NamedTuple):
    """Notices sent together; `cause` is None if they have several, `unlimited` if the limit does not count it."""

    form: Form
    cause: Cause | None
    unlimited: bool
    notices: tuple[DueNotice, ...]


class Postponement(NamedTuple):
    """Notices to plan again at `until`."""

    until: datetime
    notices: tuple[DueNotice, ...]
    reason: WaitReason


class Drop(NamedTuple):
    """Notices that are no longer needed, with the reason."""

    reason: DropReason
    notices: tuple[DueNotice, ...]


class Plan(NamedTuple):
    """Messages in sending order, and the notices that wait or are dropped."""

    messages: list[Message]
    postponements: list[Postponement]
    drops: list[Drop]


def plan(
    due: Sequence[DueNotice],
    channel: Channel,
    recent: Sequence[SentMessage],
    suppressed: Collection[UUID],
    now: datetime,
) -> Plan:
    """Divide the due notices of a channel into messages, postponements and drops; each notice is in exactly one.

    Args:
        due: Due notices of the channel.
        channel: Its kind tells persons from programs; it carries the quiet hours.
        recent: Messages sent through the channel within `WINDOW`.
        suppressed: Alerts under suppression.
        now: The current time.
    """
    postponements: list[Postponement] = []
    drops: list[Drop] = []
    selected = _select(due, suppressed, now, postponements, drops)
    if channel.kind is ChannelKind.WEBHOOK:
        return Plan(list(_split_for_webhook(selected)), postponements, drops)
    of = {severity: [notice for notice in selected if notice.severity == severity] for severity in Severity}
    critical, major, rest = of[Severity.CRITICAL], of[Severity.MAJOR], [*of[Severity.WARNING], *of[Severity.INFO]]
    paused_until = _end_of_pause(recent, now)
    if quiet_until := channel.quiet.end_of(now) if channel.quiet else None:
        messages = _space_causes(_group_by_cause(critical), recent, now, postponements)
        _postpone([*major, *rest], quiet_until, WaitReason.QUIET_HOURS, postponements)
    elif _is_after_quiet([*major, *rest], channel) and (major or not paused_until):
        messages = _space_causes(_group_by_cause(critical), recent, now, postponements)
        messages.append(_message(Form.AFTER_QUIET, None, [*major, *rest]))
    else:
        # Together: an alert that became critical and its like of the same cause are one message.
        messages = _space_causes(_group_by_cause([*critical, *major]), recent, now, postponements)
        if paused_until:
            _postpone(rest, paused_until, WaitReason.MESSAGE_LIMIT, postponements)
        else:
            messages += _limit_rate(rest, recent, now, postponements)
    return Plan(messages, postponements, drops)


def _is_after_quiet(notices: Sequence[DueNotice], channel: Channel) -> bool:
    """Return whether notices of several alerts have waited for the end of the quiet hours."""
    if channel.quiet is None or len(_alerts(notices)) < 2:
        return False
    return channel.quiet.end_of(min(notice.queued_at for notice in notices)) is not None


def _select(
    due: Sequence[DueNotice],
    suppressed: Collection[UUID],
    now: datetime,
    postponements: list[Postponement],
    drops: list[Drop],
) -> list[DueNotice]:
    """Return the notices to send now. A recovery goes with the notice of its beginning, or after it."""
    notices_by_reason: dict[DropReason, list[DueNotice]] = {}
    selected, suppressed_notices, waiting, recoveries = [], [], [], []
    for notice in due:
        if notice.kind == "resolved":
            recoveries.append(notice)
        elif notice.kind == "escalated" and notice.attention != "unacknowledged":
            notices_by_reason.setdefault(DropReason.ACKNOWLEDGED, []).append(notice)
        elif notice.kind == "escalated" and notice.over:
            notices_by_reason.setdefault(DropReason.OVER, []).append(notice)
        elif notice.over and (notice.held or notice.alert_id in suppressed):
            notices_by_reason.setdefault(DropReason.OVER_WHILE_SUPPRESSED, []).append(notice)
        elif notice.alert_id in suppressed:
            suppressed_notices.append(notice)
        else:
            selected.append(notice)
    selected_alerts = {notice.alert_id for notice in selected}
    for notice in recoveries:
        if notice.other_sent_as_over:
            notices_by_reason.setdefault(DropReason.TOLD_AS_OVER, []).append(notice)
        elif notice.other_sent or notice.alert_id in selected_alerts:
            selected.append(notice)
        elif notice.other_queued and notice.alert_id not in suppressed:
            waiting.append(notice)
        else:
            notices_by_reason.setdefault(DropReason.NOT_TOLD, []).append(notice)
    _postpone(waiting, now + RECHECK_AFTER, WaitReason.AFTER_RAISED, postponements)
    _postpone(suppressed_notices, now + RECHECK_AFTER, WaitReason.SUPPRESSED, postponements)
    drops += [Drop(reason, tuple(notices)) for reason, notices in notices_by_reason.items()]
    return selected


def _limited(recent: Sequence[SentMessage], now: datetime) -> list[SentMessage]:
    """Return the messages that the limit counts at `now`."""
    return [message for message in recent if not message.unlimited and message.sent_at > now - WINDOW]


def _end_of_pause(recent: Sequence[SentMessage], now: datetime) -> datetime | None:
    """Return the time of the next message of the limit, or None while one may be sent."""
    counted = _limited(recent, now)
    if digests := [message for message in counted if message.form == Form.DIGEST]:
        return digests[-1].sent_at + WINDOW
    return counted[-MAX_IN_WINDOW].sent_at + WINDOW if len(counted) >= MAX_IN_WINDOW else None


def _limit_rate(
    notices: list[DueNotice], recent: Sequence[SentMessage], now: datetime, postponements: list[Postponement]
) -> list[Message]:
    """Return one message for each cause while the limit allows it, otherwise one digest of all causes.

    Alerts of one cause are never a digest: they are one message anyway.
    """
    remaining = MAX_IN_WINDOW - len(_limited(recent, now))
    groups = _group_by_cause(notices)
    if len(groups) < max(remaining, 2):
        return _space_causes(groups, recent, now, postponements)
    return [_message(Form.DIGEST, None, notices)]


def _group_by_cause(notices: Sequence[DueNotice]) -> list[Message]:
    """Return one message for each cause, in order of first appearance."""
    causes: dict[Cause, list[DueNotice]] = {}
    for notice in notices:
        causes.setdefault((notice.community, notice.rule), []).append(notice)
    return [_message(Form.GROUP, cause, group) for cause, group in causes.items()]


def _space_causes(
    messages: list[Message], recent: Sequence[SentMessage], now: datetime, postponements: list[Postponement]
) -> list[Message]:
    """Return the messages with no recent message of the same cause; postpone the others, which gather."""
    last = {(message.community, message.rule, message.unlimited): message.sent_at for message in recent}
    ready = []
    for message in messages:
        before = last.get((*(message.cause or (None, None)), message.unlimited))
        again = before + SAME_CAUSE_EVERY if before else now
        if again <= now:
            ready.append(message)
        else:
            _postpone(message.notices, again, WaitReason.GATHERING, postponements)
    return ready


def _split_for_webhook(notices: Sequence[DueNotice]) -> Iterator[Message]:
    for group in _group_by_cause(notices):
        for start in range(0, len(group.notices), MAX_PER_WEBHOOK):
            yield group._replace(notices=group.notices[start : start + MAX_PER_WEBHOOK])


def _message(form: Form, cause: Cause | None, notices: Sequence[DueNotice]) -> Message:
    unlimited = form is not Form.DIGEST and any(notice.severity in UNLIMITED for notice in notices)
    return Message(form, cause, unlimited, tuple(notices))


def _alerts(notices: Iterable[DueNotice]) -> set[UUID]:
    return {notice.alert_id for notice in notices}


def _postpone(
    notices: Sequence[DueNotice], until: datetime, reason: WaitReason, postponements: list[Postponement]
) -> None:
    if notices:
        postponements.append(Postponement(until, tuple(notices), reason))
