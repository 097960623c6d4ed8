"""Pages of the console against the rules of axe-core (WCAG 2.2 AA), by day and by night, on a phone and at a desk."""

import shutil
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from accounts.principal import Role
from logged_in import INITIAL, add_test_account
from patience import patient

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1440, "height": 900}}

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]


def violations(page: Page) -> list[tuple[str, str]]:
    found = Axe().run(page).response["violations"]
    return [(each["id"], node["html"]) for each in found for node in each["nodes"]]


@pytest.mark.parametrize("view", ["phone light", "phone dark", "desktop light", "desktop dark"])
def test_no_page_breaks_a_rule_of_accessibility(
    browser: Any, api: Any, api_database: str, community: Any, view: str
) -> None:
    now, (size, scheme) = datetime.now(UTC), view.split()
    device = community.device("b01-u1-0301-gas", "gas_meter", building="1", unit="1", room="301")
    alert = community.alert(device, title="燃气泄漏", severity="critical", kind="gas_meter", opened_at=now)
    for severity in ("major", "warning", "info"):
        community.alert(severity=severity, opened_at=now - timedelta(hours=1))
    account = add_test_account(api_database, Role.PROPERTY, f"community:{community.id}")
    context = browser.new_context(base_url=api.url, viewport=SIZES[size], color_scheme=scheme, locale="zh-CN")
    context.set_default_timeout(patient(10) * 1000)
    page = context.new_page()
    page.goto("/login")
    broken = {"/login": violations(page)}
    page.get_by_label("账号").fill(account.name)
    page.get_by_label("密码", exact=True).fill(INITIAL)
    page.get_by_role("button", name="登录").click()
    page.get_by_label("初始密码").wait_for()
    broken["step"] = violations(page)
    page.get_by_label("初始密码").fill(INITIAL)
    for label in ("新密码", "再输一次新密码"):
        page.get_by_label(label, exact=True).fill("another password of a test")
    page.get_by_role("button", name="保存并继续").click()
    page.get_by_role("link", name="燃气泄漏").wait_for()
    paths = ["/", "/?tab=ended", f"/alerts/{alert}", "/devices", "/maintenance", "/maintenance/new", "/me", "/nowhere"]
    for path in paths:
        page.goto(path)
        broken[path] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    context.close()
    assert {path: found for path, found in broken.items() if found} == {}
