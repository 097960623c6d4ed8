"""Notices over time: through a real database to a real receiver, with a clock that the test moves."""

import threading
from datetime import timedelta

from ingest.evaluation import Evaluation
from ingest.partition import Partition
from ingest.registry_cache import RegistryCache
from notifying import NOON, alert_id, end_alerts, raise_alerts
from patience import eventually, patient
from receiver import Answer
from rules.model.sample import Sample
from running import query, register
from shipped_rules import SHIPPED
from store.alerts.maintenance import NewMaintenance, insert_maintenance
from store.alerts.suppression import CauseName, suppress
from store.alerts.transitions import alert_lock


def test_a_webhook_gets_what_alertmanager_would_send(program, receiver):
    program.raise_alerts(1)
    program.send_due()
    (request,) = receiver.accepted
    assert request.path == "/hook"
    content = request.content
    assert {key: content[key] for key in ("version", "status", "receiver", "truncatedAlerts")} == {
        "version": "4", "status": "firing", "receiver": "平台", "truncatedAlerts": 0,
    }  # fmt: skip
    assert content["groupLabels"] == {"alertname": "gas_leak", "community": "yangguang"}
    (alert,) = content["alerts"]
    assert alert["status"] == "firing"
    assert alert["startsAt"] == "2026-11-25T04:00:00Z"
    assert alert["endsAt"] == "0001-01-01T00:00:00Z"
    assert alert["labels"]["severity"] == "critical"
    assert alert["annotations"]["place"] == "阳光小区"


def test_an_alert_is_sent_once_however_often_its_job_runs(program, receiver):
    program.raise_alerts(1)
    program.enqueue_notices(1, 1)
    program.send_due()
    program.enqueue_notices(1)
    program.send_due(hours=1)
    assert receiver.alerts() == [(alert_id(1).hex[:16], "firing")]


def test_a_recovery_follows_the_notice_of_the_beginning(program, receiver):
    program.raise_alerts(1)
    program.send_due()
    program.clock.advance(minutes=1)
    program.end_alerts(1)
    program.send_due(seconds=5)
    assert receiver.alerts() == [(alert_id(1).hex[:16], "firing"), (alert_id(1).hex[:16], "resolved")]


def test_an_alert_that_ended_before_it_was_sent_is_one_message_of_recovery(manager, receiver):
    manager.raise_alerts(1, severity="warning")
    manager.clock.advance(seconds=2)
    manager.end_alerts(1)
    manager.send_due(seconds=3)
    manager.send_due(hours=1)
    (text,) = receiver.words()
    assert "恢复" in text
    assert manager.states() == [("王经理/wecom", "raised", 1, "sent", 1), ("王经理/wecom", "resolved", 1, "sent", 1)]


def test_a_recovery_sent_while_its_notice_is_being_queued_is_not_sent_again(manager, receiver):
    manager.raise_alerts(1)
    end_alerts(manager.url, [1], at=manager.clock(), defer=False)
    receiver.answers = [Answer(after_s=1)]
    sending = threading.Thread(target=manager.send_due, daemon=True)
    sending.start()
    eventually(lambda: receiver.requests)
    manager.enqueue_notices(1)
    sending.join(patient(20))
    manager.send_due(hours=1)
    (text,) = receiver.words()
    assert "恢复" in text
    assert manager.states() == [("王经理/wecom", "raised", 1, "sent", 1), ("王经理/wecom", "resolved", 1, "dropped", 1)]


def test_an_alert_about_a_building_names_it(manager, receiver):
    raise_alerts(manager.url, [1], at=manager.clock(), defer=False)
    query(manager.url, "UPDATE alert SET building = '3' RETURNING 1")
    manager.enqueue_notices(1)
    manager.send_due()
    (text,) = receiver.words()
    assert "阳光小区 3号楼" in text


def test_a_person_reads_problem_place_beginning_and_remedy(manager, receiver):
    manager.raise_alerts(1)
    manager.send_due(minutes=2)
    (text,) = receiver.words()
    assert "【紧急】检测到燃气泄漏 阳光小区" in text
    assert "12:00 开始，已持续 2 分钟" in text
    assert "请立即关阀" in text


def test_a_storm_is_a_few_messages_and_one_digest_that_counts_everything(manager, receiver):
    for rule in range(15):
        manager.raise_alerts(*range(rule * 10 + 1, rule * 10 + 11), rule=f"rule_{rule}", severity="warning")
    manager.send_due(seconds=5)
    (text,) = receiver.words()
    assert "【汇总】150 条未恢复" in text
    manager.raise_alerts(200, rule="late", severity="warning")
    manager.send_due(minutes=9)
    assert len(receiver.accepted) == 1
    manager.send_due(minutes=1)
    assert len(receiver.accepted) == 2
    assert manager.states() == [("王经理/wecom", "raised", 1, "sent", 151)]


def test_a_major_alert_is_sent_at_once_behind_a_storm_of_warnings(manager, receiver):
    for rule in range(10):
        manager.raise_alerts(rule + 1, rule=f"rule_{rule}", severity="warning")
    manager.send_due(seconds=5)
    manager.raise_alerts(50, rule="water_burst", severity="major")
    manager.send_due(seconds=5)
    assert "【重要】检测到燃气泄漏 阳光小区" in receiver.words()[-1]
    assert "3号楼2单元50室 " in receiver.words()[-1]


def test_alerts_of_quiet_hours_are_one_summary_in_the_morning(harness, receiver):
    harness.route(
        contacts=[{"name": "王经理", "channels": {"wecom": receiver.url}, "quiet_hours": "22:00-07:00"}],
        routes=[{"to": "王经理"}],
    )
    harness.clock.advance(hours=12)
    harness.raise_alerts(1, rule="one", severity="major")
    harness.raise_alerts(2, rule="two", severity="major")
    harness.raise_alerts(3, rule="three", severity="critical")
    harness.send_due(seconds=5)
    (text,) = receiver.words()
    assert "紧急" in text
    harness.send_due(hours=6)
    assert len(receiver.accepted) == 1
    harness.send_due(hours=1)
    assert "【免打扰期间汇总】2 条未恢复" in receiver.words()[1]


def escalating(receiver):
    return {
        "contacts": [{"name": name, "channels": {"wecom": f"{receiver.url}/{path}"}} for name, path in PEOPLE],
        "routes": [{"to": "值班", "escalate": ["经理", ["街道"]]}],
    }


PEOPLE = (("值班", "duty"), ("经理", "manager"), ("街道", "street"))


def test_an_unacknowledged_alert_is_escalated_level_by_level(harness, receiver):
    harness.route(**escalating(receiver))
    harness.raise_alerts(1)
    harness.send_due()
    harness.send_due(minutes=4)
    assert receiver.paths() == ["/duty"]
    harness.send_due(minutes=1)
    assert receiver.paths() == ["/duty", "/manager"]
    assert "没有确认" in receiver.words()[1]
    harness.send_due(minutes=5)
    assert receiver.paths() == ["/duty", "/manager", "/street"]
    harness.end_alerts(1)
    harness.send_due(seconds=30)
    assert sorted(receiver.paths()[3:]) == ["/duty", "/manager", "/street"]


def test_an_alert_that_becomes_critical_is_escalated_as_soon_as_a_critical_one(harness, receiver):
    harness.route(**escalating(receiver))
    harness.raise_alerts(1, severity="major")
    harness.send_due(seconds=5)
    query(harness.url, "UPDATE alert SET severity = 'critical' RETURNING 1")
    harness.enqueue_notices(1)
    harness.send_due(seconds=30)
    harness.send_due(minutes=5)
    assert receiver.paths() == ["/duty", "/duty", "/manager"]


def test_an_escalation_reaches_the_contact_that_replaced_a_removed_one(harness, receiver):
    harness.route(**escalating(receiver))
    harness.raise_alerts(1)
    harness.send_due()
    people = [each for each in escalating(receiver)["contacts"] if each["name"] != "经理"]
    successor = {"name": "新经理", "channels": {"wecom": f"{receiver.url}/successor"}}
    harness.route(contacts=[*people, successor], routes=[{"to": "值班", "escalate": ["新经理", "街道"]}])
    harness.send_due(minutes=5)
    harness.send_due(minutes=5)
    assert sorted(receiver.paths()) == ["/duty", "/street", "/successor"]


def test_an_acknowledged_alert_is_not_escalated(harness, receiver):
    harness.route(**escalating(receiver))
    harness.raise_alerts(1)
    harness.send_due()
    query(harness.url, "UPDATE alert SET attention = 'acknowledged' RETURNING 1")
    harness.send_due(hours=1)
    harness.end_alerts(1)
    harness.send_due(seconds=30)
    assert receiver.paths() == ["/duty", "/duty"]


def test_a_suppressed_alert_is_sent_when_the_suppression_ends_unless_it_has_ended_itself(program, receiver):
    raise_alerts(program.url, [1, 2], at=program.clock(), defer=False, severity="major")
    with program.database.connection() as connection:
        until = program.clock() + timedelta(minutes=10)
        with alert_lock(connection) as locked:
            suppress(locked, [alert_id(1), alert_id(2)], CauseName.MAINTENANCE, since=program.clock(), until=until)
    program.enqueue_notices(1, 2)
    program.send_due(seconds=5)
    program.send_due(minutes=5)
    program.end_alerts(2)
    program.send_due(minutes=5)
    program.send_due(minutes=1)
    assert receiver.alerts() == [(alert_id(1).hex[:16], "firing")]
    assert program.states() == [
        ("平台/webhook", "raised", 1, "dropped", 1), ("平台/webhook", "raised", 1, "sent", 1),
        ("平台/webhook", "resolved", 1, "dropped", 1),
    ]  # fmt: skip


def test_a_window_over_the_community_holds_a_warning_and_lets_a_gas_leak_through(manager, receiver):
    raise_alerts(manager.url, [1], at=manager.clock(), defer=False, rule="gas_battery_low", severity="warning")
    raise_alerts(manager.url, [2], at=manager.clock(), defer=False)
    with manager.database.connection() as connection:
        window = NewMaintenance(
            id=alert_id(9), community="yangguang", starts_at=NOON, ends_at=NOON + timedelta(hours=2), reason="换表",
            actor="王经理", created_at=NOON,
        )  # fmt: skip
        insert_maintenance(connection, window)
    manager.enqueue_notices(1, 2)
    manager.send_due()
    (text,) = receiver.words()
    assert "【紧急】检测到燃气泄漏" in text
    manager.send_due(hours=1)
    assert manager.waits() == [("raised", "suppressed")]
    manager.send_due(hours=1)
    assert "【一般】" in receiver.words()[-1]


def test_the_job_is_in_the_transaction_of_its_alert(harness):
    register(harness.url, "yangguang", [("w1", "water_meter")])
    partition = Partition(0, 1)
    jobs = "SELECT args -> 'alerts' = (SELECT jsonb_agg(id) FROM alert) FROM procrastinate_jobs"
    for undone in (True, False):
        with harness.database.connection() as connection:
            devices = RegistryCache(partition)
            devices.refresh(connection)
            evaluation = Evaluation(SHIPPED, devices, partition, harness.clock())
            number = devices.find("yangguang", "w1").id
            burst = Sample(number, harness.clock(), harness.clock(), {}, "burst_detected")
            evaluation.evaluate(connection, [("water_meter", burst, None)], harness.clock())
            if undone:
                connection.rollback()
        assert query(harness.url, jobs) == ([] if undone else [(True,)])


def test_a_higher_severity_is_sent_again_and_a_lower_one_is_not(program, receiver):
    program.raise_alerts(1, severity="warning")
    program.send_due(seconds=5)
    for severity in ("major", "info", "major", "critical"):
        query(program.url, "UPDATE alert SET severity = %s RETURNING 1", severity)
        program.enqueue_notices(1)
        program.send_due(seconds=5)
    severities = [request.content["alerts"][0]["labels"]["severity"] for request in receiver.accepted]
    assert severities == ["warning", "major", "critical"]


def test_without_a_route_nothing_is_sent(harness, receiver):
    harness.route()
    harness.raise_alerts(1)
    harness.send_due(hours=1)
    assert harness.states() == []


def test_a_historical_episode_is_not_sent(program, receiver):
    raise_alerts(program.url, [1], at=program.clock(), defer=False)
    query(program.url, "UPDATE alert SET historical = true, process = 'ended', ended_at = opened_at RETURNING 1")
    program.enqueue_notices(1)
    program.send_due(hours=1)
    assert receiver.requests == []


def test_a_history_that_is_loaded_late_is_not_sent(program, receiver):
    raise_alerts(program.url, [1], at=NOON, defer=False)
    query(program.url, "UPDATE alert SET opened_at = opened_at - interval '1 year' RETURNING 1")
    end_alerts(program.url, [1], at=NOON.replace(year=2025), defer=False)
    program.enqueue_notices(1)
    program.send_due(hours=1)
    assert receiver.requests == []


def test_alerts_that_are_merged_seconds_later_are_never_told_and_the_one_of_their_group_is(manager, receiver):
    manager.raise_alerts(*range(1, 37), rule="electricity_power_lost", severity="major")
    manager.clock.advance(seconds=3)
    with manager.database.connection() as connection, alert_lock(connection) as locked:
        children = [alert_id(number) for number in range(1, 37)]
        detail = "1号楼：成片停电，已合并报警"
        suppress(locked, children, CauseName.CAUSED_BY_PARENT, since=manager.clock(), detail=detail)
    manager.raise_alerts(100, rule="family_power_lost", severity="major")
    for _ in range(12):
        manager.send_due(seconds=10)
    manager.end_alerts(*range(1, 37), 100)
    manager.send_due(seconds=10)
    assert len(receiver.words()) == 2
    assert sorted(manager.states()) == [
        ("王经理/wecom", "raised", 1, "dropped", 36), ("王经理/wecom", "raised", 1, "sent", 1),
        ("王经理/wecom", "resolved", 1, "dropped", 36), ("王经理/wecom", "resolved", 1, "sent", 1),
    ]  # fmt: skip
