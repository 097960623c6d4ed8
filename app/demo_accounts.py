"""Accounts of `anju up --demo`, one for each role, which the login page shows with their password."""

from contextlib import closing
from datetime import UTC, datetime

from accounts.passwords import hash_password
from accounts.principal import ROLE_ZH, Role
from console.services import DemoAccount
from simulators.community_plan import SITES
from store.accounts.accounts import (
    NewAccount,
    add_account,
    find_account,
    set_disabled,
    set_password,
    set_second_factor,
)
from store.database import connect

_FIRST = SITES[0]
_PEOPLE = {
    Role.PROPERTY: ("王经理", f"community:{_FIRST.community}"),
    Role.STREET: ("李科员", f"street:{_FIRST.banner}/{_FIRST.street}"),
    Role.BUREAU: ("赵科长", "all"),
    Role.UTILITY: ("孙师傅", "all"),
    Role.ADMIN: ("管理员", "all"),
    Role.DEVELOPER: ("开发者", "all"),
}


def demo_accounts(password: str | None) -> tuple[DemoAccount, ...]:
    """Return the accounts for the login page; none without a password, outside of the demo."""
    if not password:
        return ()
    return tuple(DemoAccount(_name(role), password, ROLE_ZH[role]) for role in _PEOPLE)


def keep_demo_accounts(database_url: str, password: str | None) -> None:
    """Let the accounts of the demo log in with this password; without one, disable those of an earlier demo.

    They need no new password at the first login, and the administrator sets up a second factor anew at each start.
    """
    now, password_hash = datetime.now(UTC), password and hash_password(password)
    with closing(connect(database_url, application_name="anju up")) as connection, connection.transaction():
        for role, (display_name, scope) in _PEOPLE.items():
            account = find_account(connection, _name(role))
            if not password_hash:
                if account and account.disabled_at is None:
                    set_disabled(connection, account.id, now)
            elif account is None:
                add_account(
                    connection,
                    NewAccount(
                        name=_name(role), display_name=display_name, role=role, scope=[scope],
                        password_hash=password_hash, change_password=False, created_at=now,
                    ),
                )  # fmt: skip
            else:
                set_password(connection, account.id, password_hash, change_password=False)
                set_second_factor(connection, account.id, None, [])
                set_disabled(connection, account.id, None)


def _name(role: Role) -> str:
    return f"demo-{role}"
