"""`anju worker` as a process: delivery, and takeover after a kill."""

import signal
from collections import Counter
from datetime import UTC, datetime

import pytest

from notify.plan import MAX_IN_WINDOW, MAX_PER_WEBHOOK
from notifying import alert_id, end_alerts, raise_alerts, running_worker, write_routing
from patience import eventually, patient
from receiver import Answer, mail_server, receiving
from running import query
from store.database import connect

_LEFT = "SELECT count(*) FROM notice WHERE state = 'queued' AND channel = '平台/webhook'"
_SENT = "SELECT count(*) FROM notice WHERE state = 'sent'"


def now():
    return datetime.now(UTC)


@pytest.fixture
def url(database_url):
    return database_url


def webhook(tmp_path, receiver):
    return write_routing(
        tmp_path / "notify.yaml",
        contacts=[{"name": "平台", "channels": {"webhook": f"{receiver.url}/hook"}}],
        routes=[{"to": ["平台"]}],
    )


def sent(url):
    return query(url, _SENT)[0][0]


def fingerprints(receiver):
    return Counter(fingerprint for fingerprint, _ in receiver.alerts())


def test_an_alert_is_sent_within_seconds_and_the_worker_ends_in_good_order(url, receiver, tmp_path):
    with running_worker(url, webhook(tmp_path, receiver), tmp_path / "log") as worker:
        raise_alerts(url, [1], at=now())
        eventually(lambda: receiver.alerts() == [(alert_id(1).hex[:16], "firing")])
        end_alerts(url, [1], at=now())
        eventually(lambda: len(receiver.alerts()) == 2)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(patient(20)) == 0
    assert receiver.alerts()[1] == (alert_id(1).hex[:16], "resolved")
    assert query(url, "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'tell'") == [(0,)]
    assert receiver.url not in (tmp_path / "log").read_text()


def test_a_worker_killed_before_it_sends_loses_nothing(url, receiver, tmp_path):
    path, log = webhook(tmp_path, receiver), tmp_path / "log"
    receiver.usual = Answer(503)
    with running_worker(url, path, log) as worker:
        raise_alerts(url, range(1, 6), at=now())
        eventually(lambda: receiver.requests)
        worker.kill()
        worker.wait()
    assert sent(url) == 0
    receiver.usual = Answer()
    with running_worker(url, path, log):
        eventually(lambda: sent(url) == 5)
    assert fingerprints(receiver) == {alert_id(number).hex[:16]: 1 for number in range(1, 6)}


def test_a_worker_killed_between_sending_and_recording_doubles_one_message_at_most(url, receiver, tmp_path):
    path, log = webhook(tmp_path, receiver), tmp_path / "log"
    receiver.answers = [Answer(after_s=5)]
    with running_worker(url, path, log) as worker:
        raise_alerts(url, [1], at=now())
        eventually(lambda: receiver.accepted)
        worker.kill()
        worker.wait()
    assert sent(url) == 0
    with running_worker(url, path, log):
        eventually(lambda: sent(url) == 1)
        raise_alerts(url, [2], at=now())
        eventually(lambda: sent(url) == 2)
    assert fingerprints(receiver) == {alert_id(1).hex[:16]: 2, alert_id(2).hex[:16]: 1}


def test_a_worker_that_can_no_longer_send_ends(url, receiver, tmp_path):
    with running_worker(url, webhook(tmp_path, receiver), tmp_path / "log") as worker:
        raise_alerts(url, [1], at=now())
        eventually(lambda: sent(url) == 1)
        with connect(url, application_name="test") as connection:
            connection.execute("ALTER TABLE notice ALTER due_at TYPE text")
        assert worker.wait(patient(20)) == 1


def test_a_job_that_a_killed_worker_had_begun_is_done_by_the_next(url, receiver, tmp_path):
    raise_alerts(url, [1], at=now())
    query(url, "UPDATE procrastinate_jobs SET status = 'doing' RETURNING 1")
    with running_worker(url, webhook(tmp_path, receiver), tmp_path / "log"):
        eventually(lambda: sent(url) == 1, timeout_s=40)


def test_of_two_workers_one_sends_and_the_other_takes_over(url, receiver, tmp_path):
    path = webhook(tmp_path, receiver)
    with (
        running_worker(url, path, tmp_path / "log1") as first,
        running_worker(url, path, tmp_path / "log2"),
    ):
        raise_alerts(url, range(1, 50), at=now())
        eventually(lambda: sent(url) == 49)
        first.kill()
        first.wait()
        raise_alerts(url, range(50, 60), at=now())
        eventually(lambda: sent(url) == 59, timeout_s=60)
    assert set(fingerprints(receiver).values()) == {1}


def test_a_changed_routing_file_takes_effect_and_a_broken_one_does_not(url, receiver, tmp_path):
    path, log = write_routing(tmp_path / "notify.yaml"), tmp_path / "log"
    with running_worker(url, path, log):
        eventually(lambda: "no notices are sent" in log.read_text())
        webhook(tmp_path, receiver)
        raise_alerts(url, [1], at=now())
        eventually(lambda: sent(url) == 1)
        path.write_text("routes: [{to: [nobody]}]", encoding="utf-8")
        raise_alerts(url, [2], at=now())
        eventually(lambda: sent(url) == 2)
        assert "notify.yaml:1: no contact has the name or role `nobody`" in log.read_text()


def test_a_letter_is_sent_again_until_the_mail_server_takes_it(url, tmp_path):
    with mail_server() as (port, mailbox):
        path = write_routing(
            tmp_path / "notify.yaml",
            contacts=[
                {
                    "name": "王经理",
                    "channels": {"email": f"mailto://127.0.0.1:{port}?from=anju@example.com&to=wang@example.com"},
                }
            ],
            routes=[{"to": ["王经理"]}],
        )
        mailbox.answers = ["451 try again later"]
        with running_worker(url, path, tmp_path / "log"):
            raise_alerts(url, [1], at=now())
            eventually(lambda: mailbox.letters, timeout_s=40)
            eventually(lambda: sent(url) == 1)
    assert mailbox.tries == 2
    (letter,) = mailbox.letters
    assert letter.rcpt_tos == ["wang@example.com"]


@pytest.mark.slow
def test_a_storm_through_kills_reaches_a_program_completely_and_a_person_in_a_few_messages(url, tmp_path):
    alerts, kills = 2_000, 3
    with receiving() as program, receiving() as person:
        path = write_routing(
            tmp_path / "notify.yaml",
            contacts=[
                {"name": "平台", "channels": {"webhook": program.url}},
                {"name": "王经理", "channels": {"wecom": person.url}},
            ],
            routes=[{"to": ["平台", "王经理"]}],
        )
        program.answers = [Answer(503), Answer(), Answer(429, headers=(("Retry-After", "1"),))]
        for part in range(kills + 1):
            with running_worker(url, path, tmp_path / "log") as worker:
                numbers = range(part * alerts // 4 + 1, (part + 1) * alerts // 4 + 1)
                raise_alerts(url, numbers, at=now(), severity="major", rule=f"rule_{part}")
                before = len(program.accepted)
                eventually(lambda before=before: len(program.accepted) > before)
                if part < kills:
                    worker.kill()
                    worker.wait()
                else:
                    eventually(lambda: len(fingerprints(program)) == alerts, timeout_s=60)
                    eventually(lambda: query(url, _LEFT) == [(0,)])
        received = fingerprints(program)
        assert sum(received.values()) - alerts <= kills * MAX_PER_WEBHOOK
        assert len(person.accepted) <= MAX_IN_WINDOW
    states = dict(query(url, "SELECT state, count(*) FROM notice WHERE channel = '王经理/wecom' GROUP BY state"))
    assert sum(states.values()) == alerts
    assert states.keys() <= {"sent", "queued"}
