"""Plan of the due notices of a channel: grouping, digests, quiet hours, limits. Pure; its laws are in the tests.

A person gets at most ten messages in ten minutes through a channel, critical ones not counted. Beyond that the rest is
one digest, and only critical messages follow for ten minutes. Programs (webhooks) get everything.
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
"""Community and rule: the key by which notices are grouped."""


class Form(StrEnum):
    """Form of a message: alerts of one cause, a digest, or the summary after quiet hours."""

    GROUP = "group"
    DIGEST = "digest"
    AFTER_QUIET = "after_quiet"


class Message(NamedTuple):
    """Notices sent together; `cause` is None if they have several."""

    form: Form
    cause: Cause | None
    critical: bool
    notices: tuple[DueNotice, ...]


class Postponement(NamedTuple):
    """Notices to plan again at `until`; `held` if a suppression is the reason."""

    until: datetime
    notices: tuple[DueNotice, ...]
    held: bool = False


class Drop(NamedTuple):
    """Notices that are no longer needed, with the reason."""

    reason: str
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
    """Return the notices to send now. A recovery goes with the notice of its beginning, or after it."""
    notices_by_reason: dict[str, list[DueNotice]] = {}
    selected, suppressed_notices, waiting, recoveries = [], [], [], []
    for notice in due:
        if notice.kind == "resolved":
            recoveries.append(notice)
        elif notice.kind == "escalated" and (notice.over or notice.attention != "unacknowledged"):
            notices_by_reason.setdefault("somebody has seen to it", []).append(notice)
        elif notice.over and (notice.held or notice.alert_id in suppressed):
            notices_by_reason.setdefault("over before its suppression ended", []).append(notice)
        elif notice.alert_id in suppressed:
            suppressed_notices.append(notice)
        else:
            selected.append(notice)
    selected_alerts = {notice.alert_id for notice in selected}
    for notice in recoveries:
        if notice.other_sent_as_over:
            notices_by_reason.setdefault("it was told as over", []).append(notice)
        elif notice.other_sent or notice.alert_id in selected_alerts:
            selected.append(notice)
        elif notice.other_queued and notice.alert_id not in suppressed:
            waiting.append(notice)
        else:
            notices_by_reason.setdefault("nobody was told of it", []).append(notice)
    _postpone(waiting, now + RECHECK_AFTER, postponements)
    _postpone(suppressed_notices, now + RECHECK_AFTER, postponements, held=True)
    drops += [Drop(reason, tuple(notices)) for reason, notices in notices_by_reason.items()]
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
    """Return one message for each cause, in order of first appearance."""
    causes: dict[Cause, list[DueNotice]] = {}
    for notice in notices:
        causes.setdefault((notice.community, notice.rule), []).append(notice)
    return [_message(Form.GROUP, cause, group) for cause, group in causes.items()]


def _space_causes(
    messages: list[Message], recent: Sequence[SentMessage], now: datetime, postponements: list[Postponement]
) -> list[Message]:
    """Return the messages with no recent message of the same cause; postpone the others, which gather."""
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
