"""`anju accounts` at a running installation, and logins with what it prints."""

import httpx
import pytest

from patience import eventually, patient

NEW = "a password of the owner"


def log_in(house, name, password):
    answer = httpx.post(
        f"{house.url}/api/v1/auth/token", json={"name": name, "password": password}, timeout=patient(20)
    )
    return answer.status_code, answer.json().get("step")


def created(house, name, *more):
    done = house.anju("accounts", "create", name, "--display-name", "王经理", *more)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def test_an_account_is_created_reset_disabled_and_enabled_from_the_server(house):
    password = created(house, "wang.manager", "--role", "property", "--scope", "all")
    assert log_in(house, "wang.manager", password) == (200, "change_password")
    reset = house.anju("accounts", "reset-password", "wang.manager").stdout.split()[-1]
    assert log_in(house, "wang.manager", password) == (401, None)
    assert log_in(house, "wang.manager", reset) == (200, "change_password")
    assert house.anju("accounts", "disable", "wang.manager").returncode == 0
    assert log_in(house, "wang.manager", reset) == (401, None)
    assert house.anju("accounts", "enable", "wang.manager").returncode == 0
    assert log_in(house, "wang.manager", reset) == (200, "change_password")
    changed = house.anju("accounts", "change", "wang.manager", "--role", "street", "--scope", "banner:东胜区")
    assert changed.returncode == 0, changed.stderr
    listed = house.anju("accounts", "list").stdout
    assert "wang.manager  王经理  街道  banner:东胜区" in listed
    assert reset not in listed
    signed_out = house.anju("accounts", "sign-out", "wang.manager")
    assert signed_out.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", "Wang Manager", "--display-name", "王", "--role", "property", "--scope", "all"), "账号由小写字母"),
        (("create", "w", "--display-name", "王", "--role", "boss", "--scope", "all"), "没有角色 boss"),
        (("create", "w", "--display-name", "王", "--role", "street", "--scope", "town:x"), "范围“town:x”写法不对"),
        (("create", "w", "--display-name", "王\u202e", "--role", "street", "--scope", "all"), "不可见字符"),
        (("disable", "nobody"), "没有账号 nobody"),
    ],
)
def test_a_mistake_is_told_with_its_remedy_and_changes_nothing(house, arguments, sentence):
    before = house.anju("accounts", "list", "--json").stdout
    done = house.anju("accounts", *arguments)
    assert done.returncode in {1, 2}
    assert sentence in done.stderr
    assert house.anju("accounts", "list", "--json").stdout == before


def test_the_last_administrator_stays(house):
    created(house, "last.admin", "--role", "admin", "--scope", "all")
    done = house.anju("accounts", "disable", "last.admin")
    assert done.returncode == 1
    assert "最后一个管理员" in done.stderr


def test_the_console_answers_at_the_address_of_the_api(house):
    page = eventually(lambda: httpx.get(f"{house.url}/login", timeout=patient(20)))
    assert page.status_code == 200
    assert "演示账号" not in page.text
