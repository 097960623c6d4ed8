"""Delivery over each kind of channel to a real server."""

import base64
import hashlib
import hmac
from email import message_from_bytes
from email.header import decode_header, make_header
from urllib.parse import parse_qs, urlsplit

import pytest

from notify.apprise_channel import send_by_apprise
from notify.errors import RefusedError, TemporarilyRefusedError
from notify.group_robots import send_dingtalk, send_feishu, send_wecom
from notify.http_post import post_json
from notifying import NOON
from patience import Stopwatch
from receiver import Answer, mail_server


def signature(key, text):
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()


def test_wecom_gets_markdown(receiver):
    send_wecom(f"{receiver.url}/cgi-bin/webhook/send?key=1", "**报警**")
    (request,) = receiver.accepted
    assert request.path == "/cgi-bin/webhook/send?key=1"
    assert request.content == {"msgtype": "markdown", "markdown": {"content": "**报警**"}}


def test_dingtalk_gets_markdown_and_a_signature_in_the_address(receiver):
    send_dingtalk(f"{receiver.url}/robot/send?access_token=1", "SEC1", "报警", "正文", NOON)
    (request,) = receiver.accepted
    assert request.content == {"msgtype": "markdown", "markdown": {"title": "报警", "text": "正文"}}
    query = parse_qs(urlsplit(request.path).query)
    stamp = str(int(NOON.timestamp() * 1000))
    assert query == {"access_token": ["1"], "timestamp": [stamp], "sign": [signature("SEC1", f"{stamp}\nSEC1")]}


def test_feishu_gets_a_card_and_a_signature_beside_it(receiver):
    header = {"title": {"tag": "plain_text", "content": "报警"}, "template": "red"}
    send_feishu(f"{receiver.url}/hook/1", "word", header, "正文", NOON)
    (request,) = receiver.accepted
    stamp = str(int(NOON.timestamp()))
    assert request.content == {
        "timestamp": stamp, "sign": signature(f"{stamp}\nword", ""), "msg_type": "interactive",
        "card": {"header": header, "elements": [{"tag": "div", "text": {"tag": "lark_md", "content": "正文"}}]},
    }  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b'{"errcode": 45009, "errmsg": "api freq out of limit"}'),
        Answer(body=b'{"errcode": -1, "errmsg": "system busy"}'),
        Answer(body=b"<html>"),
        Answer(503),
        Answer(429),
    ],
)
def test_only_a_robots_success_code_is_an_acceptance(receiver, answer):
    receiver.usual = answer
    with pytest.raises(TemporarilyRefusedError) as refused:
        send_wecom(f"{receiver.url}/send?key=s3cret", "报警")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "answer",
    [
        b'{"errcode": 93000, "errmsg": "invalid webhook url, hint: [1]"}',
        b'{"errcode": 310000, "errmsg": "sign not match"}',
    ],
)
def test_an_error_that_only_a_person_can_mend_is_permanent(receiver, answer):
    receiver.usual = Answer(body=answer)
    with pytest.raises(RefusedError, match=r"93000: invalid webhook url|310000: sign not match"):
        send_dingtalk(f"{receiver.url}/send?access_token=1", "", "报警", "正文", NOON)


def test_a_feishu_robot_that_misses_its_keyword_refuses_for_ever(receiver):
    receiver.usual = Answer(body=b'{"code": 19024, "msg": "Key Words Not Found"}')
    with pytest.raises(RefusedError, match="19024: Key Words Not Found"):
        send_feishu(receiver.url, "", {}, "正文", NOON)


def test_an_unusable_address_is_refused_without_being_quoted():
    with pytest.raises(RefusedError) as refused:
        post_json("https://s3cret\0.example.com/", {})
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("status", [301, 400, 401, 404])
def test_a_status_that_no_retry_will_change_is_permanent(receiver, status):
    receiver.usual = Answer(status)
    with pytest.raises(RefusedError, match=f"HTTP {status}"):
        post_json(receiver.url, {})


def test_a_receiver_that_does_not_answer_is_a_temporary_failure_after_the_timeout(receiver, monkeypatch):
    monkeypatch.setattr("notify.http_post._TIMEOUT_S", 0.5)
    receiver.usual = Answer(after_s=3)
    watch = Stopwatch()
    with pytest.raises(TemporarilyRefusedError, match="no answer"):
        post_json(receiver.url, {})
    assert watch.quiet_s() < 2


def address(port, more=""):
    return f"mailto://127.0.0.1:{port}?from=anju@example.com&to=wang@example.com{more}"


def test_a_letter_has_the_heading_and_the_text(receiver):
    with mail_server() as (port, mailbox):
        send_by_apprise(address(port), "【紧急】燃气泄漏", "请关阀 <现在>\n第二行")
    (envelope,) = mailbox.letters
    letter = message_from_bytes(envelope.content)
    assert str(make_header(decode_header(letter["Subject"]))) == "【紧急】燃气泄漏"
    parts = [part for part in letter.walk() if part.get_content_type() == "text/plain"] or [letter]
    assert "请关阀 <现在>" in parts[0].get_payload(decode=True).decode()


def test_a_refused_letter_or_an_absent_server_is_no_acceptance():
    with mail_server() as (port, mailbox):
        mailbox.answers = ["550 no such user"]
        with pytest.raises(TemporarilyRefusedError, match="failed") as refused:
            send_by_apprise(address(port), "报警", "正文")
    with pytest.raises(TemporarilyRefusedError, match="Connection error") as away:
        send_by_apprise(address(port), "报警", "正文")
    assert "wang" not in str(refused.value)
    assert "127.0.0.1" not in str(away.value)


def test_a_mail_server_that_does_not_answer_is_not_waited_for_without_end():
    with mail_server() as (port, mailbox):
        mailbox.after_s = 3
        watch = Stopwatch()
        with pytest.raises(TemporarilyRefusedError):
            send_by_apprise(address(port, "&cto=0.5"), "报警", "正文")
        assert watch.quiet_s() < 2.5
