"""The JSON that Prometheus Alertmanager (version 4 of it) sends to webhooks, so that its receivers work unchanged.

Its fields: prometheus.io/docs/alerting/latest/configuration/#webhook_config.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from store.notices import ToldAlert

_NOT_OVER = "0001-01-01T00:00:00Z"


def as_alertmanager(alerts: Sequence[ToldAlert], receiver: str, base_url: str | None) -> dict[str, Any]:
    """The alerts of one cause as one notification; a fingerprint is the same for all that is told of an occurrence."""
    told = [_alert(alert, base_url) for alert in alerts]
    rule, community = alerts[0].rule, alerts[0].community or ""
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{rule}", community="{community}"}}',
        "truncatedAlerts": 0,
        "status": "firing" if any(each["status"] == "firing" for each in told) else "resolved",
        "receiver": receiver,
        "groupLabels": {"alertname": rule, "community": community},
        "commonLabels": _common([each["labels"] for each in told]),
        "commonAnnotations": _common([each["annotations"] for each in told]),
        "externalURL": base_url or "",
        "alerts": told,
    }


def _alert(alert: ToldAlert, base_url: str | None) -> dict[str, Any]:
    labels = {
        "alertname": alert.rule,
        "severity": alert.severity,
        "community": alert.community or "",
        "device": alert.device,
        "kind": alert.kind,
        "building": alert.building,
        "unit": alert.unit,
        "room": alert.room,
        "simulated": str(alert.simulated).lower(),
    }
    return {
        "status": "resolved" if alert.ended_at else "firing",
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {
            "summary": alert.title,
            "description": alert.message,
            "advice": alert.advice,
            "alert_id": str(alert.id),
        },
        "startsAt": _rfc3339(alert.opened_at),
        "endsAt": _rfc3339(alert.ended_at) if alert.ended_at else _NOT_OVER,
        "generatorURL": f"{base_url.rstrip('/')}/alerts/{alert.id}" if base_url else "",
        "fingerprint": alert.id.hex[:16],
    }


def _common(mappings: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {key: value for key, value in mappings[0].items() if all(other.get(key) == value for other in mappings)}


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
