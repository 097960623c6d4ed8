"""`anju notify`: check of the routing file, and test messages through the channels of a contact."""

import pytest

from cli import anju, invoke
from notifying import NOON, alert_id, raise_alerts, write_routing
from receiver import Answer, receiving
from store.database import connect
from store.notices.delivery import record_dead
from store.notices.enqueue import NewNotice, insert_notices


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def file(tmp_path, receiver):
    return write_routing(
        tmp_path / "notify.yaml",
        contacts=[
            {
                "name": "王经理",
                "role": "manager",
                "communities": ["a"],
                "channels": {"wecom": f"{receiver.url}/s3cret"},
            },
            {"name": "运维", "channels": {"webhook": receiver.url, "feishu": receiver.url}},
        ],
        routes=[{"to": "manager"}, {"severity": "critical", "to": "运维"}],
    )


def test_check_prints_the_first_channels_of_each_community_and_severity(file, tmp_path):
    done = invoke("notify", "check", file, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "a critical: 王经理/wecom, 运维/webhook, 运维/feishu", "a major: 王经理/wecom", "a warning: 王经理/wecom",
        "a info: nobody", "elsewhere critical: 运维/webhook, 运维/feishu", "elsewhere major: nobody",
        "elsewhere warning: nobody", "elsewhere info: nobody",
    ]  # fmt: skip


def test_a_bad_file_is_refused_with_the_line(tmp_path):
    file = tmp_path / "notify.yaml"
    file.write_text("contacts:\n- name: 王经理\n  chanels: {}\n", encoding="utf-8")
    done = anju("notify", "check", cwd=tmp_path, ANJU_NOTIFY_FILE=str(file))
    assert done.returncode == 1
    assert "notify.yaml:3: unknown key `chanels` in a contact: did you mean `channels`?" in done.stderr


def test_a_contact_gets_a_test_message_through_each_channel(file, receiver, tmp_path):
    done = invoke("notify", "test", "运维", cwd=tmp_path, ANJU_NOTIFY_FILE=str(file))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["ok   运维/webhook: accepted", "ok   运维/feishu: accepted"]
    assert len(receiver.accepted) == 2


def test_a_failing_channel_reports_the_reason_without_its_address(file, receiver, tmp_path):
    receiver.usual = Answer(body=b'{"errcode": 93000, "errmsg": "invalid webhook url"}')
    done = invoke("notify", "test", "王经理", cwd=tmp_path, ANJU_NOTIFY_FILE=str(file))
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["BAD  王经理/wecom: 93000: invalid webhook url"]
    assert "s3cret" not in done.stdout + done.stderr


def test_an_unknown_contact_is_wrong_usage(file, tmp_path):
    done = invoke("notify", "test", "nobody", cwd=tmp_path, ANJU_NOTIFY_FILE=str(file))
    assert done.returncode == 2
    assert "there is no contact nobody: 王经理, 运维" in done.stderr


def test_undelivered_notices_are_sent_again_on_request_and_the_person_is_recorded(house):
    raise_alerts(house.database_url, [9001], defer=False)
    with connect(house.database_url, application_name="test") as connection:
        insert_notices(connection, [NewNotice(alert_id(9001), "甲/webhook", "raised", 1, "critical", NOON)], NOON)
        [(number,)] = connection.execute("SELECT id FROM notice WHERE alert_id = %s", (alert_id(9001),)).fetchall()
        record_dead(connection, "甲/webhook", [number], "HTTP 401", NOON)
    for count in (1, 0):
        done = house.anju("notify", "retry")
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{count} notices are sent again\n"
    [written] = house.get("/audit", subject="notices")["items"]
    assert (written["actor"], written["action"], written["after"]) == ("cli", "retry", {"notices": 1})
