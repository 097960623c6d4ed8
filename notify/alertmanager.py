"""Webhook JSON of Prometheus Alertmanager, version 4, so that its receivers work unchanged.

The fields follow prometheus.io/docs/alerting/latest/configuration/#webhook_config and `template.Data` in the source of
Alertmanager. As there, a label without a value is left out, an open alert ends in the year 1, and a fingerprint has
16 digits. `externalURL` and `generatorURL` are empty: Anju has no page yet to link to.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from devices.place import join_place
from notify.plain_text import visible_line, with_texts
from store.alerts.alerts import AlertRow

_NOT_ENDED = "0001-01-01T00:00:00Z"


def alertmanager_payload(alerts: Sequence[AlertRow], receiver: str) -> dict[str, Any]:
    """Return one Alertmanager notification for alerts of one cause; an alert keeps its fingerprint."""
    alerts = [with_texts(alert, visible_line) for alert in alerts]
    entries = [_alert(alert) for alert in alerts]
    group = _labels({"alertname": alerts[0].rule, "community": alerts[0].community})
    return {
        "version": "4",
        "groupKey": "{}:{" + ", ".join(f'{name}="{value}"' for name, value in group.items()) + "}",
        "truncatedAlerts": 0,
        "status": "firing" if any(each["status"] == "firing" for each in entries) else "resolved",
        "receiver": receiver,
        "groupLabels": group,
        "commonLabels": _common([each["labels"] for each in entries]),
        "commonAnnotations": _common([each["annotations"] for each in entries]),
        "externalURL": "",
        "alerts": entries,
    }


def _alert(alert: AlertRow) -> dict[str, Any]:
    labels = _labels(
        {
            "alertname": alert.rule,
            "severity": alert.severity,
            "community": alert.community,
            "device": alert.device,
            "kind": alert.kind,
            "building": alert.building,
            "unit": alert.unit,
            "room": alert.room,
            "simulated": str(alert.simulated).lower(),
        }
    )
    return {
        "status": "resolved" if alert.ended_at else "firing",
        "labels": labels,
        "annotations": {
            "summary": alert.title,
            "description": alert.message,
            "advice": alert.advice,
            "place": join_place(alert.community_name, alert.place),
            "alert_id": str(alert.id),
        },
        "startsAt": _rfc3339(alert.opened_at),
        "endsAt": _rfc3339(alert.ended_at) if alert.ended_at else _NOT_ENDED,
        "generatorURL": "",
        "fingerprint": alert.id.hex[:16],
    }


def _labels(values: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _common(mappings: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {key: value for key, value in mappings[0].items() if all(other.get(key) == value for other in mappings)}


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
