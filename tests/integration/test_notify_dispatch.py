"""Notices through a real database to a real receiver, in a time that the test lets pass."""

import threading
import time
from datetime import timedelta

import pytest

from app.rule_files import rules_folder
from ingest.devices_in_memory import DevicesInMemory
from ingest.judge import Judge
from ingest.partition import Partition
from notify.backoff import MOST_ATTEMPTS
from notify.dispatch import Dispatcher
from notify.routing_file import load_routing
from notify.tell import settle
from receiver import Answer, receiving
from rules.loader import load_rules
from rules.sample import Sample
from running import eventually, query, register
from store.database import Database, connect
from store.migrate import migrate
from store.notices import due_channels, requeue_dead
from store.suppression import CauseName, suppress
from store.transitions import lock_transitions
from telling import NOON, Clock, alert_id, end_alerts, raise_alerts, write_routing

UNAVAILABLE = Answer(503)


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


class Telling:
    """A dispatcher whose looks and time are those of the test."""

    def __init__(self, url, database, path):
        self.url, self.database, self.path, self.clock = url, database, path, Clock()
        self.dispatcher = Dispatcher(url, database, lambda: load_routing(path), "https://anju.example", self.clock)

    def route(self, **content):
        write_routing(self.path, **content)

    def settle(self, *numbers):
        """What the job of the queue does."""
        with self.database.connection() as connection:
            settle(connection, [alert_id(number) for number in numbers], load_routing(self.path), self.clock())

    def look(self, **time):
        """Let time pass, then send what is due."""
        self.clock.pass_(**time)
        with self.database.connection() as connection:
            due = due_channels(connection, self.clock())
        for channel in due:
            self.dispatcher.serve_channel(channel, threading.Event())

    def raised(self, *numbers, **more):
        raise_alerts(self.url, numbers, at=self.clock(), hand_in=False, **more)
        self.settle(*numbers)

    def ended(self, *numbers):
        end_alerts(self.url, numbers, at=self.clock(), hand_in=False)
        self.settle(*numbers)

    def states(self):
        rows = query(
            self.url, "SELECT channel, kind, n, state, count(*) FROM notice GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3"
        )
        return [tuple(row) for row in rows]


@pytest.fixture
def telling(database_url, tmp_path):
    migrate(database_url)
    database = Database(database_url, application_name="test")
    yield Telling(database_url, database, tmp_path / "notify.yaml")
    database.close()


@pytest.fixture
def program(telling, receiver):
    """One contact that is a program, told of everything."""
    telling.route(
        contacts=[{"name": "平台", "channels": {"webhook": f"{receiver.url}/hook"}}],
        routes=[{"severity": "info", "to": "平台"}],
    )
    return telling


@pytest.fixture
def manager(telling, receiver):
    """One contact with a WeCom robot, told of everything."""
    telling.route(
        contacts=[{"name": "王经理", "channels": {"wecom": f"{receiver.url}/send?key=1"}}],
        routes=[{"severity": "info", "to": ["王经理"]}],
    )
    return telling


def words(receiver):
    return [request.content["markdown"]["content"] for request in receiver.accepted]


def test_a_webhook_gets_what_alertmanager_would_send(program, receiver):
    program.raised(1)
    program.look()
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
    assert alert["generatorURL"] == f"https://anju.example/alerts/{alert_id(1)}"


def test_an_alert_is_told_once_however_often_its_job_runs(program, receiver):
    program.raised(1)
    program.settle(1, 1)
    program.look()
    program.settle(1)
    program.look(hours=1)
    assert receiver.alerts() == [(alert_id(1).hex[:16], "firing")]


def test_the_end_is_told_to_whoever_was_told_of_the_beginning(program, receiver):
    program.raised(1)
    program.look()
    program.clock.pass_(minutes=1)
    program.ended(1)
    program.look(seconds=5)
    assert receiver.alerts() == [(alert_id(1).hex[:16], "firing"), (alert_id(1).hex[:16], "resolved")]


def test_what_is_over_before_it_could_be_told_is_told_once_as_over(manager, receiver):
    manager.raised(1, severity="warning")
    manager.clock.pass_(seconds=2)
    manager.ended(1)
    manager.look(seconds=3)
    manager.look(hours=1)
    (text,) = words(receiver)
    assert "恢复" in text
    assert manager.states() == [("王经理/wecom", "raised", 1, "sent", 1), ("王经理/wecom", "resolved", 1, "sent", 1)]


def test_a_receiver_that_fails_is_tried_again_and_what_it_missed_arrives_once(program, receiver):
    receiver.answers = [UNAVAILABLE, UNAVAILABLE]
    program.raised(1)
    program.look()
    program.look(seconds=1)
    assert len(receiver.requests) == 1
    program.look(seconds=5)
    program.look(seconds=10)
    program.look(hours=1)
    assert receiver.alerts() == [(alert_id(1).hex[:16], "firing")]
    assert len(receiver.requests) == 3


def test_a_receiver_that_asks_for_patience_is_left_alone_for_so_long(program, receiver):
    receiver.answers = [Answer(429, headers=(("Retry-After", "90"),))]
    program.raised(1)
    program.look()
    program.look(seconds=80)
    assert len(receiver.requests) == 1
    program.look(seconds=11)
    assert len(receiver.accepted) == 1


def test_a_robot_that_refuses_with_a_code_has_not_been_told(manager, receiver):
    receiver.answers = [Answer(body=b'{"errcode": 45009, "errmsg": "api freq out of limit"}')]
    manager.raised(1)
    manager.look()
    manager.look(seconds=50)
    assert len(receiver.requests) == 1
    manager.look(seconds=11)
    assert manager.states() == [("王经理/wecom", "raised", 1, "sent", 1)]


def test_a_person_reads_what_where_since_when_and_what_to_do(manager, receiver):
    manager.raised(1)
    manager.look(minutes=2)
    (text,) = words(receiver)
    assert "【紧急】检测到燃气泄漏 阳光小区" in text
    assert "12:00 开始，已持续 2 分钟" in text
    assert "请立即关阀" in text
    assert f"https://anju.example/alerts/{alert_id(1)}" in text


def test_a_storm_is_a_few_messages_and_one_digest_that_counts_everything(manager, receiver):
    for rule in range(15):
        manager.raised(*range(rule * 10 + 1, rule * 10 + 11), rule=f"rule_{rule}", severity="major")
    manager.look(seconds=5)
    (text,) = words(receiver)
    assert "【汇总】150 条未恢复" in text
    manager.raised(200, rule="late", severity="major")
    manager.look(minutes=9)
    assert len(receiver.accepted) == 1
    manager.look(minutes=1)
    assert len(receiver.accepted) == 2
    assert manager.states() == [("王经理/wecom", "raised", 1, "sent", 151)]


def test_what_came_in_quiet_hours_is_one_summary_in_the_morning(telling, receiver):
    telling.route(
        contacts=[{"name": "王经理", "channels": {"wecom": receiver.url}, "quiet_hours": "22:00-07:00"}],
        routes=[{"to": "王经理"}],
    )
    telling.clock.pass_(hours=12)
    telling.raised(1, rule="one", severity="major")
    telling.raised(2, rule="two", severity="major")
    telling.raised(3, rule="three", severity="critical")
    telling.look(seconds=5)
    (text,) = words(receiver)
    assert "紧急" in text
    telling.look(hours=6)
    assert len(receiver.accepted) == 1
    telling.look(hours=1)
    assert "【免打扰期间汇总】2 条未恢复" in words(receiver)[1]


def escalating(receiver):
    return {
        "contacts": [{"name": name, "channels": {"wecom": f"{receiver.url}/{path}"}} for name, path in PEOPLE],
        "routes": [{"to": "值班", "escalate": ["经理", ["街道"]]}],
    }


PEOPLE = (("值班", "duty"), ("经理", "manager"), ("街道", "street"))


def paths(receiver):
    return [request.path for request in receiver.accepted]


def test_an_alert_that_nobody_acknowledges_goes_up_level_by_level(telling, receiver):
    telling.route(**escalating(receiver))
    telling.raised(1)
    telling.look()
    telling.look(minutes=4)
    assert paths(receiver) == ["/duty"]
    telling.look(minutes=1)
    assert paths(receiver) == ["/duty", "/manager"]
    assert "没有确认" in words(receiver)[1]
    telling.look(minutes=5)
    assert paths(receiver) == ["/duty", "/manager", "/street"]
    telling.ended(1)
    telling.look(seconds=30)
    assert sorted(paths(receiver)[3:]) == ["/duty", "/manager", "/street"]


def test_an_alert_that_somebody_acknowledges_goes_no_further(telling, receiver):
    telling.route(**escalating(receiver))
    telling.raised(1)
    telling.look()
    query(telling.url, "UPDATE alert SET attention = 'acknowledged' RETURNING 1")
    telling.look(hours=1)
    telling.ended(1)
    telling.look(seconds=30)
    assert paths(receiver) == ["/duty", "/duty"]


def test_a_suppressed_alert_is_told_when_that_ends_and_not_if_it_is_over_by_then(program, receiver):
    raise_alerts(program.url, [1, 2], at=program.clock(), hand_in=False)
    with program.database.connection() as connection:
        lock_transitions(connection)
        until = program.clock() + timedelta(minutes=10)
        suppress(connection, [alert_id(1), alert_id(2)], CauseName.MAINTENANCE, since=program.clock(), until=until)
    program.settle(1, 2)
    program.look(seconds=5)
    program.look(minutes=5)
    program.ended(2)
    program.look(minutes=5)
    program.look(minutes=1)
    assert receiver.alerts() == [(alert_id(1).hex[:16], "firing")]
    assert program.states() == [
        ("平台/webhook", "raised", 1, "dropped", 1), ("平台/webhook", "raised", 1, "sent", 1),
        ("平台/webhook", "resolved", 1, "dropped", 1),
    ]  # fmt: skip


def with_fallback(receiver, broken):
    return {
        "contacts": [
            {"name": "甲", "channels": {"webhook": broken}},
            {"name": "乙", "channels": {"wecom": f"{receiver.url}/help"}},
        ],
        "routes": [{"to": "甲"}],
        "fallback": "乙",
    }


def test_a_notice_that_is_refused_for_ever_goes_to_the_fallback(telling, receiver):
    telling.route(**with_fallback(receiver, f"{receiver.url}/hook"))
    receiver.answers = [Answer(401)]
    telling.raised(1, severity="major")
    telling.look(seconds=5)
    telling.look(seconds=1)
    assert paths(receiver) == ["/help"]
    assert "发送失败" in words(receiver)[0]
    assert telling.states() == [("乙/wecom", "fallback", 1, "sent", 1), ("甲/webhook", "raised", 1, "dead", 1)]


def test_what_is_dead_is_sent_again_on_request_where_it_is_still_open(telling, receiver):
    telling.route(**with_fallback(receiver, f"{receiver.url}/hook"))
    receiver.answers = [Answer(401)]
    telling.raised(1, 2, severity="major")
    telling.look(seconds=5)
    end_alerts(telling.url, [2], at=telling.clock(), hand_in=False)
    with telling.database.connection() as connection:
        assert requeue_dead(connection, telling.clock()) == 1
    telling.look(seconds=1)
    assert sorted(paths(receiver)) == ["/help", "/hook"]


def test_the_job_is_in_the_transaction_of_its_alert(telling):
    register(telling.url, "yangguang", [("w1", "water_meter")])
    partition = Partition(0, 1)
    jobs = "SELECT args -> 'alerts' = (SELECT jsonb_agg(id) FROM alert) FROM procrastinate_jobs"
    for undone in (True, False):
        with telling.database.connection() as connection:
            devices = DevicesInMemory(partition)
            devices.refresh(connection)
            judge = Judge(load_rules(rules_folder(None)), devices, partition, telling.clock())
            number = devices.find("yangguang", "w1").id
            burst = Sample(number, telling.clock(), telling.clock(), {}, "burst_detected")
            judge.judge(connection, [("water_meter", burst, None)], telling.clock())
            if undone:
                connection.rollback()
        assert query(telling.url, jobs) == ([] if undone else [(True,)])


def test_after_the_last_attempt_a_notice_is_dead_and_its_address_is_nowhere(telling, receiver):
    telling.route(**with_fallback(receiver, "http://127.0.0.1:9/s3cret"))
    telling.raised(1, severity="major")
    for _ in range(MOST_ATTEMPTS):
        assert receiver.accepted == []
        telling.look(minutes=6)
    telling.look(seconds=1)
    assert paths(receiver) == ["/help"]
    rows = query(telling.url, "SELECT state, attempts, last_error FROM notice ORDER BY id")
    assert rows[0] == ("dead", MOST_ATTEMPTS, "can't connect")


def test_what_could_not_be_delivered_is_an_alert_of_our_own_for_an_hour(telling, receiver):
    telling.route(**with_fallback(receiver, f"{receiver.url}/hook"))
    receiver.answers = [Answer(401)]
    telling.raised(1, severity="major")
    telling.look(seconds=5)
    partition, judged = Partition(0, 1), []
    with telling.database.connection() as connection:
        judge = Judge(load_rules(rules_folder(None)), DevicesInMemory(partition), partition, telling.clock())
        for minutes in (0, 58, 2, 1):
            telling.clock.pass_(minutes=minutes)
            judged += judge.tick(connection, telling.clock(), live=True)
    assert [(each.rule, each.to_phase) for each in judged] == [
        ("notices_undelivered", "active"), ("notices_undelivered", "normal"),
    ]  # fmt: skip


def test_a_critical_alert_asks_for_help_after_the_third_failure_and_is_tried_on(telling, receiver):
    telling.route(**with_fallback(receiver, "http://127.0.0.1:9"))
    telling.raised(1)
    for _ in range(4):
        telling.look(minutes=1)
    assert paths(receiver) == ["/help"]
    assert telling.states()[1] == ("甲/webhook", "raised", 1, "queued", 1)


def test_what_waited_for_a_contact_that_is_gone_goes_to_those_who_are_there_now(telling, receiver):
    telling.route(**with_fallback(receiver, f"{receiver.url}/hook"))
    telling.raised(1, severity="major")
    telling.route(contacts=[{"name": "丙", "channels": {"wecom": f"{receiver.url}/new"}}], routes=[{"to": "丙"}])
    telling.look(seconds=5)
    telling.look(seconds=5)
    assert paths(receiver) == ["/new"]
    assert telling.states() == [("丙/wecom", "raised", 1, "sent", 1), ("甲/webhook", "raised", 1, "dropped", 1)]


def test_a_database_that_is_away_when_a_message_was_accepted_makes_no_second_one(manager, receiver):
    manager.raised(1)
    receiver.answers = [Answer(after_s=1)]
    looking = threading.Thread(target=manager.look, daemon=True)
    looking.start()
    eventually(lambda: receiver.requests)
    with connect(manager.url, application_name="test") as connection:
        connection.execute("ALTER TABLE notice_message RENAME TO away")
        connection.commit()
        time.sleep(3)
        connection.execute("ALTER TABLE away RENAME TO notice_message")
    looking.join(20)
    assert manager.states() == [("王经理/wecom", "raised", 1, "sent", 1)]
    manager.look(hours=1)
    assert len(receiver.requests) == 1


def test_an_alert_that_becomes_graver_is_told_again_and_one_that_becomes_less_grave_is_not(program, receiver):
    program.raised(1, severity="warning")
    program.look(seconds=5)
    for severity in ("major", "info", "major", "critical"):
        query(program.url, "UPDATE alert SET severity = %s RETURNING 1", severity)
        program.settle(1)
        program.look(seconds=5)
    told = [request.content["alerts"][0]["labels"]["severity"] for request in receiver.accepted]
    assert told == ["warning", "major", "critical"]


def test_nothing_is_told_without_a_route(telling, receiver):
    telling.route()
    telling.raised(1)
    telling.look(hours=1)
    assert telling.states() == []


def test_an_episode_that_is_historical_is_told_to_nobody(program, receiver):
    raise_alerts(program.url, [1], at=program.clock(), hand_in=False)
    query(program.url, "UPDATE alert SET historical = true, process = 'ended', ended_at = opened_at RETURNING 1")
    program.settle(1)
    program.look(hours=1)
    assert receiver.requests == []


def test_a_history_that_is_loaded_late_is_told_to_nobody(program, receiver):
    raise_alerts(program.url, [1], at=NOON, hand_in=False)
    query(program.url, "UPDATE alert SET opened_at = opened_at - interval '1 year' RETURNING 1")
    end_alerts(program.url, [1], at=NOON.replace(year=2025), hand_in=False)
    program.settle(1)
    program.look(hours=1)
    assert receiver.requests == []
