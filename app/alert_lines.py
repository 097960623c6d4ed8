"""Lines on a terminal for the transitions of alerts, as they happen."""

import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

from devices.local_time import CITY
from devices.place import join_place
from rules.engine.state_machine import Reason
from rules.model.labels_zh import SEVERITY
from rules.model.subject_zh import device_zh, sentence_zh
from store.alerts.alerts import AlertRow
from store.alerts.stream import AlertTransition, follow_transitions, newest_transition, read_alert_transitions
from store.database import connect, repeat_over_outages, translated_errors

_TRANSITIONS_ZH = {"active": "报警", "latched": "待人工确认", "normal": "恢复", "muted": "已静默"}
_MAX_AGE = timedelta(minutes=10)
_BATCH = 1000


def print_alerts(database_url: str, say: Callable[[str], None], stop: threading.Event) -> None:
    """Print the transitions of alerts from now on, until `stop`, without those of imported history."""
    seen: int | None = None

    def follow() -> bool:
        nonlocal seen
        with translated_errors(), closing(connect(database_url, application_name="anju up")) as connection:
            seen = newest_transition(connection) if seen is None else seen
            connection.commit()
            for newest in follow_transitions(connection):
                steps = read_alert_transitions(
                    connection, after=seen, up_to=newest, community=None, severity=None, limit=_BATCH
                )
                connection.commit()
                for step in steps:
                    if line := alert_line(step, datetime.now(UTC)):
                        say(line)
                seen = steps[-1].transition.id if len(steps) == _BATCH else newest
                if stop.is_set():
                    return True
        return False

    # The parts that need the database report its outages.
    repeat_over_outages(follow, stop, report=lambda _: None, pause=lambda: stop.wait(1))


def alert_line(step: AlertTransition, now: datetime) -> str | None:
    """Return one line for a person; None for a transition that needs no line."""
    transition, alert = step.transition, step.alert
    change = _TRANSITIONS_ZH.get(transition.to_state)
    if transition.axis != "process" or change is None or now - transition.at > _MAX_AGE:
        return None
    if transition.suppressions:
        return None  # no notice is sent: another alert covers it, or maintenance was announced
    is_same = transition.to_state == "active" and transition.from_state in {"active", "recovering"}
    if is_same and transition.reason != Reason.PARENT:
        return None  # still the same alert, and not released from its parent
    at = f"{transition.at.astimezone(CITY):%H:%M:%S}"
    simulated = "（模拟）" if alert.simulated else ""
    if transition.to_state == "active":
        words = sentence_zh(alert.message, join_place(alert.community_name, alert.place))
    else:
        words = f"{alert_subject(alert)}：{alert.title}"
    return f"{at} [{SEVERITY[alert.severity]}] {change}{simulated} {words}"


def alert_subject(alert: AlertRow) -> str:
    """Return the device of an alert with its place, or only the place of a device group; 平台 for Anju itself."""
    device = device_zh(alert.kind, alert.device, alert.room or "") if alert.device else ""
    return f"{join_place(alert.community_name, alert.place)} {device}".strip() or "平台"
