"""`anju restore`: a backup into an empty database."""

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from app.backup_file import (
    Identity,
    Receiver,
    discard,
    identity_of,
    key_id_of,
    read_backup,
    read_identities,
    waiting_words,
)
from app.output import Exit, fail, say, say_json
from app.progress import progress
from app.settings import Settings
from local.binaries import find_postgres_clients
from local.home import Home
from local.process import Process
from local.secret import read_secret
from local.services import prepare_database
from local.users import write_private
from store.admin.backup import Contents, refuse_unfit, restored, server_major
from store.database import connect, translated_errors


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="a file of `anju backup`")],
    data_dir: Annotated[
        Path | None,
        typer.Option(help="the new data directory of an `anju up`, instead of the database of ANJU_DATABASE_URL"),
    ] = None,
    identity: Annotated[
        Path | None, typer.Option(help="file with the secret key of a recipient, instead of ANJU_SECRET_KEY")
    ] = None,
    *,
    check: Annotated[bool, typer.Option("--check", help="write nothing: decrypt all of it, and describe it")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="answer in JSON")] = False,
) -> None:
    """Restore a backup into an empty database, or only check that the file is whole.

    The whole file is checked first, and the number of rows of every table afterwards. ANJU_DATABASE_URL must be a
    superuser's, and the database must be empty, on a server with the same TimescaleDB. Then run `anju migrate`, which
    also brings an older backup to this version.

    Example: anju restore anju-20261201T183000Z.backup.age --data-dir .anju
    """
    settings = Settings.given() if data_dir else Settings.load()
    identities = _identities(settings, identity)
    found: list[Contents] = []

    def describe(contents: Contents) -> Receiver:
        found.append(contents)
        return discard(contents)

    with progress("checking the file"):
        read_backup(file, identities, describe)
    contents = found[0]
    if settings.secret_key and contents.key_id not in map(key_id_of, _secret_keys(settings)):
        raise fail(
            "ANJU_SECRET_KEY is not the one of the installation that was backed up, whose hashes of plates and spooled "
            "messages fit no other: set it to that one, or name that one in ANJU_SECRET_KEY_OLD",
            Exit.REFUSED,
        )
    if not check:
        with ExitStack() as stack:
            url = _private_database(stack, settings, data_dir) if data_dir else settings.need("database_url")
            with progress("restoring"):
                _restore(file, identities, url, contents)
        if data_dir:
            write_private(data_dir / "secret_key", settings.need("secret_key"))
    if as_json:
        say_json({"restored": not check, "made_at": contents.made_at, "rows": dict(contents.rows),
                  "caught_up": contents.caught_up, "caught_up_at": contents.caught_up_at})  # fmt: skip
        return
    rows = f"{sum(contents.rows.values()):,} rows of {len(contents.rows)} tables"
    made = f"from {contents.made_at:%F %T %Z}"
    done = f"{file} is whole: {rows} {made}" if check else f"restored {rows} {made}; run `anju migrate` now"
    say(f"{done}. {waiting_words(contents)}")


def _restore(file: Path, identities: list[Identity], url: str, contents: Contents) -> None:
    with translated_errors(), closing(connect(url, application_name="anju restore")) as connection:
        refuse_unfit(connection, contents)
    programs = find_postgres_clients(server_major(url), say)
    with restored(url, programs, contents) as dump:
        read_backup(file, identities, lambda _: dump)


def _identities(settings: Settings, identity: Path | None) -> list[Identity]:
    if identity:
        return read_identities(read_secret(identity))
    return [identity_of(key) for key in _secret_keys(settings)]


def _secret_keys(settings: Settings) -> list[str]:
    """Return the secret key in force, and those before it."""
    return [settings.need("secret_key"), *(key.decode() for key in settings.earlier_secret_keys)]


def _private_database(stack: ExitStack, settings: Settings, data_dir: Path) -> str:
    """Start the private PostgreSQL of a data directory until the stack closes; return the URL of its superuser."""
    settings.need("secret_key")
    if (key := data_dir / "secret_key").exists():
        raise fail(
            f"{data_dir} is in use since an earlier start ({key} exists), and a backup is restored into a new data "
            "directory: choose another one with --data-dir",
            Exit.REFUSED,
        )
    home = stack.enter_context(Home(data_dir))
    database = prepare_database(home, say)
    process = Process(database.part(), home)
    stack.callback(process.stop)
    process.start()
    return database.superuser_url
