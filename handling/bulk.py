"""One action on many alerts, with an answer for each: some may have moved on meanwhile, which is no error."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from handling.actions import (
    ActionRefusedError,
    AlreadyDoneError,
    Order,
    ShelvingRangeError,
    UnknownAlertError,
    take_action,
)
from handling.signature import Signature
from store.database import Database

MOST_ALERTS = 500
"""Alerts of one request."""


class Result(StrEnum):
    """What became of the action on one alert."""

    DONE = "done"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


RESULT_ZH = {
    Result.DONE: "已完成",
    Result.UNCHANGED: "无需操作",
    Result.REFUSED: "没有执行",
    Result.UNKNOWN: "没有找到",
}
"""Chinese names of the results."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of the action on one alert; `detail` is the sentence of a refusal, for the person."""

    alert_id: UUID
    result: Result
    detail: str | None = None


def take_actions(
    database: Database,
    alert_ids: Iterable[UUID],
    order: Order,
    signature: Signature,
    *,
    request_key: str | None,
    clock: Callable[[], datetime],
) -> list[Outcome]:
    """Carry out an action on each alert, in the order given; an alert named twice is one.

    Each is a transaction of its own: ingest, which waits for the lock of alerts, goes on between them, and a request
    that breaks off halfway is completed by its repetition. The key of each alert is made of the request's key.

    Raises:
        KeyReusedError: The key was used for another action.
    """
    outcomes = []
    for alert_id in dict.fromkeys(alert_ids):
        result, detail = Result.DONE, None
        try:
            with database.connection() as connection:
                key = _key_of(request_key, alert_id)
                take_action(connection, alert_id, order, signature, request_key=key, clock=clock)
        except UnknownAlertError:
            result = Result.UNKNOWN
        except AlreadyDoneError as error:
            result, detail = Result.UNCHANGED, str(error)
        except (ActionRefusedError, ShelvingRangeError) as error:
            result, detail = Result.REFUSED, str(error)
        outcomes.append(Outcome(alert_id, result, detail))
    return outcomes


def _key_of(request_key: str | None, alert_id: UUID) -> str | None:
    return request_key and f"{request_key} {alert_id}"
