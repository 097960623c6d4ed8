"""Passwords, waits after failed logins, second factors and scopes: laws and tables without a database."""

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.lockout import FREE, wait_after
from accounts.login import TooManyLoginsError, login_place
from accounts.passwords import (
    LONGEST,
    SHORTEST,
    PasswordError,
    check_password,
    hash_password,
    initial_password,
    needs_rehash,
    verify_password,
)
from accounts.principal import Scope, ScopeError
from accounts.rights import CITY_WIDE, RIGHTS, UNFINISHED
from accounts.second_factor import (
    STEP_S,
    code_at,
    enrolment_url,
    matching_step,
    new_recovery_codes,
    new_secret,
    recovery_hash,
)
from accounts.tokens import KEY, PAGE, TOKEN, hash_token, new_token
from store.accounts.login_failures import Failures

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
names = st.text(st.characters(codec="utf-8", exclude_characters="/:\n"), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("password", "why"),
    [("", "太短"), ("x" * (SHORTEST - 1), "太短"), ("x" * (LONGEST + 1), "太长"), ("Password123456", "太常见"),
     ("1234567890", "太常见"), ("abababababab", "太常见"), ("wang.manager", "账号或姓名"),
     ("wang.manager1234", "账号或姓名"), ("WANG.MANAGERxy7", "账号或姓名"), ("woaini5201314", "太常见")],
)  # fmt: skip
def test_a_password_that_is_tried_first_is_refused_with_its_reason(password: str, why: str) -> None:
    with pytest.raises(PasswordError, match=why):
        check_password(password, "wang.manager", "王经理")


@pytest.mark.parametrize(
    "password", ["correct horse battery", "东门的槐树开了两次花呢", "x7!kqpw#92zl", "a b c d e f g h"]
)
def test_a_password_of_any_characters_is_taken_if_it_is_long(password: str) -> None:
    check_password(password, "wang.manager", "王经理")


def test_an_initial_password_may_be_chosen_and_no_two_are_the_same() -> None:
    passwords = {initial_password() for _ in range(200)}
    assert len(passwords) == 200
    for password in passwords:
        check_password(password, "wang.manager")


def test_a_hash_verifies_its_password_alone_and_holds_none_of_it() -> None:
    password_hash = hash_password("correct horse battery")
    assert password_hash.startswith("$argon2id$")
    assert "horse" not in password_hash
    assert hash_password("correct horse battery") != password_hash
    assert verify_password("correct horse battery", password_hash)
    assert not verify_password("correct horse batterz", password_hash)
    assert not verify_password("anything", None)
    assert not verify_password("anything", "no hash")
    assert not needs_rehash(password_hash)
    assert needs_rehash("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$" + "A" * 43)


@given(here=st.integers(0, 60), elsewhere=st.integers(0, 400), ago_s=st.floats(0, 3600))
def test_a_wait_grows_with_failures_shrinks_with_time_and_has_an_end(here: int, elsewhere: int, ago_s: float) -> None:
    last_at = NOW - timedelta(seconds=ago_s)
    failures = Failures(here, last_at, elsewhere, last_at)
    wait = wait_after(failures, NOW)
    assert timedelta(0) <= wait <= timedelta(minutes=15)
    assert wait_after(failures._replace(here=here + 1), NOW) >= wait
    assert wait_after(failures, NOW + timedelta(seconds=1)) <= wait
    assert not wait_after(failures, NOW + wait)
    if here < FREE:
        assert wait <= timedelta(seconds=20), "guesses from elsewhere lock nobody out"


def test_the_first_failures_cost_nothing() -> None:
    assert not wait_after(Failures(FREE - 1, NOW, 0, None), NOW)
    assert wait_after(Failures(FREE, NOW, 0, None), NOW) == timedelta(seconds=2)
    assert not wait_after(Failures(0, None, 0, None), NOW)


# RFC 6238, appendix B, SHA-1: the last six of its eight digits.
@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037"),
     (20000000000, "353130")],
)  # fmt: skip
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert code_at(b"12345678901234567890", seconds // STEP_S) == code


@given(offset_s=st.integers(-200, 200))
def test_a_code_counts_around_its_time_alone(offset_s: int) -> None:
    secret = b"12345678901234567890"
    step = int(NOW.timestamp()) // STEP_S
    found = matching_step(secret, code_at(secret, step), NOW + timedelta(seconds=offset_s))
    near = abs((int(NOW.timestamp()) + offset_s) // STEP_S - step) <= 1
    assert found == (step if near else None)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "\ud800"])
def test_any_other_text_is_no_code(code: str) -> None:
    assert matching_step(b"12345678901234567890", code, NOW) is None


def test_a_recovery_code_is_read_as_people_write_it_and_an_app_reads_the_url() -> None:
    codes = new_recovery_codes()
    assert len(set(codes)) == 8
    spoken = f"{codes[0][:5].upper()}-{codes[0][5:]} "
    assert recovery_hash(spoken) == recovery_hash(codes[0])
    assert recovery_hash(codes[1]) != recovery_hash(codes[0])
    assert enrolment_url(new_secret(), "wang manager").startswith("otpauth://totp/Anju:wang%20manager?secret=")


def test_tokens_of_each_kind_are_told_apart_and_stored_as_hashes() -> None:
    tokens = [new_token(prefix) for prefix in (PAGE, TOKEN, KEY) for _ in range(20)]
    assert len({hash_token(token) for token in tokens}) == 60
    assert {token[:7] for token in tokens} == {"anju_s_", "anju_t_", "anju_k_"}
    assert all(len(hash_token(token)) == 32 for token in tokens)


scopes = st.builds(
    Scope,
    banners=st.frozensets(names, max_size=3),
    streets=st.frozensets(st.tuples(names, names), max_size=3),
    communities=st.frozensets(names, max_size=3),
)


@given(scope=scopes)
def test_the_entries_of_a_scope_are_read_back(scope: Scope) -> None:
    assert Scope.parse(scope.entries()) == scope


@given(scope=scopes, within=scopes, community=names, banner=names, street=names)
def test_a_scope_within_another_has_what_both_have(
    scope: Scope, within: Scope, community: str, banner: str, street: str
) -> None:
    both = replace(scope, within=within)
    place = (community, banner, street)
    assert both.has(*place) is (scope.has(*place) and within.has(*place))
    assert Scope(everything=True).has(*place)
    assert not Scope().has(*place)
    assert not both.is_whole


@pytest.mark.parametrize(
    "entries", [["city"], [""], ["banner:"], ["banner:a/b"], ["street:a"], ["street:/b"], ["street:a/"], ["community:"],
                ["all", "banner:a"], ["ALL"]],
)  # fmt: skip
def test_an_entry_that_is_none_is_refused_with_the_forms(entries: list[str]) -> None:
    with pytest.raises(ScopeError, match="范围"):
        Scope.parse(entries)


def test_the_matrix_has_no_route_that_nobody_or_an_unknown_one_may_call() -> None:
    assert all(RIGHTS.values())
    assert RIGHTS.keys() >= UNFINISHED
    assert RIGHTS.keys() >= CITY_WIDE


def test_a_crowd_of_logins_takes_half_of_the_connections_at_most():
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(login_place())
        with pytest.raises(TooManyLoginsError, match="1 秒后"), login_place():
            pass
    with login_place():
        pass
