"""Logins of the tests with the privileges of one role of Anju, on any server.

Each is a role of its own that is a member of the role under test: the passwords of the roles themselves stay as they
are, since the server may be in use otherwise.
"""

import functools
import secrets
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from store.admin.roles import Role

_made: list[tuple[str, str]] = []


def as_role(url: str, role: Role) -> str:
    """Return the URL of the same database for a login with the privileges of a role.

    The login of `url` must be allowed to create roles, and to grant this one.
    """
    parts = urlsplit(url)
    _, _, address = parts.netloc.rpartition("@")
    login = _login(parts._replace(path="/postgres").geturl(), role)
    return parts._replace(netloc=f"{login}@{address}").geturl()


def let_tests_create(superuser_url: str) -> None:
    """Let the owner of a private server create the databases and logins of tests, which it may not do elsewhere."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute("ALTER ROLE anju_owner CREATEDB CREATEROLE")
        for role in set(Role) - {Role.OWNER}:
            connection.execute(
                sql.SQL("GRANT {} TO anju_owner WITH ADMIN TRUE, INHERIT FALSE").format(sql.Identifier(role))
            )


def drop_logins() -> None:
    """Drop the logins that this process has made."""
    while _made:
        url, name = _made.pop()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@functools.cache
def _login(server_url: str, role: Role) -> str:
    name, password = f"test_{role}_{secrets.token_hex(4)}", secrets.token_hex(16)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                sql.Identifier(name), sql.Literal(password), sql.Identifier(role)
            )
        )
    _made.append((server_url, name))
    return f"{name}:{password}"
