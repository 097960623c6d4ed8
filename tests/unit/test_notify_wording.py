"""The text that a person reads, in every kind of channel."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from devices.text import visible
from notify.alertmanager import alertmanager_payload
from notify.backoff import retry_delay
from notify.errors import RefusedError, TemporarilyRefusedError
from notify.group_robots import cut
from notify.http_post import retry_after_s
from notify.plan import Form, Message
from notify.routing import ChannelKind
from notify.wording import compose_content, render_body
from store.alerts.alerts import AlertRow
from store.notices.delivery import DueNotice

NOW = datetime(2026, 11, 25, 4, 12, tzinfo=UTC)
PEOPLE = [ChannelKind.WECOM, ChannelKind.DINGTALK, ChannelKind.FEISHU, ChannelKind.EMAIL]

every_kind = pytest.mark.parametrize("kind", PEOPLE)


def alert(number, **more):
    values = {
        "id": UUID(int=number), "rule": "gas_leak", "rule_version": "1", "sequence": number, "device_id": number,
        "community": "yg", "community_name": "阳光小区", "building": "3",
        "unit": "2", "room": f"{number}01", "location": "", "device": f"gas-{number}",
        "kind": "gas_meter", "severity": "critical",
        "title": "检测到燃气泄漏", "message": f"阳光小区 3号楼2单元{number}01室 燃气表：检测到燃气泄漏！",
        "advice": "请立即关阀、开窗。", "process": "active", "attention": "unacknowledged", "assignee": None,
        "opened_at": NOW - timedelta(minutes=12), "raised_at": NOW, "ended_at": None, "simulated": False,
        "chattering": False, "historical": False, **more,
    }  # fmt: skip
    return AlertRow(**values)


def notice(number, kind="raised", n=1):
    return DueNotice(
        number, UUID(int=number), kind, n, 0, NOW, "critical", "yg", "gas_leak", over=False,
        attention="unacknowledged", held=False,
    )  # fmt: skip


def text_of(kind, alerts, *, form=Form.GROUP, notices=()):
    content = compose_content(Message(form, ("yg", "gas_leak"), True, tuple(notices) or (notice(1),)), alerts, NOW)
    return f"{content.heading}\n{render_body(kind, content)}"


@every_kind
def test_one_alert_says_problem_place_beginning_and_remedy(kind):
    text = text_of(kind, [alert(1)])
    for part in (
        "【紧急】",
        "阳光小区 3号楼2单元101室",
        "检测到燃气泄漏！",
        "12:00",
        "已持续 12 分钟",
        "请立即关阀、开窗。",
    ):
        assert part in text


@every_kind
def test_in_the_first_minute_no_duration_is_given(kind):
    text = text_of(kind, [alert(1, opened_at=NOW - timedelta(seconds=4))])
    assert "12:11" in text
    assert "持续" not in text


@every_kind
def test_a_recovery_says_how_long_it_lasted_and_asks_for_nothing(kind):
    text = text_of(kind, [alert(1, process="ended", ended_at=NOW)])
    assert "【恢复】" in text
    assert "持续 12 分钟" in text
    assert "关阀" not in text
    assert "确认" not in text


@every_kind
def test_alerts_of_one_cause_are_listed_up_to_ten(kind):
    text = text_of(kind, [alert(number) for number in range(1, 13)])
    assert "阳光小区 12 处" in text
    assert "1001室 燃气表：" in text
    assert "1101室 燃气表：" not in text
    assert "另有 2 处未列出" in text


@every_kind
def test_a_digest_counts_by_cause_the_gravest_first(kind):
    alerts = [
        alert(n, severity="warning", title="没有数据", process="ended" if n < 5 else "active") for n in range(1, 30)
    ]
    alerts += [alert(n, severity="major", title="闸杆卡住") for n in range(30, 33)]
    text = text_of(kind, alerts, form=Form.DIGEST)
    assert "【汇总】28 条未恢复，4 条已恢复" in text
    assert text.index("闸杆卡住") < text.index("没有数据")
    assert "（4 条已恢复）" in text


@every_kind
def test_a_digest_names_the_first_three_open_places_of_each_grave_cause_and_no_other(kind):
    """Found by a stranger: 疑似爆管：1 条, without a place."""
    bursts = [alert(n, severity="major", title="疑似爆管") for n in range(2, 7)]
    bursts.append(alert(1, severity="major", title="疑似爆管", process="ended"))
    gates = [
        alert(20 + n, severity="major", title="闸杆卡住", building="", unit="", room="", location="南门出入口")
        for n in range(2)
    ]
    batteries = [alert(n, severity="warning", title="电池电量低") for n in range(30, 40)]
    text = text_of(kind, [*bursts, *gates, *batteries], form=Form.AFTER_QUIET).replace("**", "")
    assert "疑似爆管：6 条（1 条已恢复），在3号楼2单元201室、3号楼2单元301室、3号楼2单元401室 等 5 处" in text
    assert "闸杆卡住：2 条，在南门出入口" in text
    assert "电池电量低：10 条" in text
    assert text.count("，在") == 2


@every_kind
def test_one_alert_is_an_ordinary_message_whatever_its_form(kind):
    for form in Form:
        text = text_of(kind, [alert(1)], form=form)
        assert "汇总" not in text
        assert "【紧急】检测到燃气泄漏 阳光小区 3号楼2单元101室" in text


@every_kind
def test_the_id_of_the_device_is_an_addition_and_the_slug_of_the_community_in_no_text(kind):
    text = text_of(kind, [alert(1, community="yangguang")])
    assert "阳光小区 3号楼2单元101室 燃气表：检测到燃气泄漏！" in text
    assert "设备编号" in text
    assert "gas-1" in text
    assert "yangguang" not in text


@every_kind
def test_a_message_that_names_no_place_gets_it_in_front(kind):
    shed = alert(1, building="", unit="", room="", location="东门内车棚", message="充电柜检测到烟雾！")
    assert "阳光小区 东门内车棚：充电柜检测到烟雾！" in text_of(kind, [shed])


@every_kind
def test_a_short_summary_lists_its_alerts(kind):
    text = text_of(kind, [alert(1), alert(2, attention="assigned", assignee="张师傅")], form=Form.AFTER_QUIET)
    assert "【免打扰期间汇总】" in text
    assert "【紧急】阳光小区" in text
    assert "已有人处理：张师傅" in text


@every_kind
def test_an_escalation_and_a_fallback_say_why_they_come_to_this_person(kind):
    assert "升级通知到您（第 2 级）" in text_of(kind, [alert(1)], notices=[notice(1, "escalated", 2)])
    assert "发送失败，改为通知到您" in text_of(kind, [alert(1)], notices=[notice(1, "fallback")])


@every_kind
def test_a_chattering_alert_says_that_no_more_messages_will_come(kind):
    assert "不再逐次通知" in text_of(kind, [alert(1, severity="major", chattering=True)])


@every_kind
def test_a_chattering_alert_that_can_hurt_people_promises_no_silence(kind):
    text = text_of(kind, [alert(1, chattering=True)])
    assert "问题反复出现。" in text
    assert "不再逐次通知" not in text


@every_kind
def test_a_simulated_alert_says_so(kind):
    assert "（模拟）" in text_of(kind, [alert(1, simulated=True)])
    assert "（模拟）" in text_of(kind, [alert(1), alert(2, simulated=True)], form=Form.DIGEST)


@every_kind
def test_a_name_cannot_smuggle_markup_into_a_message(kind):
    text = text_of(kind, [alert(1, message='<font color="info">已恢复</font> [点我](https://evil.example)')])
    assert '<font color="info">已恢复' not in text
    assert "[点我]" not in text
    named = alert(2, community_name="[点我](https://evil.example)")
    listed = text_of(kind, [alert(1), named], form=Form.AFTER_QUIET).partition("\n")[2]
    assert "[点我]" not in listed


HIDDEN = ["\u202e", "\u2028", "\x1b[2J", "\u200b", "\ufeff", "\r\nBcc: all@evil.example", "\x00", "\ud800"]
TEXTS = ("community_name", "building", "room", "location", "device", "title", "message", "advice", "assignee")


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("name", TEXTS)
def test_no_text_of_an_alert_brings_a_hidden_character_into_a_message(name, hidden):
    cunning = alert(1, **{name: f"甲{hidden}乙", "attention": "assigned"})
    for kind in PEOPLE:
        for alerts, form in (([cunning], Form.GROUP), ([cunning, alert(2)], Form.GROUP), ([cunning] * 12, Form.DIGEST)):
            lines = text_of(kind, alerts, form=form).split("\n")
            assert all(visible(line) == line for line in lines)
            assert not any(line.startswith("Bcc") for line in lines)
    payload = alertmanager_payload([cunning, alert(2)], "王经理")
    assert all(visible(text) == text for text in texts_in(payload))


def texts_in(value):
    """Yield every text of a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from (key, *texts_in(part))
    elif isinstance(value, list):
        for part in value:
            yield from texts_in(part)


def test_the_refusal_of_a_receiver_is_shown_in_visible_characters():
    assert str(RefusedError("93000: \x1b[2Jno\u202erobot")) == "93000: □[2Jno□robot"
    assert str(TemporarilyRefusedError("45009: \u2028slow", 3.0)) == "45009: □slow"


def test_a_message_is_cut_at_a_character_and_says_so():
    assert cut("一二三四", 12) == "一二三四"
    assert cut("一二三四五", 13) == "一二三…"
    assert len(cut("语" * 5000, 4096).encode()) <= 4096


def test_a_failing_channel_waits_longer_each_time_and_as_long_as_its_receiver_asks():
    assert [retry_delay(failures, None, 1.0).total_seconds() for failures in (1, 2, 3, 20)] == [5, 10, 20, 300]
    assert retry_delay(1, None, 0.0).total_seconds() == 2.5
    assert retry_delay(1, 90.0, 0.5).total_seconds() == 90
    assert retry_delay(1, 1e9, 0.5).total_seconds() == 3600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("Wed, 25 Nov 2026 04:13:00 GMT", 60), ("soon", None), (None, None), ("-1", None)],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header, seconds):
    assert retry_after_s(header, NOW) == seconds
