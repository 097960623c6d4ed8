"""Accounts of each role for tests, and HTTP clients that have logged in as them."""

import base64
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx

from accounts.management import Author, create_account
from accounts.principal import Role, Scope
from accounts.second_factor import STEP_S, code_at
from patience import patient
from store.database import connect

INITIAL = "first password of a test"
CHOSEN = "chosen password of a test"


@dataclass(frozen=True, slots=True)
class TestAccount:
    """Account with the password of its first login."""

    __test__ = False

    name: str
    display_name: str
    role: Role
    password: str = INITIAL


def add_test_account(database_url: str, role: Role, *scope: str, display_name: str = "王经理") -> TestAccount:
    """Add an account, by default of the whole city."""
    name = f"{role}-{uuid.uuid4().hex[:10]}"
    with connect(database_url, application_name="test") as connection:
        create_account(
            connection, Author("test", None, datetime.now(UTC)), name=name, display_name=display_name, role=role,
            scope=Scope.parse(scope or ("all",)), password=INITIAL,
        )  # fmt: skip
    return TestAccount(name, display_name, role)


def finish_login(client: httpx.Client, step: str) -> None:
    """Take the steps of a first login with a client that carries its token."""
    while step != "done":
        if step == "enrol_second_factor":
            enrolment = client.post("/me/second-factor").raise_for_status().json()
            code = {"code": code_now(secret_of(enrolment["url"]))}
            token = client.post("/me/second-factor/code", json=code).raise_for_status().json()
        else:
            passwords = {"old": INITIAL, "new": CHOSEN}
            token = client.post("/me/password", json=passwords).raise_for_status().json()
        client.headers["Authorization"] = f"Bearer {token['token']}"
        step = token["step"]


def secret_of(url: str) -> bytes:
    """Return the secret of an `otpauth://` URL."""
    text = parse_qs(urlsplit(url).query)["secret"][0]
    return base64.b32decode(text + "=" * (-len(text) % 8))


def code_now(secret: bytes, steps_ahead: int = 0) -> str:
    """Return the code of the present step, or of one around it."""
    return code_at(secret, int(datetime.now(UTC).timestamp()) // STEP_S + steps_ahead)


@contextmanager
def logged_in(url: str, database_url: str, role: Role, *scope: str) -> Iterator[httpx.Client]:
    """Provide a client below `/api/v1` that has logged in for the first time as a new account."""
    account = add_test_account(database_url, role, *scope)
    with httpx.Client(base_url=f"{url}/api/v1", timeout=patient(20)) as client:
        answer = client.post("/auth/token", json={"name": account.name, "password": account.password})
        token = answer.raise_for_status().json()
        client.headers["Authorization"] = f"Bearer {token['token']}"
        finish_login(client, token["step"])
        yield client
