"""Failing receivers: retries, fallback notices, and dead notices."""

import threading
import time

from ingest.evaluation import Evaluation
from ingest.partition import Partition
from ingest.registry_cache import RegistryCache
from notify.backoff import MAX_ATTEMPTS
from notifying import alert_id, end_alerts
from patience import eventually, patient
from receiver import Answer
from running import query
from shipped_rules import SHIPPED
from store.database import connect
from store.notices.delivery import requeue_dead

UNAVAILABLE = Answer(503)


def with_fallback(receiver, broken):
    return {
        "contacts": [
            {"name": "甲", "channels": {"webhook": broken}},
            {"name": "乙", "channels": {"wecom": f"{receiver.url}/help"}},
        ],
        "routes": [{"to": "甲"}],
        "fallback": "乙",
    }


def test_a_permanently_refused_notice_goes_to_the_fallback(harness, receiver):
    harness.route(**with_fallback(receiver, f"{receiver.url}/hook"))
    receiver.answers = [Answer(401)]
    harness.raise_alerts(1, severity="major")
    harness.send_due(seconds=5)
    harness.send_due(seconds=1)
    assert receiver.paths() == ["/help"]
    assert "发送失败" in receiver.words()[0]
    assert harness.states() == [("乙/wecom", "fallback", 1, "sent", 1), ("甲/webhook", "raised", 1, "dead", 1)]


def test_after_the_last_attempt_a_notice_is_dead_and_its_address_is_nowhere(harness, receiver):
    harness.route(**with_fallback(receiver, "http://127.0.0.1:9/s3cret"))
    harness.raise_alerts(1, severity="major")
    for _ in range(MAX_ATTEMPTS):
        assert receiver.accepted == []
        harness.send_due(minutes=6)
    harness.send_due(seconds=1)
    assert receiver.paths() == ["/help"]
    rows = query(harness.url, "SELECT state, attempts, last_error FROM notice ORDER BY id")
    assert rows[0] == ("dead", MAX_ATTEMPTS, "can't connect")


def test_a_critical_alert_goes_to_the_fallback_after_the_third_failure_and_is_tried_on(harness, receiver):
    harness.route(**with_fallback(receiver, "http://127.0.0.1:9"))
    harness.raise_alerts(1)
    for _ in range(4):
        harness.send_due(minutes=1)
    assert receiver.paths() == ["/help"]
    assert harness.states()[1] == ("甲/webhook", "raised", 1, "queued", 1)


def test_an_undelivered_notice_is_an_alert_about_anju_for_an_hour(harness, receiver):
    harness.route(**with_fallback(receiver, f"{receiver.url}/hook"))
    receiver.answers = [Answer(401)]
    harness.raise_alerts(1, severity="major")
    harness.send_due(seconds=5)
    partition, transitions = Partition(0, 1), []
    with harness.database.connection() as connection:
        evaluation = Evaluation(SHIPPED, RegistryCache(partition), partition, harness.clock())
        for minutes in (0, 58, 2, 1):
            harness.clock.advance(minutes=minutes)
            transitions += evaluation.tick(connection, harness.clock(), caught_up=True)
    assert [(each.rule, each.to_phase) for each in transitions] == [
        ("notices_undelivered", "active"), ("notices_undelivered", "normal"),
    ]  # fmt: skip


def test_a_dead_notice_of_an_open_alert_is_sent_again_on_request(harness, receiver):
    harness.route(**with_fallback(receiver, f"{receiver.url}/hook"))
    receiver.answers = [Answer(401)]
    harness.raise_alerts(1, 2, severity="major")
    harness.send_due(seconds=5)
    end_alerts(harness.url, [2], at=harness.clock(), defer=False)
    with harness.database.connection() as connection:
        assert requeue_dead(connection, harness.clock()) == 1
    harness.send_due(seconds=1)
    assert sorted(receiver.paths()) == ["/help", "/hook"]


def test_a_notice_for_a_removed_contact_goes_to_the_contacts_of_the_new_file(harness, receiver):
    harness.route(**with_fallback(receiver, f"{receiver.url}/hook"))
    harness.raise_alerts(1, severity="major")
    harness.route(contacts=[{"name": "丙", "channels": {"wecom": f"{receiver.url}/new"}}], routes=[{"to": "丙"}])
    harness.send_due(seconds=5)
    harness.send_due(seconds=5)
    assert receiver.paths() == ["/new"]
    assert harness.states() == [("丙/wecom", "raised", 1, "sent", 1), ("甲/webhook", "raised", 1, "dropped", 1)]


def test_a_failing_receiver_is_tried_again_and_gets_each_alert_once(program, receiver):
    receiver.answers = [UNAVAILABLE, UNAVAILABLE]
    program.raise_alerts(1)
    program.send_due()
    program.send_due(seconds=1)
    assert len(receiver.requests) == 1
    program.send_due(seconds=5)
    program.send_due(seconds=10)
    program.send_due(hours=1)
    assert receiver.alerts() == [(alert_id(1).hex[:16], "firing")]
    assert len(receiver.requests) == 3


def test_a_channel_honours_retry_after(program, receiver):
    receiver.answers = [Answer(429, headers=(("Retry-After", "90"),))]
    program.raise_alerts(1)
    program.send_due()
    program.send_due(seconds=80)
    assert len(receiver.requests) == 1
    program.send_due(seconds=11)
    assert len(receiver.accepted) == 1


def test_a_robots_rate_limit_code_is_a_temporary_failure(manager, receiver):
    receiver.answers = [Answer(body=b'{"errcode": 45009, "errmsg": "api freq out of limit"}')]
    manager.raise_alerts(1)
    manager.send_due()
    manager.send_due(seconds=50)
    assert len(receiver.requests) == 1
    manager.send_due(seconds=11)
    assert manager.states() == [("王经理/wecom", "raised", 1, "sent", 1)]


def test_a_database_lost_after_a_message_was_accepted_causes_no_second_message(manager, receiver):
    manager.raise_alerts(1)
    receiver.answers = [Answer(after_s=1)]
    sending = threading.Thread(target=manager.send_due, daemon=True)
    sending.start()
    eventually(lambda: receiver.requests)
    with connect(manager.url, application_name="test") as connection:
        connection.execute("ALTER TABLE notice_message RENAME TO away")
        connection.commit()
        time.sleep(3)
        connection.execute("ALTER TABLE away RENAME TO notice_message")
    sending.join(patient(20))
    assert manager.states() == [("王经理/wecom", "raised", 1, "sent", 1)]
    manager.send_due(hours=1)
    assert len(receiver.requests) == 1
