"""Work orders: the facts of an alert for the person who goes there, as JSON and as a page of paper."""

import shutil
import subprocess
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from accounts.principal import Role
from logged_in import logged_in
from patience import patient
from store.registry.upsert import TableRows

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def leak(api: Any, make_community: Any) -> Any:
    """An alert at a water meter in a flat that two people have dealt with, and somebody on duty."""
    with make_community() as community:
        place = {"building": "3", "unit": "2", "room": "501"}
        meter = community.device("b03-u2-0501-water", "water_meter", serial="26-004711", **place)
        alert = community.alert(meter, kind="water_meter", severity="major", opened_at=NOON)
        for action, body in (
            ("assign", {"by": "王经理", "assignee": "李师傅", "comment": "带阀门钥匙"}),
            ("comment", {"by": "李师傅", "comment": "<b>水表井积水</b>"}),
        ):
            api.client.post(f"/alerts/{alert}/{action}", json=body).raise_for_status()
        shift = {
            "communities": [community.id], "person": "赵师傅",
            "ends_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        }  # fmt: skip
        api.client.post("/duty", json=shift).raise_for_status()
        community.register(
            households=TableRows(("community", "building", "unit", "room"), [(community.id, *place.values())])
        )
        for contact in (
            {**place, "name": "张三", "role": "业主", "phone": "138 1234 5678"},
            {"company": "清泉水务", "kind": "water_meter", "name": "孙工", "phone": "0477-8581234"},
        ):
            api.client.post("/contacts", json={"community": community.id, **contact}).raise_for_status()
        yield community, alert


def page(api: Any, alert: object) -> httpx.Response:
    answer: httpx.Response = api.get(f"/alerts/{alert}/work-order.html").raise_for_status()
    return answer


def test_a_work_order_has_place_reasons_advice_and_what_was_done(api: Any, leak: Any) -> None:
    _, alert = leak
    order = api.get(f"/alerts/{alert}/work-order").raise_for_status().json()
    assert order["number"] == str(alert)[:8].upper()
    facts = {name: order[name] for name in ("community_name", "banner", "street", "place", "serial", "kind_zh")}
    assert facts == {
        "community_name": "金河苑", "banner": "东胜区", "street": "林荫街道", "place": "3号楼2单元501室",
        "serial": "26-004711", "kind_zh": "水表",
    }  # fmt: skip
    assert (order["severity_zh"], order["attention_zh"], order["assignee"]) == ("重要", "已派单", "李师傅")
    assert order["on_duty"] == ["赵师傅"]
    assert order["why"] == api.get(f"/alerts/{alert}").json()["why"]
    assert [(step["act_zh"], step["actor"], step["assignee"], step["comment"]) for step in order["steps"]] == [
        ("派单", "王经理", "李师傅", "带阀门钥匙"), ("备注", "李师傅", None, "<b>水表井积水</b>"),
    ]  # fmt: skip


def test_whom_to_call_is_on_it_and_the_read_is_recorded(api: Any, leak: Any) -> None:
    _, alert = leak
    order = api.get(f"/alerts/{alert}/work-order").json()
    assert [(each["name"], each["company"], each["phone"]) for each in order["contacts"]] == [
        ("张三", "", "13812345678"), ("孙工", "清泉水务", "04778581234"),
    ]  # fmt: skip
    text = page(api, alert).text
    assert "13812345678" in text
    assert "清泉水务 孙工" in text
    reads = api.items("/audit", subject="contact", reads="true", limit=1000)
    assert [read["after"]["alert"] for read in reads[:2]] == [str(alert)] * 2
    assert "13812345678" not in str(reads)


def test_the_page_holds_the_facts_of_the_document_and_room_for_handwriting(api: Any, leak: Any) -> None:
    _, alert = leak
    text = page(api, alert).text
    order = api.get(f"/alerts/{alert}/work-order").json()
    for name in ("number", "community_name", "place", "serial", "kind_zh", "title", "message", "advice", "assignee"):
        assert order[name] in text, name
    for sentence in (*order["why"], "2026-07-01 12:00", "派单给李师傅", "带阀门钥匙", "赵师傅"):
        assert sentence in text
    for blank in (
        "到场时间",
        "现场情况",
        "处理措施",
        "旧表读数",
        "新表读数",
        "□ 已解决",
        "维修人员",
        "在场住户",
    ):
        assert blank in text
    assert "&lt;b&gt;水表井积水" in text
    assert "模拟数据" not in text


def test_the_page_may_have_its_own_style_and_loads_and_runs_nothing(api: Any, leak: Any) -> None:
    answer = page(api, leak[1])
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    for part in ("<script", "src=", "href=", "url(", "@import"):
        assert part not in answer.text


def test_alerts_without_device_community_or_handling_have_a_work_order(api: Any, community: Any) -> None:
    of_group = community.alert()
    of_anju = community.alert(community=None, kind="pipeline")
    for alert in (of_group, of_anju):
        order = api.get(f"/alerts/{alert}/work-order").raise_for_status().json()
        assert (order["device"], order["has_register"], order["steps"]) == (None, False, [])
        text = page(api, alert).text
        assert "还没有人处理。" in text
        assert "旧表读数" not in text
        assert "None" not in text


def test_a_work_order_of_simulated_data_says_so(api: Any, community: Any) -> None:
    alert = community.alert()
    community.connection.execute("UPDATE alert SET simulated = true WHERE id = %s", (alert,))
    community.connection.commit()
    assert "模拟数据：这不是真实报警" in page(api, alert).text


@pytest.mark.parametrize("form", ["work-order", "work-order.html"])
def test_another_tenant_and_another_role_get_none(
    api: Any, api_database: str, leak: Any, community: Any, form: str
) -> None:
    _, alert = leak
    with logged_in(api.url, api_database, Role.PROPERTY, f"community:{community.id}") as client:
        of_others, of_nobody = (client.get(f"/alerts/{each}/{form}") for each in (alert, uuid.uuid4()))
        assert (of_others.status_code, of_others.json()) == (404, of_nobody.json())
    with logged_in(api.url, api_database, Role.STREET) as client:
        assert client.get(f"/alerts/{alert}/{form}").status_code == 403


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_page_prints_on_one_sheet(api: Any, leak: Any, tmp_path: Path) -> None:
    file, paper = tmp_path / "order.html", tmp_path / "order.pdf"
    file.write_text(page(api, leak[1]).text, "utf-8")
    subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--no-pdf-header-footer", f"--print-to-pdf={paper}", file.as_uri()],
        check=True, capture_output=True, timeout=patient(60),
    )  # fmt: skip
    assert paper.read_bytes().count(b"/Type /Page\n") == 1
