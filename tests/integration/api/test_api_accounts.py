"""Logins, second factors, sessions, accounts and keys, from outside."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from accounts.principal import Role
from logged_in import (
    CHOSEN,
    INITIAL,
    TestAccount,
    add_test_account,
    code_now,
    finish_login,
    logged_in,
    secret_of,
)
from patience import eventually, patient
from running import query

WRONG = {"type": "login-refused", "status": 401, "detail_zh": "账号或密码不正确"}


def log_in(api: Any, name: str, password: str, **more: str) -> httpx.Response:
    return httpx.post(
        f"{api.url}/api/v1/auth/token", json={"name": name, "password": password, **more}, timeout=patient(20)
    )


@contextmanager
def with_token(api: Any, *tokens: str) -> Iterator[Any]:
    """Provide a client with the token, or a list of clients."""
    with ExitStack() as stack:
        clients = []
        for token in tokens:
            client = httpx.Client(base_url=f"{api.url}/api/v1", timeout=patient(20))
            client.headers["Authorization"] = f"Bearer {token}"
            clients.append(stack.enter_context(client))
        yield clients[0] if len(clients) == 1 else clients


@pytest.fixture
def account(api_database: str) -> TestAccount:
    return add_test_account(api_database, Role.PROPERTY)


def test_the_first_login_opens_nothing_but_the_change_of_the_password(api: Any, account: TestAccount) -> None:
    login = log_in(api, account.name, INITIAL).raise_for_status().json()
    assert login["step"] == "change_password"
    with with_token(api, login["token"]) as client:
        refused = client.get("/alerts")
        assert (refused.status_code, refused.json()["step"]) == (403, "change_password")
        assert "初始密码" in refused.json()["detail_zh"]
        assert client.get("/me").json()["step"] == "change_password"
        changed = client.post("/me/password", json={"old": INITIAL, "new": CHOSEN}).raise_for_status().json()
        assert changed["step"] == "done"
        assert client.get("/me").status_code == 401, "the token before the change is void"
    with with_token(api, changed["token"]) as client:
        assert client.get("/alerts").status_code == 200
        me = client.get("/me").json()
        assert (me["name"], me["role_zh"], me["scope"]) == (account.name, "物业", ["all"])
        assert [session["current"] for session in me["sessions"]] == [True]
    assert log_in(api, account.name, INITIAL).status_code == 401
    assert log_in(api, account.name.upper(), CHOSEN).json()["step"] == "done"


@pytest.mark.parametrize(
    ("new", "why"),
    [("short", "太短"), ("x" * 200, "太长"), ("1234567890", "太常见"), ("password123456", "太常见"),
     ("aaaaaaaaaaaa", "太常见"), (INITIAL, "不能与原密码相同")],
)  # fmt: skip
def test_a_password_that_is_easily_guessed_is_refused(api: Any, account: TestAccount, new: str, why: str) -> None:
    login = log_in(api, account.name, INITIAL).json()
    with with_token(api, login["token"]) as client:
        refused = client.post("/me/password", json={"old": INITIAL, "new": new})
    assert refused.status_code in {401, 422}
    assert why in refused.json()["detail_zh"]


def test_an_unknown_name_a_wrong_password_and_a_disabled_account_get_the_same_answer(
    api: Any, api_database: str
) -> None:
    known, disabled = (add_test_account(api_database, Role.STREET) for _ in range(2))
    query(api_database, "UPDATE account SET disabled_at = now() WHERE name = %s RETURNING id", disabled.name)
    answers = [
        log_in(api, "nobody.at.all", INITIAL), log_in(api, known.name, "wrong password"),
        log_in(api, disabled.name, INITIAL),
    ]  # fmt: skip
    contents = [{key: answer.json()[key] for key in WRONG} for answer in answers]
    assert contents == [WRONG] * 3


@pytest.mark.slow
def test_an_unknown_name_takes_as_long_as_a_wrong_password(api: Any, api_database: str) -> None:
    def seconds(name: str) -> float:
        began = time.monotonic()
        assert log_in(api, name, "a wrong password").status_code == 401
        return time.monotonic() - began

    known = [add_test_account(api_database, Role.STREET).name for _ in range(8)]
    pairs = [(seconds(f"nobody-{number}"), seconds(name)) for number, name in enumerate(known)]
    unknown_s, known_s = (sorted(each)[len(pairs) // 2] for each in zip(*pairs, strict=True))
    assert 0.5 < unknown_s / known_s < 2


def test_guessing_gets_slower_and_does_not_lock_out_for_ever(api: Any, account: TestAccount, api_database: str) -> None:
    for _ in range(5):
        assert log_in(api, account.name, "a guessed password").status_code == 401
    refused = log_in(api, account.name, INITIAL)
    assert (refused.status_code, int(refused.headers["retry-after"]) <= 4) == (429, True)
    query(api_database, "UPDATE login_failure SET last_at = last_at - interval '10 s' RETURNING network")
    assert log_in(api, account.name, INITIAL).status_code == 200
    assert log_in(api, account.name, "a guessed password").status_code == 401, "the right password starts anew"


def test_an_administrator_needs_a_second_factor_and_each_code_counts_once(api: Any, api_database: str) -> None:
    account = add_test_account(api_database, Role.ADMIN)
    login = log_in(api, account.name, INITIAL).json()
    assert login["step"] == "enrol_second_factor"
    with with_token(api, login["token"]) as client:
        assert client.get("/accounts").status_code == 403
        enrolment = client.post("/me/second-factor").raise_for_status().json()
        secret = secret_of(enrolment["url"])
        assert client.post("/me/second-factor/code", json={"code": "000000"}).status_code == 401
        code = code_now(secret)
        confirmed = client.post("/me/second-factor/code", json={"code": code}).raise_for_status().json()
        client.headers["Authorization"] = f"Bearer {confirmed['token']}"
        finish_login(client, confirmed["step"])
        assert client.get("/accounts").status_code == 200
        assert client.post("/me/second-factor").status_code == 403, "one is set up already"
    assert log_in(api, account.name, CHOSEN).json()["step"] == "second_factor"
    assert log_in(api, account.name, CHOSEN, code=code).status_code == 401, "the code was used"
    recovery = enrolment["recovery_codes"]
    assert len(set(recovery)) == 8
    assert log_in(api, account.name, CHOSEN, code=recovery[0].upper()).json()["step"] == "done"
    assert log_in(api, account.name, CHOSEN, code=recovery[0]).status_code == 401
    stored = query(api_database, "SELECT totp_secret, recovery_hashes FROM account WHERE name = %s", account.name)
    assert secret not in bytes(stored[0][0])
    assert len(stored[0][1]) == 7


@pytest.mark.parametrize("enrolled", [True, False])
def test_a_new_password_does_not_stand_for_the_second_factor(api: Any, api_database: str, enrolled: bool) -> None:
    account = add_test_account(api_database, Role.ADMIN)
    login = log_in(api, account.name, INITIAL).json()
    if enrolled:
        with with_token(api, login["token"]) as client:
            finish_login(client, login["step"])
        login = log_in(api, account.name, CHOSEN).json()
    old = CHOSEN if enrolled else INITIAL
    with with_token(api, login["token"]) as thief:
        refused = thief.post("/me/password", json={"old": old, "new": "a password of a thief"})
        assert refused.status_code == 401
        assert "动态验证码" in refused.json()["detail_zh"]
        assert thief.get("/accounts").status_code == 403
    assert log_in(api, account.name, old).json()["step"] == login["step"], "the password is the old one"


def test_two_browsers_and_signing_out_of_one_and_of_all(api: Any, account: TestAccount, api_database: str) -> None:
    initial = log_in(api, account.name, INITIAL).json()["token"]
    with with_token(api, initial) as first:
        finish_login(first, "change_password")
    tokens = [log_in(api, account.name, CHOSEN).json()["token"] for _ in range(2)]
    token = first.headers["Authorization"].removeprefix("Bearer ")
    with (
        logged_in(api.url, api_database, Role.PROPERTY) as other,
        with_token(api, token, *tokens) as (first, second, third),
    ):
        assert len(first.get("/me").json()["sessions"]) == 3
        assert second.delete("/auth/token").status_code == 204
        assert second.get("/me").status_code == 401
        assert first.get("/me").status_code == 200
        assert first.delete("/me/sessions").json() == {"sessions": 2}
        eventually(lambda: third.get("/me").status_code == 401)
        assert first.get("/me").status_code == 401
        assert other.get("/me").status_code == 200


def test_an_account_that_is_disabled_or_changes_its_role_is_out_within_seconds(api: Any, api_database: str) -> None:
    with (
        logged_in(api.url, api_database, Role.ADMIN) as admin,
        logged_in(api.url, api_database, Role.PROPERTY) as one,
        logged_in(api.url, api_database, Role.PROPERTY) as two,
    ):
        names = [client.get("/me").json()["name"] for client in (one, two)]
        key = two.post("/keys", json={"name": "看板"}).json()
        admin.patch(f"/accounts/{names[0]}", json={"role": "street"}).raise_for_status()
        admin.patch(f"/accounts/{names[1]}", json={"disabled": True}).raise_for_status()
        with with_token(api, key["key"]) as program:
            for client in (one, two, program):
                eventually(lambda client=client: client.get("/me").status_code == 401, timeout_s=10)
        assert log_in(api, names[0], CHOSEN).json()["step"] == "done"
        assert log_in(api, names[1], CHOSEN).status_code == 401
        admin.patch(f"/accounts/{names[1]}", json={"disabled": False}).raise_for_status()
        assert log_in(api, names[1], CHOSEN).status_code == 200
        entries = admin.get("/audit", params={"subject": "account", "subject_id": names[1]}).json()["items"]
        assert [entry["action"] for entry in entries] == ["enable", "disable", "issue_key", "create"]
        assert entries[0]["actor"] == admin.get("/me").json()["name"]


def test_a_stream_ends_soon_after_its_account(api: Any, api_database: str) -> None:
    with logged_in(api.url, api_database, Role.PROPERTY) as client:
        name = client.get("/me").json()["name"]
        with client.stream("GET", "/alerts/stream", timeout=patient(40)) as stream:
            lines = stream.iter_lines()
            next(lines)
            query(api_database, "UPDATE account SET disabled_at = now() WHERE name = %s RETURNING id", name)
            began = time.monotonic()
            for _ in lines:
                pass
            assert time.monotonic() - began < patient(15)


@pytest.mark.slow
def test_a_stream_of_a_key_ends_soon_after_a_change_of_rights(api: Any, api_database: str) -> None:
    with logged_in(api.url, api_database, Role.PROPERTY) as client:
        name = client.get("/me").json()["name"]
        key = client.post("/keys", json={"name": "大屏"}).json()["key"]
        with with_token(api, key) as program, program.stream("GET", "/alerts/stream", timeout=patient(40)) as stream:
            lines = stream.iter_lines()
            next(lines)
            query(api_database, "UPDATE account SET scope = '{community:elsewhere}' WHERE name = %s RETURNING id", name)
            began = time.monotonic()
            for _ in lines:
                pass
            assert time.monotonic() - began < patient(15)


def test_an_administrator_makes_resets_and_lists_accounts(api: Any, api_database: str) -> None:
    with logged_in(api.url, api_database, Role.ADMIN) as admin:
        new = {
            "name": f"li.{time.time_ns()}",
            "display_name": "李师傅",
            "role": "property",
            "scope": ["community:linyin"],
        }
        made = admin.post("/accounts", json=new)
        assert made.status_code == 201
        assert admin.post("/accounts", json=new).status_code == 409
        assert "已存在" in admin.post("/accounts", json=new).json()["detail_zh"]
        login = log_in(api, new["name"], made.json()["initial_password"]).json()
        assert login["step"] == "change_password"
        reset = admin.post(f"/accounts/{new['name']}/password").json()
        with with_token(api, login["token"]) as client:
            eventually(lambda: client.get("/me").status_code == 401)
        assert log_in(api, new["name"], reset["initial_password"]).status_code == 200
        assert new["name"] in {each["name"] for each in admin.get("/accounts").json()["items"]}
        assert admin.post("/accounts/nobody/password").status_code == 404


@pytest.mark.parametrize(
    ("change", "why"),
    [({"name": "王 经理"}, "小写字母"), ({"scope": []}, "至少填写一个范围"), ({"scope": ["city"]}, "写法不对"),
     ({"scope": ["all", "community:x"]}, "不能再与其他范围"), ({"role": "king"}, "须是其中之一"),
     ({"display_name": ""}, "至少 1 个字"), ({"password": "mine"}, "没有这个参数")],
)  # fmt: skip
def test_an_account_that_makes_no_sense_is_refused(api: Any, change: dict[str, Any], why: str) -> None:
    account = {"name": "li.shifu", "display_name": "李师傅", "role": "property", "scope": ["all"], **change}
    refused = api.client.post("/accounts", json=account)
    assert refused.status_code == 422
    assert why in refused.json()["detail_zh"]


def test_the_last_administrator_stays_one(database_url: str, start_api: Any) -> None:
    api = start_api(database_url)
    account = add_test_account(database_url, Role.ADMIN)
    for change in ({"role": "street"}, {"disabled": True}):
        refused = api.client.patch(f"/accounts/{account.name}", json=change)
        assert refused.status_code == 422
        assert "最后一个管理员" in refused.json()["detail_zh"]


def test_a_key_opens_no_more_than_its_account_and_ends_by_itself(api: Any, api_database: str) -> None:
    with logged_in(api.url, api_database, Role.PROPERTY) as client:
        issued = client.post("/keys", json={"name": "看板"}).json()
        assert client.post("/keys", json={"name": "x", "expires_at": "2199-01-01T00:00:00Z"}).status_code == 422
        writing = client.post("/keys", json={"name": "工单系统", "reads_only": False}).json()
        listed = client.get("/keys").json()["items"]
        assert [key["name"] for key in listed] == ["工单系统", "看板"]
        assert not any("anju_k_" in str(key) for key in listed)
        with with_token(api, issued["key"]) as reader, with_token(api, writing["key"]) as writer:
            assert reader.get("/alerts").status_code == 200
            silence = {"kind": "water_meter", "community": "none", "reason": "x", "ends_at": "2099-01-01T00:00:00Z"}
            assert reader.post("/silences", json=silence).status_code == 403
            assert writer.post("/silences", json=silence).status_code == 422
            assert reader.get("/audit").status_code == 403
            assert reader.post("/me/password", json={"old": CHOSEN, "new": "another password"}).status_code == 403
            query(
                api_database,
                "UPDATE api_key SET expires_at = now() WHERE id = %s RETURNING id",
                issued["details"]["id"],
            )
            eventually(lambda: reader.get("/alerts").status_code == 401)
            assert client.delete(f"/keys/{writing['details']['id']}").status_code == 204
            assert client.delete(f"/keys/{writing['details']['id']}").status_code == 404
            eventually(lambda: writer.get("/alerts").status_code == 401)
        with logged_in(api.url, api_database, Role.PROPERTY) as other:
            assert other.delete(f"/keys/{issued['details']['id']}").status_code == 404
            assert other.get("/keys").json()["items"] == []


def test_a_key_of_fewer_communities_issues_no_key_of_more(api: Any, api_database: str) -> None:
    with logged_in(api.url, api_database, Role.ADMIN) as client:
        asked = {"name": "x", "scope": ["community:none"], "reads_only": False}
        narrow = client.post("/keys", json=asked).raise_for_status().json()["key"]
        before = client.get("/keys").json()["items"]
        with with_token(api, narrow) as program:
            assert program.post("/keys", json={"name": "y", "reads_only": False}).status_code == 403
        assert client.get("/keys").json()["items"][0]["id"] == before[0]["id"]


def test_an_account_acts_in_its_own_name(api: Any, api_database: str, community: Any) -> None:
    alert = community.alert()
    with logged_in(api.url, api_database, Role.PROPERTY) as client:
        refused = client.post(f"/alerts/{alert}/acknowledge", json={"by": "李师傅"})
        assert refused.status_code == 422
        assert "登录的账号" in refused.json()["detail_zh"]
        step = client.post(f"/alerts/{alert}/acknowledge").raise_for_status().json()["transitions"][-1]
        assert step["actor"] == "王经理"
        name = client.get("/me").json()["name"]
    entry = api.items("/audit", subject="alert", subject_id=str(alert))[0]
    assert (entry["actor"], entry["person"]) == (name, "王经理")


def test_no_secret_of_a_login_is_stored_or_logged(api: Any, api_database: str, account: TestAccount) -> None:
    token = log_in(api, account.name, INITIAL).json()["token"]
    stored = query(api_database, "SELECT string_agg(t::text, ' ') FROM account_session AS t") + query(
        api_database, "SELECT string_agg(t::text, ' ') FROM account AS t"
    )
    text = f"{stored} {api.log()}"
    assert token not in text
    assert INITIAL not in text
