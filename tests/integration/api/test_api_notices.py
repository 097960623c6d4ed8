"""Notices of an alert over the API."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from store.alerts.suppression import CauseName, suppress
from store.alerts.transitions import alert_lock
from store.notices.delivery import (
    DropReason,
    SentMessage,
    WaitReason,
    count_failure,
    drop_notices,
    postpone_notices,
    record_dead,
    record_failed,
    record_sent,
)
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
        community.connection, channels[0], [first], [], SentMessage(sent_at, "group", None, None, unlimited=False)
    )
    record_dead(community.connection, channels[1], [second], "HTTP 401", sent_at)
    community.connection.commit()

    result = api.get(f"/alerts/{alert}/notices").raise_for_status().json()

    assert result["next_cursor"] is None
    summary = [
        (each["channel"], each["kind_zh"], each["level"], each["state_zh"], each["reason"]) for each in result["items"]
    ]
    assert summary == [(channels[0], "报警", 1, "已发出", None), (channels[1], "升级", 2, "发送失败", "HTTP 401")]
    assert [each["waiting_for"] for each in result["items"]] == [[], []]
    assert [each["reason_zh"] for each in result["items"]] == [None, "没有发出去，对方或网络的答复：HTTP 401"]
    assert result["items"][0]["settled_at"] == "2026-07-01T04:00:03Z"


class Queue:
    """One alert with notices of a channel of its own."""

    def __init__(self, community: Any, severity: str = "major") -> None:
        self.connection = community.connection
        self.alert = community.alert(severity=severity)
        self.channel = f"王经理-{self.alert}/wecom"
        self.now = datetime.now(UTC)

    def add(self, kind: str = "raised", due_in_s: float = 600) -> int:
        due_at = self.now + timedelta(seconds=due_in_s)
        insert_notices(self.connection, [NewNotice(self.alert, self.channel, kind, 1, "major", due_at)], self.now)
        row = self.connection.execute("SELECT max(id) FROM notice WHERE alert_id = %s", (self.alert,)).fetchone()
        self.connection.commit()
        return int(row[0])

    def suppress(self, cause: CauseName, until: datetime | None, detail: str, actor: str | None) -> None:
        with alert_lock(self.connection) as locked:
            suppress(locked, [self.alert], cause, since=self.now, until=until, detail=detail, actor=actor)
        self.connection.commit()


def waits(api: Any, alert: uuid.UUID) -> list[tuple[str, str, str | None]]:
    """Return code, words and end of all waits of the first notice of an alert."""
    item = api.get(f"/alerts/{alert}/notices").raise_for_status().json()["items"][0]
    return [(each["code"], each["zh"], each["until"]) for each in item["waiting_for"]]


def stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("cause", "actor", "words"),
    [
        (CauseName.SHELVED, "王师傅", "王师傅搁置了这条报警：等备件"),
        (CauseName.CAUSED_BY_PARENT, None, "等备件"),
        (CauseName.OUT_OF_SERVICE, None, "等备件"),
        (CauseName.CHATTERING, None, "等备件"),
    ],
)
def test_a_notice_of_a_suppressed_alert_says_why_it_waits_and_until_when(
    api: Any, community: Any, cause: CauseName, actor: str | None, words: str
) -> None:
    queue = Queue(community)
    queue.add()
    until = queue.now + timedelta(hours=3)
    queue.suppress(cause, until, "等备件", actor)
    assert waits(api, queue.alert) == [(cause.value, words, stamp(until))]


def test_a_notice_in_a_maintenance_window_names_the_person_and_the_work(api: Any, community: Any) -> None:
    queue = Queue(community)
    queue.add()
    ends_at = stamp(datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2))
    window = {"community": community.id, "ends_at": ends_at, "reason": "三号楼换表", "by": "王经理"}
    api.client.post("/silences", json=window).raise_for_status()
    queue.suppress(CauseName.OUT_OF_SERVICE, None, "设备已停用", None)
    assert sorted(waits(api, queue.alert)) == [
        ("maintenance", "王经理登记了维护窗口：三号楼换表", ends_at),
        ("out_of_service", "设备已停用", None),
    ]


def test_a_notice_in_a_planned_power_cut_says_so_and_waits_until_devices_have_reported(
    api: Any, community: Any
) -> None:
    queue = Queue(community)
    queue.add()
    community.connection.execute("UPDATE alert SET rule = 'electricity_silent' WHERE id = %s", (queue.alert,))
    community.connection.commit()
    ends_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    window = {"purpose": "power_cut", "community": community.id, "reason": "变压器检修", "by": "王经理"}
    api.client.post("/silences", json={**window, "ends_at": stamp(ends_at)}).raise_for_status()
    until = stamp(ends_at + timedelta(minutes=30))
    assert waits(api, queue.alert) == [("maintenance", "王经理登记了计划停电：变压器检修", until)]


@pytest.mark.parametrize("reason", [each for each in WaitReason if each is not WaitReason.SUPPRESSED])
def test_a_postponed_notice_says_why_it_waits_and_until_when(api: Any, community: Any, reason: WaitReason) -> None:
    queue = Queue(community)
    until = queue.now + timedelta(hours=3)
    postpone_notices(queue.connection, [queue.add()], until, reason)
    queue.connection.commit()
    ((code, words, end),) = waits(api, queue.alert)
    assert (code, end) == (reason.value, stamp(until))
    assert len(words) > 8
    assert not words.isascii()


def test_a_new_notice_gathers_or_waits_for_an_acknowledgement_and_a_due_one_is_being_sent(
    api: Any, community: Any
) -> None:
    codes = []
    for kind, due_in_s in (("raised", 600), ("escalated", 600), ("raised", -1)):
        queue = Queue(community)
        queue.add(kind, due_in_s)
        codes += [code for code, _, _ in waits(api, queue.alert)]
    assert codes == ["gathering", "escalation", "sending"]


def test_a_notice_of_a_failing_channel_waits_for_the_next_try(api: Any, community: Any) -> None:
    queue = Queue(community)
    retry_at = queue.now + timedelta(minutes=5)
    notice = queue.add(due_in_s=-1)
    count_failure(queue.connection, queue.channel, "HTTP 503")
    record_failed(queue.connection, queue.channel, [notice], "HTTP 503", retry_at)
    queue.connection.commit()
    assert waits(api, queue.alert) == [("retry", "上一次没有发出去，到时候再试", stamp(retry_at))]


@pytest.mark.parametrize("reason", list(DropReason))
def test_a_dropped_notice_has_its_reason_as_a_code_and_in_chinese(api: Any, community: Any, reason: DropReason) -> None:
    queue = Queue(community)
    drop_notices(queue.connection, [queue.add()], reason, queue.now)
    queue.connection.commit()
    (item,) = api.get(f"/alerts/{queue.alert}/notices").json()["items"]
    assert (item["state"], item["reason"], item["waiting_for"]) == ("dropped", reason.value, [])
    assert not item["reason_zh"].isascii()


def test_an_alert_without_notices_has_an_empty_list_and_an_unknown_alert_is_not_found(api: Any, community: Any) -> None:
    assert api.get(f"/alerts/{community.alert()}/notices").json()["items"] == []
    assert api.get(f"/alerts/{uuid.uuid4()}/notices").status_code == 404
