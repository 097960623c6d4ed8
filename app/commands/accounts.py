"""`anju accounts`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer

from accounts.management import (
    AccountError,
    Author,
    change_rights,
    create_account,
    disable_account,
    enable_account,
    need_account,
    parse_rights,
    remove_second_factor,
    reset_password,
    sign_out_everywhere,
)
from accounts.passwords import PasswordError, initial_password
from accounts.principal import ROLE_ZH, Role
from app.audit import user_of_this_machine
from app.database import transaction
from app.output import Exit, Json, fail, say, say_json
from app.people_text import require_visible
from devices.local_time import local_time_zh
from store.accounts.accounts import AccountExistsError, list_accounts
from store.database import Connection

_Name = Annotated[str, typer.Argument(help="login name", callback=require_visible)]
_Role = Annotated[str, typer.Option(help="property, street, bureau, utility, admin or developer")]
_Scope = Annotated[
    list[str],
    typer.Option(
        help="communities of the account: all, banner:NAME, street:BANNER/STREET or community:ID; may be repeated",
        callback=lambda entries: [require_visible(entry) for entry in entries],
    ),
]


def show(*, as_json: Json = False) -> None:
    """List the accounts with their roles and scopes.

    Example: anju accounts list
    """
    with transaction("anju accounts") as connection:
        accounts = list_accounts(connection)
    if as_json:
        say_json(
            [
                {
                    "name": each.name, "display_name": each.display_name, "role": each.role, "scope": each.scope,
                    "second_factor": each.totp_confirmed, "disabled_at": each.disabled_at,
                }
                for each in accounts
            ]
        )  # fmt: skip
        return
    if not accounts:
        say("还没有账号。建立第一个管理员：anju accounts create NAME --display-name 姓名 --role admin --scope all")
    for each in accounts:
        state = f"，{local_time_zh(each.disabled_at)}停用" if each.disabled_at else ""
        factor = "，已绑定动态验证码" if each.totp_confirmed else ""
        say(f"{each.name}  {each.display_name}  {ROLE_ZH[Role(each.role)]}  {' '.join(each.scope)}{factor}{state}")


def create(
    name: _Name,
    display_name: Annotated[str, typer.Option(help="name for people, which actions show", callback=require_visible)],
    role: _Role,
    scope: _Scope,
) -> None:
    """Create an account and print its initial password, this once; the first login replaces it.

    Example: anju accounts create wang.manager --display-name 王经理 --role property --scope community:yangguang
    """
    password = initial_password()
    with _change() as (connection, author):
        parsed_role, parsed_scope = parse_rights(role, scope)
        create_account(
            connection, author, name=name, display_name=display_name, role=parsed_role, scope=parsed_scope,
            password=password,
        )  # fmt: skip
    say(f"已建立账号 {name}（{ROLE_ZH[parsed_role]}）。初始密码只显示这一次，第一次登录时要换掉：")
    say(password)


def change(name: _Name, role: _Role, scope: _Scope) -> None:
    """Change role and scope of an account, and end its sessions.

    Example: anju accounts change wang.manager --role property --scope banner:东胜区
    """
    with _change() as (connection, author):
        parsed_role, parsed_scope = parse_rights(role, scope)
        change_rights(connection, author, need_account(connection, name), parsed_role, parsed_scope)
    say(f"账号 {name} 现在是{ROLE_ZH[parsed_role]}，范围 {' '.join(parsed_scope.entries())}；已登录的要重新登录")


def reset(name: _Name) -> None:
    """Give an account a new initial password and print it, this once; its sessions end.

    Example: anju accounts reset-password wang.manager
    """
    password = initial_password()
    with _change() as (connection, author):
        reset_password(connection, author, need_account(connection, name), password)
    say(f"账号 {name} 的新密码只显示这一次，下次登录时要换掉；已登录的设备都已退出：")
    say(password)


def disable(name: _Name) -> None:
    """Disable an account: its sessions end, and its keys open nothing.

    Example: anju accounts disable wang.manager
    """
    with _change() as (connection, author):
        disable_account(connection, author, need_account(connection, name))
    say(f"账号 {name} 已停用，登录和密钥都已失效；恢复：anju accounts enable {name}")


def enable(name: _Name) -> None:
    """Enable a disabled account again.

    Example: anju accounts enable wang.manager
    """
    with _change() as (connection, author):
        enable_account(connection, author, need_account(connection, name))
    say(f"账号 {name} 已恢复")


def forget_second_factor(name: _Name) -> None:
    """Remove the second factor of a lost phone; an administrator sets up a new one at the next login.

    Example: anju accounts remove-second-factor wang.manager
    """
    with _change() as (connection, author):
        remove_second_factor(connection, author, need_account(connection, name))
    say(f"账号 {name} 的动态验证码已解除，已登录的设备都已退出")


def sign_out(name: _Name) -> None:
    """End all sessions of an account; its keys stay.

    Example: anju accounts sign-out wang.manager
    """
    with _change() as (connection, author):
        ended = sign_out_everywhere(connection, author, need_account(connection, name))
    say(f"账号 {name} 在 {ended} 台设备上退出了登录")


@contextmanager
def _change() -> Iterator[tuple[Connection, Author]]:
    """Provide a transaction and its author; a refusal ends the command with its sentence."""
    author = Author("cli", user_of_this_machine(), datetime.now(UTC))
    try:
        with transaction("anju accounts") as connection:
            yield connection, author
    except (AccountError, AccountExistsError, PasswordError) as error:
        raise fail(str(error), Exit.REFUSED) from None
