"""Reasons for which a notice of an alert waits, was dropped or failed, in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from handling import words_zh
from rules.model.labels_zh import NOTICE_DROPPED
from store.alerts.suppression import Cause, CauseName
from store.notices.delivery import NoticeRow, WaitReason


@dataclass(frozen=True, slots=True)
class Wait:
    """Reason for which a notice waits: its code, its words, and until when it waits if that is known."""

    code: str
    zh: str
    until: datetime | None


def waits_of(row: NoticeRow, causes: Sequence[Cause], now: datetime) -> Iterator[Wait]:
    """Yield the reasons for which a queued notice waits; none of another.

    Suppression holds everything but a recovery.
    """
    if row.state != "queued":
        return
    if causes and row.kind != "resolved":
        for cause in causes:
            yield Wait(cause.name.value, _cause_zh(cause), cause.until)
    elif row.retry_at and row.retry_at > now:
        yield Wait("retry", words_zh.NOTICE_WAITS[WaitReason.RETRY], row.retry_at)
    elif row.due_at > now and (words := words_zh.NOTICE_WAITS.get(row.waits_for or "")):
        yield Wait(row.waits_for or "", words, row.due_at)
    else:
        yield Wait("sending", words_zh.NOTICE_SENDING, None)


def reason_of(row: NoticeRow) -> str | None:
    """Return why a notice was dropped, or the last failure of its sending; None without one."""
    if row.reason is None:
        return None
    if row.state == "dropped":
        return NOTICE_DROPPED.get(row.reason, row.reason)
    return words_zh.notice_failed(row.reason)


def _cause_zh(cause: Cause) -> str:
    match cause.name:
        case CauseName.SHELVED:
            return words_zh.waits_for_shelving(cause.actor, cause.detail)
        case CauseName.MAINTENANCE:
            return words_zh.waits_for_maintenance(cause.actor, cause.detail)
        case _:
            return cause.detail
