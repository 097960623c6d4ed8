"""The routing file: its meaning, and the diagnostics of a wrong one."""

from datetime import timedelta

import pytest

from notify.routing_file import RoutingFileError, load_routing
from rules.model.rule import Severity

GOOD = """
contacts:
  - name: 值班室
    role: duty
    communities: [a]
    channels: {wecom: "https://example.com/send?key=1"}
  - name: 王经理
    role: manager
    quiet_hours: 22:00-07:00
    channels:
      dingtalk: {url: "https://example.com/robot?access_token=1", secret: SEC1}
      email: mailto://user:word@example.com?to=wang@example.com
routes:
  - to: [duty]
  - communities: [a]
    severity: critical
    to: [manager]
    escalate: [[王经理], [duty, manager]]
fallback: 王经理
"""


def load(tmp_path, text):
    path = tmp_path / "notify.yaml"
    path.write_text(text, encoding="utf-8")
    return load_routing(path)


def names(channels):
    return [channel.name for channel in channels]


def test_roles_and_names_lead_to_all_responsible_contacts(tmp_path):
    routing = load(tmp_path, GOOD)
    assert names(routing.first_channels("a", Severity.WARNING)) == ["值班室/wecom"]
    assert names(routing.first_channels("a", Severity.CRITICAL)) == ["值班室/wecom", "王经理/dingtalk", "王经理/email"]
    assert names(routing.first_channels("a", Severity.INFO)) == []
    assert names(routing.fallback_channels(None)) == ["王经理/dingtalk", "王经理/email"]


def test_a_route_without_a_contact_leads_to_the_fallback(tmp_path):
    routing = load(tmp_path, GOOD)
    assert names(routing.first_channels("b", Severity.WARNING)) == ["王经理/dingtalk", "王经理/email"]
    assert names(routing.first_channels(None, Severity.CRITICAL)) == ["王经理/dingtalk", "王经理/email"]
    assert routing.first_channels("b", Severity.INFO) == ()


def test_each_level_of_escalation_comes_later(tmp_path):
    levels = load(tmp_path, GOOD).escalations("a", Severity.CRITICAL)
    assert [(each.level, each.after) for each in levels] == [(1, timedelta(minutes=5)), (2, timedelta(minutes=10))]
    assert names(levels[1].channels) == ["值班室/wecom", "王经理/dingtalk", "王经理/email"]
    assert load(tmp_path, GOOD).escalations("a", Severity.WARNING) == []


def test_an_empty_file_routes_no_alert(tmp_path):
    assert load(tmp_path, "# later\n").first_channels("a", Severity.CRITICAL) == ()


def test_addresses_do_not_print(tmp_path):
    assert "access_token" not in repr(load(tmp_path, GOOD))
    assert "SEC1" not in repr(load(tmp_path, GOOD))


WRONG = {
    "contact: []": "notify.yaml:1: unknown key `contact` in the file: did you mean `contacts`?",
    "routes: [{to: [a]}]": "notify.yaml:1: no contact has the name or role `a`: there is none",
    "contacts:\n- name: a\n": "notify.yaml:2: `channels` is missing: say how this contact is reached",
    "contacts:\n- name: a\n  channels: {wechat: 'https://s3cret'}": (
        "notify.yaml:3: unknown key `wechat` in `channels`: "
        "it can be `wecom`, `dingtalk`, `feishu`, `webhook`, `email`, `apprise`"
    ),
    "contacts:\n- name: a\n  channels: {wecom: s3cret}": (
        "notify.yaml:3: `wecom`: write the whole address of the robot or receiver, beginning with https://"
    ),
    "contacts:\n- name: a\n  channels: {email: 's3cret@example.com'}": (
        "notify.yaml:3: `email`: write it as mailtos://user:password@smtp.example.com?to=name@example.com"
    ),
    "contacts:\n- name: a\n  channels: {apprise: 's3cret://x'}": (
        "notify.yaml:3: `apprise`: apprise does not understand this address"
    ),
    "contacts:\n- name: a\n  channels: {email: 'mailto://s3cret@h.example?to=b@h.example,c@h.example'}": (
        "notify.yaml:3: `email`: the address names several receivers: make each a contact of its own"
    ),
    "contacts:\n- name: a\n  channels: {webhook: {url: 'https://x', secret: s3cret}}": (
        "notify.yaml:3: unknown key `secret` in `webhook`: it can be `url`"
    ),
    "contacts:\n- name: a\n  quiet_hours: 22-7\n  channels: {webhook: 'https://x'}": (
        "notify.yaml:3: write `quiet_hours` as 22:00-07:00, by the clock of the city"
    ),
    "contacts:\n- name: a\n  channels: {webhook: 'https://x'}\nroutes:\n- severity: fatal\n  to: a": (
        "notify.yaml:5: `severity` can't be the text 'fatal': it can be `info`, `warning`, `major`, `critical`"
    ),
    "contacts:\n- name: a\n  channels: {webhook: 'https://x'}\nroutes:\n- severity: major": (
        "notify.yaml:5: `to` is missing: name the contacts or roles to notify"
    ),
    "escalate_after: {major: soon}": (
        "notify.yaml:1: 'soon' is no duration: write a whole number and a unit, such as 90s, 10m, 2h or 1d"
    ),
    "contacts:\n- name: a\n  channels: {webhook: 'https://x'}\n- name: a\n  channels: {webhook: 'https://x'}": (
        "notify.yaml:4: there is a contact of this name on line 2: choose another name"
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_reported_with_its_line_and_without_an_address(tmp_path, text):
    with pytest.raises(RoutingFileError) as refused:
        load(tmp_path, text)
    assert str(refused.value).splitlines()[1:] == [WRONG[text]]
    assert "s3cret" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RoutingFileError, match=r"nobody\.yaml:1: it can't be read: No such file"):
        load_routing(tmp_path / "nobody.yaml")
