"""Notices of an alert over the API."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from store.notices.delivery import SentMessage, record_dead, record_sent
from store.notices.enqueue import NewNotice, insert_notices

NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)


def test_the_notices_of_an_alert_are_listed_with_their_state(api: Any, community: Any) -> None:
    alert = community.alert()
    channels = (f"王经理-{alert}/wecom", f"运维-{alert}/email")
    raised = NewNotice(alert, channels[0], "raised", 1, "major", NOON)
    escalated = NewNotice(alert, channels[1], "escalated", 2, "major", NOON)
    insert_notices(community.connection, [raised, escalated], NOON)
    rows = community.connection.execute("SELECT id FROM notice WHERE alert_id = %s ORDER BY id", (alert,)).fetchall()
    (first,), (second,) = rows
    sent_at = NOON + timedelta(seconds=3)
    record_sent(
        community.connection, channels[0], [first], [], SentMessage(sent_at, "group", None, None, critical=False)
    )
    record_dead(community.connection, channels[1], [second], "HTTP 401", sent_at)
    community.connection.commit()

    result = api.get(f"/alerts/{alert}/notices").raise_for_status().json()

    assert result["next_cursor"] is None
    summary = [
        (each["channel"], each["kind_zh"], each["level"], each["state_zh"], each["reason"]) for each in result["items"]
    ]
    assert summary == [(channels[0], "报警", 1, "已送达", None), (channels[1], "升级", 2, "发送失败", "HTTP 401")]
    assert result["items"][0]["settled_at"] == "2026-07-01T04:00:03Z"


def test_an_alert_without_notices_has_an_empty_list_and_an_unknown_alert_is_not_found(api: Any, community: Any) -> None:
    assert api.get(f"/alerts/{community.alert()}/notices").json()["items"] == []
    assert api.get(f"/alerts/{uuid.uuid4()}/notices").status_code == 404
