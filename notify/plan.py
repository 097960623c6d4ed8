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
from store.notices.delivery import DueNotice, SentMessage

WINDOW = timedelta(minutes=10)
MAX_IN_WINDOW = 10
SAME_CAUSE_EVERY = timedelta(seconds=30)
RECHECK_AFTER = timedelta(seconds=30)
MAX_PER_WEBHOOK = 100

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


class Postponement(NamedTuple):
    """Notices that are looked at again at that time; `held` where a suppression is why."""

    until: datetime
    notices: tuple[DueNotice, ...]
    held: bool = False


class Drop(NamedTuple):
    """Notices that nobody needs any more, and why."""

    reason: str
    notices: tuple[DueNotice, ...]


class Plan(NamedTuple):
    """Messages in the order in which they are sent, and what becomes of the other notices."""

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
    """Divide what is due on a channel into messages for now and what waits; every notice is in one place.

    Args:
        due: What is due.
        channel: Says who is at its other end, and when not to disturb them.
        recent: What was sent through the channel within `WINDOW`.
        suppressed: The alerts that nobody is told of while that lasts.
        now: The time.
    """
    postponements: list[Postponement] = []
    drops: list[Drop] = []
    selected = _select(due, suppressed, now, postponements, drops)
    if channel.kind is ChannelKind.WEBHOOK:
        return Plan(list(_split_for_webhook(selected)), postponements, drops)
    critical = [notice for notice in selected if notice.severity == Severity.CRITICAL]
    others = [notice for notice in selected if notice.severity != Severity.CRITICAL]
    messages = _space_causes(_group_by_cause(critical), recent, now, postponements)
    quiet_until = channel.quiet.end_of(now) if channel.quiet else None
    if quiet_until:
        _postpone(others, quiet_until, postponements)
    elif others:
        messages += _limit_rate(others, channel, recent, now, postponements)
    return Plan(messages, postponements, drops)


def _select(
    due: Sequence[DueNotice],
    suppressed: Collection[UUID],
    now: datetime,
    postponements: list[Postponement],
    drops: list[Drop],
) -> list[DueNotice]:
    """What is worth telling; a recovery goes with what it is the recovery of."""
    drop_reasons: dict[str, list[DueNotice]] = {}
    selected, suppressed_notices, waiting, recoveries = [], [], [], []
    for notice in due:
        if notice.kind == "resolved":
            recoveries.append(notice)
        elif notice.kind == "escalated" and (notice.over or notice.attention != "unacknowledged"):
            drop_reasons.setdefault("somebody has seen to it", []).append(notice)
        elif notice.over and (notice.held or notice.alert_id in suppressed):
            drop_reasons.setdefault("over before its suppression ended", []).append(notice)
        elif notice.alert_id in suppressed:
            suppressed_notices.append(notice)
        else:
            selected.append(notice)
    selected_alerts = {notice.alert_id for notice in selected}
    for notice in recoveries:
        if notice.other_sent_as_over:
            drop_reasons.setdefault("it was told as over", []).append(notice)
        elif notice.other_sent or notice.alert_id in selected_alerts:
            selected.append(notice)
        elif notice.other_queued and notice.alert_id not in suppressed:
            waiting.append(notice)
        else:
            drop_reasons.setdefault("nobody was told of it", []).append(notice)
    _postpone(waiting, now + RECHECK_AFTER, postponements)
    _postpone(suppressed_notices, now + RECHECK_AFTER, postponements, held=True)
    drops += [Drop(reason, tuple(notices)) for reason, notices in drop_reasons.items()]
    return selected


def _limit_rate(
    others: list[DueNotice],
    channel: Channel,
    recent: Sequence[SentMessage],
    now: datetime,
    postponements: list[Postponement],
) -> list[Message]:
    """Return one message for each cause while the limit allows it, otherwise one digest of all."""
    recent_in_window = [message for message in recent if not message.critical and message.sent_at > now - WINDOW]
    remaining = MAX_IN_WINDOW - len(recent_in_window)
    digests = [message.sent_at for message in recent_in_window if message.form == Form.DIGEST]
    if digests or remaining <= 0:
        _postpone(others, (digests[-1] if digests else recent_in_window[0].sent_at) + WINDOW, postponements)
        return []
    if len(others) > 1 and channel.quiet and channel.quiet.end_of(min(notice.queued_at for notice in others)):
        return [_message(Form.AFTER_QUIET, None, others)]
    groups = _group_by_cause(others)
    if len(groups) < remaining:
        return _space_causes(groups, recent, now, postponements)
    return [_message(Form.DIGEST, None, others)]


def _group_by_cause(notices: Sequence[DueNotice]) -> list[Message]:
    """A message for each cause, in the order in which they came up."""
    causes: dict[Cause, list[DueNotice]] = {}
    for notice in notices:
        causes.setdefault((notice.community, notice.rule), []).append(notice)
    return [_message(Form.GROUP, cause, group) for cause, group in causes.items()]


def _space_causes(
    messages: list[Message], recent: Sequence[SentMessage], now: datetime, postponements: list[Postponement]
) -> list[Message]:
    """Those whose cause was not told of a moment ago; the others gather for a while."""
    last = {(message.community, message.rule, message.critical): message.sent_at for message in recent}
    ready = []
    for message in messages:
        before = last.get((*(message.cause or (None, None)), message.critical))
        again = before + SAME_CAUSE_EVERY if before else now
        if again <= now:
            ready.append(message)
        else:
            _postpone(message.notices, again, postponements)
    return ready


def _split_for_webhook(notices: Sequence[DueNotice]) -> Iterator[Message]:
    for group in _group_by_cause(notices):
        for start in range(0, len(group.notices), MAX_PER_WEBHOOK):
            yield group._replace(notices=group.notices[start : start + MAX_PER_WEBHOOK])


def _message(form: Form, cause: Cause | None, notices: Sequence[DueNotice]) -> Message:
    critical = any(notice.severity == Severity.CRITICAL for notice in notices)
    return Message(form, cause, critical, tuple(notices))


def _postpone(
    notices: Sequence[DueNotice], until: datetime, postponements: list[Postponement], *, held: bool = False
) -> None:
    if notices:
        postponements.append(Postponement(until, tuple(notices), held))
