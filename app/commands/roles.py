"""`anju roles`."""

import secrets
from contextlib import closing
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, unquote, urlsplit

import typer

from app.output import Exit, fail, say
from app.settings import Settings
from local.users import write_private
from store.admin.roles import Role, prepare_roles
from store.database import connect, translated_errors


def roles(
    urls: Annotated[
        Path, typer.Option(metavar="FOLDER", help="the files <part>_database_url; missing ones are written, mode 600")
    ],
) -> None:
    """Give the database its roles, one for each part, and let them own, read and write no more than they need.

    ANJU_DATABASE_URL names the database and a superuser, for this command only. FOLDER holds a database URL for each
    part (owner, ingest, api, worker, door, operator, grafana), from which the passwords are taken. It may run twice:
    with a changed file it changes the password. Then run `anju migrate` with the URL of the owner.

    Example: ANJU_DATABASE_URL=postgresql://postgres:secret@db/anju anju roles --urls secrets
    """
    superuser_url = Settings.load().need("database_url")
    passwords = {role: _password(_file(urls, role), role) for role in Role}
    made = {role: secrets.token_urlsafe(24) for role, password in passwords.items() if password is None}
    with translated_errors(), closing(connect(superuser_url, application_name="anju roles")) as connection:
        prepare_roles(connection, {role: password or made[role] for role, password in passwords.items()})
        # Before the commit: a password that is in force and in no file would be lost.
        for role, password in made.items():
            urls.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(_file(urls, role), f"{_with_login(superuser_url, role, password)}\n")
        connection.commit()
    say(f"the database is owned by {Role.OWNER}, and the URLs of the parts are in {urls}: run `anju migrate` now")


def _file(folder: Path, role: Role) -> Path:
    return folder / f"{role.removeprefix('anju_')}_database_url"


def _password(file: Path, role: Role) -> str | None:
    """Return the password in the URL of the file, or None if there is no file."""
    if not file.exists():
        return None
    url = urlsplit(file.read_text(encoding="utf-8").strip())
    if unquote(url.username or "") != role or not url.password:
        raise fail(f"{file} must hold postgresql://{role}:secret@host:port/database", Exit.USAGE)
    return unquote(url.password)


def _with_login(url: str, role: Role, password: str) -> str:
    parts = urlsplit(url)
    _, _, address = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{role}:{quote(password, safe='')}@{address}").geturl()
