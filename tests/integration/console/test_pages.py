"""Pages of the console in Chromium, over the real API process and database: login, inbox, alert, one's own account."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.principal import Role
from logged_in import CHOSEN, INITIAL, TestAccount, add_test_account, code_now, secret_of
from patience import patient
from running import query

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1440, "height": 900}

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]


@pytest.fixture
def open_page(browser: Browser, api: Any) -> Callable[..., Any]:
    """Return a context manager for a page of a new visitor; it fails at its end where a policy was violated."""

    @contextmanager
    def opened(size: dict[str, int] = PHONE, **options: Any) -> Iterator[Page]:
        context = browser.new_context(base_url=api.url, viewport=size, locale="zh-CN", **options)
        context.set_default_timeout(patient(10) * 1000)
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        yield page
        context.close()
        assert [text for text in said if "Content Security Policy" in text or "Error" in text] == []

    return opened


def log_in(page: Page, account: TestAccount, password: str | None = None) -> None:
    """Log in as at the first time, or with a password that was chosen before."""
    if "/login" not in page.url:
        page.goto("/login")
    page.get_by_label("账号").fill(account.name)
    page.get_by_label("密码", exact=True).fill(password or account.password)
    page.get_by_role("button", name="登录").click()
    if password is None:
        page.get_by_label("初始密码").fill(INITIAL)
        page.get_by_label("新密码", exact=True).fill(CHOSEN)
        page.get_by_label("再输一次新密码").fill(CHOSEN)
        page.get_by_role("button", name="保存并继续").click()


@pytest.fixture
def manager(api_database: str, community: Any) -> TestAccount:
    return add_test_account(api_database, Role.PROPERTY, f"community:{community.id}")


def test_a_link_from_a_notice_leads_through_a_first_login_to_its_alert(
    open_page: Any, community: Any, manager: TestAccount
) -> None:
    alert = community.alert(title="燃气泄漏", severity="critical")
    with open_page() as page:
        page.goto(f"/alerts/{alert}")
        expect(page).to_have_title("登录 · 安居")
        log_in(page, manager)
        expect(page.get_by_role("heading", name="燃气泄漏")).to_be_visible()
        assert page.url.endswith(f"/alerts/{alert}")


def test_wrong_names_and_passwords_are_refused_in_the_same_words(open_page: Any, manager: TestAccount) -> None:
    with open_page() as page:
        texts = []
        for name in (manager.name, "nobody"):
            page.goto("/login")
            page.get_by_label("账号").fill(name)
            page.get_by_label("密码", exact=True).fill("wrong")
            page.get_by_role("button", name="登录").click()
            texts.append(page.get_by_role("alert").inner_text())
        assert texts == ["账号或密码不正确"] * 2


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_an_alert_appears_without_a_reload_and_is_worked_on(
    open_page: Any, community: Any, manager: TestAccount, size: dict[str, int]
) -> None:
    with open_page(size) as page:
        log_in(page, manager)
        expect(page.get_by_text("没有待处理的报警")).to_be_visible()
        expect(page.get_by_role("status")).to_have_text("实时")
        community.alert(title="电压过高")
        page.get_by_role("link", name="1 条新报警").click()
        page.get_by_role("link", name="电压过高").click()
        page.get_by_role("button", name="确认").click()
        expect(page.get_by_role("status")).to_have_text("已确认。")
        page.get_by_text("派单", exact=True).first.click()
        page.get_by_label("派给").fill("李师傅")
        page.get_by_role("button", name="派单").click()
        expect(page.get_by_text("已派单 · 李师傅")).to_be_visible()
        page.get_by_text("解决", exact=True).first.click()
        page.get_by_label("做了什么").fill("换了稳压器")
        page.get_by_role("button", name="解决").click()
        expect(page.locator(".steps").get_by_text("换了稳压器")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_many_are_acknowledged_at_once_also_where_one_has_moved_on(
    open_page: Any, community: Any, manager: TestAccount
) -> None:
    alerts = [community.alert(title=f"报警{n}") for n in range(3)]
    with open_page() as page, open_page() as other:
        log_in(page, manager)
        log_in(other, manager, CHOSEN)
        other.goto(f"/alerts/{alerts[0]}")
        other.get_by_role("button", name="确认").click()
        expect(page.locator(f"#a-{alerts[0]}").get_by_text("已确认")).to_be_visible()  # by the stream
        for box in page.get_by_role("checkbox").all():
            box.check()
        page.locator("#bulk").get_by_role("button", name="确认").click()
        expect(page.get_by_text("2 条已完成，1 条没有改动")).to_be_visible()


def test_the_inbox_and_the_actions_work_without_scripts(open_page: Any, community: Any, manager: TestAccount) -> None:
    community.alert(title="水表没有数据")
    with open_page(java_script_enabled=False) as page:
        log_in(page, manager)
        page.locator(".quick").get_by_role("button", name="确认").click()
        expect(page.get_by_text("1 条已完成。")).to_be_visible()
        page.get_by_role("link", name="处理中").click()
        expect(page.get_by_role("link", name="水表没有数据")).to_be_visible()


def test_nothing_of_another_community_is_shown_and_its_alert_is_not_found(
    open_page: Any, community: Any, make_community: Any, manager: TestAccount
) -> None:
    with make_community() as other:
        foreign = other.alert(title="别人的报警")
        with open_page() as page:
            log_in(page, manager)
            expect(page.get_by_role("heading", name="报警", exact=True)).to_be_visible()
            assert "别人的报警" not in page.content()
            assert page.goto(f"/alerts/{foreign}").status == 404
            assert page.goto("/alerts/00000000-0000-4000-8000-000000000000").status == 404


def test_an_administrator_sets_up_a_second_factor_and_logs_in_with_it(open_page: Any, api_database: str) -> None:
    admin = add_test_account(api_database, Role.ADMIN)
    with open_page() as page:
        page.goto("/login")
        page.get_by_label("账号").fill(admin.name)
        page.get_by_label("密码", exact=True).fill(INITIAL)
        page.get_by_role("button", name="登录").click()
        page.get_by_role("button", name="开始绑定").click()
        page.get_by_text("扫不了码").click()
        secret = secret_of(page.locator("code").first.inner_text())
        page.get_by_label("验证码").fill(code_now(secret))
        page.get_by_role("button", name="完成绑定").click()
        page.get_by_label("初始密码").fill(INITIAL)
        page.get_by_label("新密码", exact=True).fill(CHOSEN)
        page.get_by_label("再输一次新密码").fill(CHOSEN)
        page.get_by_role("button", name="保存并继续").click()
        expect(page.get_by_role("heading", name="报警", exact=True)).to_be_visible()
        page.goto("/me")
        page.get_by_role("button", name="退出登录").click()
        log_in(page, admin, CHOSEN)
        page.get_by_label("验证码").fill(code_now(secret, 1))
        page.get_by_role("button", name="继续").click()
        expect(page.get_by_role("heading", name="报警", exact=True)).to_be_visible()


def test_signing_out_everywhere_ends_the_other_browser_too(
    open_page: Any, community: Any, manager: TestAccount
) -> None:
    with open_page() as page, open_page() as other:
        log_in(page, manager)
        log_in(other, manager, CHOSEN)
        page.goto("/me")
        page.get_by_role("button", name="退出所有设备").click()
        expect(page).to_have_title("登录 · 安居")
        other.wait_for_timeout(2500)  # so long the gate trusts an answer
        other.goto("/me")
        expect(other).to_have_title("登录 · 安居")


def test_a_role_without_alerts_may_not_open_them(open_page: Any, api_database: str, community: Any) -> None:
    bureau = add_test_account(api_database, Role.BUREAU)
    with open_page() as page:
        log_in(page, bureau)
        expect(page.get_by_role("heading", name="我的", exact=True)).to_be_visible()  # the first place of the role
        assert page.goto("/alerts/00000000-0000-4000-8000-000000000000").status == 403
        expect(page.get_by_text("您的账号不能打开这个页面")).to_be_visible()


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)
def test_a_form_of_another_site_does_nothing(
    api: Any, api_database: str, community: Any, headers: dict[str, str]
) -> None:
    alert = community.alert()
    account = add_test_account(api_database, Role.PROPERTY, f"community:{community.id}")
    with httpx.Client(base_url=api.url, timeout=patient(20)) as client:
        client.post("/login", data={"name": account.name, "password": INITIAL})
        client.post("/login/password", data={"old": INITIAL, "new": CHOSEN, "again": CHOSEN})
        assert client.get(f"/alerts/{alert}").status_code == 200
        form = {"action": "acknowledge", "key": "k"}
        assert client.post(f"/alerts/{alert}/actions", data=form, headers=headers).status_code == 403
    assert query(api_database, "SELECT attention FROM alert WHERE id = %s", alert) == [("unacknowledged",)]


@pytest.mark.parametrize(
    "onward", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb"]
)
def test_a_login_leads_to_no_other_site(api: Any, api_database: str, community: Any, onward: str) -> None:
    account = add_test_account(api_database, Role.PROPERTY, f"community:{community.id}")
    with httpx.Client(base_url=api.url, timeout=patient(20)) as client:
        answer = client.post("/login", data={"name": account.name, "password": INITIAL, "next": onward})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login/step?next=%2F")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie


def test_a_work_order_is_one_tap_from_its_alert_and_keeps_its_policy(
    open_page: Any, community: Any, manager: TestAccount
) -> None:
    alert = community.alert(title="燃气泄漏", severity="critical")
    with open_page() as page:
        page.goto(f"/alerts/{alert}")
        log_in(page, manager)
        page.get_by_role("link", name="打印工单").click()
        expect(page).to_have_title(f"工单 {str(alert)[:8].upper()} 燃气泄漏")
        expect(page.get_by_text("到场时间")).to_be_visible()
        assert page.evaluate("getComputedStyle(document.querySelector('table')).borderCollapse") == "collapse"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.goto("/alerts/00000000-0000-4000-8000-000000000000/work-order")
        expect(page.get_by_role("heading", name="没有找到")).to_be_visible()


def test_a_window_says_what_it_holds_back_before_it_is_saved_and_is_ended(
    open_page: Any, community: Any, manager: TestAccount
) -> None:
    with open_page() as page:
        log_in(page, manager)
        page.get_by_role("link", name="维护").click()
        page.get_by_role("link", name="登记").click()
        page.get_by_label("原因").fill("换表")
        page.get_by_role("combobox", name="小区").select_option(community.id)
        page.get_by_role("button", name="看看会挡住哪些报警").click()
        expect(page.get_by_text("紧急报警")).to_be_visible()
        page.get_by_role("button", name="确认登记").click()
        expect(page.get_by_role("status")).to_have_text("已登记。")
        page.get_by_role("button", name="提前结束").click()
        expect(page.get_by_role("status")).to_have_text("已结束，报警恢复通知。")


def test_a_window_without_a_place_is_told_what_is_missing(open_page: Any, community: Any, manager: TestAccount) -> None:
    with open_page() as page:
        log_in(page, manager)
        page.goto("/maintenance/new")
        page.get_by_label("原因").fill("停电")
        page.get_by_label("计划停电").check()
        page.get_by_role("button", name="看看会挡住哪些报警").click()
        expect(page.get_by_role("alert")).to_have_text("计划停电须指定小区，可以再指定楼栋")


def test_devices_stand_by_building_those_without_data_first(
    open_page: Any, community: Any, manager: TestAccount
) -> None:
    community.device("b03-u2-0501-water", "water_meter", building="3", unit="2", room="501")
    community.device("gate-01", "vehicle_gate", location="南门出入口")
    with open_page() as page:
        log_in(page, manager)
        page.get_by_role("link", name="设备").click()
        expect(page.get_by_text("3号楼（1 台，1 台没有数据）")).to_be_visible()
        expect(page.get_by_text("b03-u2-0501-water")).to_be_visible()
        page.get_by_text("楼外").click()
        expect(page.get_by_text("南门出入口")).to_be_visible()


def test_an_alert_shows_the_readings_around_it_and_the_read_is_recorded(
    open_page: Any, api_database: str, community: Any, manager: TestAccount
) -> None:
    now = datetime.now(UTC)
    device = community.device("b01-u1-0301-e", "electricity_meter", building="1", unit="1", room="301")
    readings = {now - timedelta(minutes=n): {"voltage_v": 230.0 + n % 5} for n in range(60)}
    community.readings("electricity_meter", device, readings)
    alert = community.alert(device, opened_at=now - timedelta(minutes=10))
    with open_page() as page:
        page.goto(f"/alerts/{alert}")
        log_in(page, manager)
        expect(page.get_by_role("img", name="最低 230 V，最高 234 V")).to_be_visible()
    reads = "SELECT person FROM audit_log WHERE action = 'read' AND subject_id = %s"
    assert query(api_database, reads, f"{community.id}/b01-u1-0301-e") == [("王经理",)]
