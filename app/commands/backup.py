"""`anju backup`: an encrypted copy of the database, once or every night."""

import errno
import shutil
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Annotated

import structlog
import typer

from app.backup_file import SUFFIX, Recipient, identity_of, key_id_of, parse_recipient, waiting_words, write_backup
from app.logging import configure_logging
from app.output import Exit, fail, say, say_json
from app.progress import Progress, progress
from app.settings import Settings
from app.signals import stop_on_signals
from devices.local_time import CITY
from local.binaries import find_postgres_clients
from local.errors import LocalError
from store.admin.backup import BackupError, BackupRun, Contents, dumped, record_backup, server_major
from store.database import StoreError, connect, translated_errors

log = structlog.get_logger()

_RETRY = timedelta(minutes=10)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Destination, keys and number of the backups."""

    database_url: str
    folder: Path
    recipients: Sequence[Recipient]
    keep: int
    key_id: str


def backup(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="where the file is written, by default ANJU_BACKUP_DIR")
    ] = None,
    recipient: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="public key of age that opens it, instead of ANJU_SECRET_KEY; repeatable"),
    ] = None,
    keep: Annotated[int | None, typer.Option(min=1, help="how many backups stay in the folder")] = None,
    daily: Annotated[
        str | None, typer.Option(metavar="HH:MM", help="go on, and make one every day at this local time")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="answer in JSON")] = False,
) -> None:
    """Back up the database into an encrypted file, once or every night.

    It holds one moment of the database, made by pg_dump. Messages that wait in the broker at that moment are not in it;
    the answer tells whether there are any. The file opens with ANJU_SECRET_KEY, or with the secret key of each
    recipient. Keep that key elsewhere.

    Example: anju backup /var/backups/anju
    """
    settings = Settings.load()
    database_url, secret_key = settings.need("database_url"), settings.need("secret_key")
    target = folder or settings.backup_dir
    if target is None:
        raise fail("name the FOLDER for the backup, or set ANJU_BACKUP_DIR", Exit.USAGE)
    keys = _recipients(recipient or (settings.backup_recipient or "").split(","), secret_key)
    plan = _Plan(database_url, target, keys, keep or settings.backup_keep, key_id_of(secret_key))
    if daily is not None:
        configure_logging()
        _run_daily(plan, _time_of_day(daily), stop_on_signals())
        return
    try:
        with progress("backing up", "MB written") as work:
            file, run, contents = make_backup(plan, datetime.now(UTC), work)
    except OSError as error:
        raise fail(_why_not_written(plan.folder, error), Exit.REFUSED) from error
    if as_json:
        say_json({"file": str(file), "bytes": run.bytes, "made_at": contents.made_at, "rows": dict(contents.rows),
                  "caught_up": contents.caught_up, "caught_up_at": contents.caught_up_at})  # fmt: skip
    else:
        say(f"{file}: {run.bytes:,} bytes, {sum(contents.rows.values()):,} rows. {waiting_words(contents)}")


def make_backup(plan: _Plan, now: datetime, work: Progress | None = None) -> tuple[Path, BackupRun, Contents]:
    """Make a backup, record it in the database, and remove the oldest ones.

    Raises:
        BackupError: pg_dump failed.
        DatabaseUnavailableError: the database is away.
        LocalError: there is no pg_dump of the server's version.
        OSError: the folder has no room, or can't be written.
    """
    programs = find_postgres_clients(server_major(plan.database_url), say)
    plan.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = plan.folder / f"anju-{now:%Y%m%dT%H%M%SZ}{SUFFIX}"
    draft = file.with_suffix(".part")
    draft.unlink(missing_ok=True)
    if work:
        work.look = lambda shown: shown.update(count=round(draft.stat().st_size / 1e6) if draft.exists() else 0)
    try:
        with dumped(plan.database_url, programs) as (contents, dump):
            size = write_backup(draft, replace(contents, key_id=plan.key_id), dump, plan.recipients)
        draft.rename(file)
    finally:
        draft.unlink(missing_ok=True)
    run = BackupRun(finished_at=now, file=file.name, bytes=size)
    with translated_errors(), closing(connect(plan.database_url, application_name="anju backup")) as connection:
        record_backup(connection, run)
        connection.commit()
    for old in backups_in(plan.folder)[: -plan.keep]:
        old.unlink()
    return file, run, contents


def backups_in(folder: Path) -> list[Path]:
    """Return the backups in a folder, oldest first: their names hold the time."""
    return sorted(folder.glob(f"anju-*{SUFFIX}"))


def next_time(now: datetime, at: time) -> datetime:
    """Return the next moment after `now` at which clocks of the city show `at`."""
    local = now.astimezone(CITY)
    then = datetime.combine(local.date(), at, CITY)
    return (then if then > local else then + _DAY).astimezone(UTC)


def _recipients(named: Sequence[str], secret_key: str) -> list[Recipient]:
    """Return the public keys for a backup: the named ones, else that of the secret key."""
    try:
        keys = [parse_recipient(key.strip()) for key in named if key.strip()]
    except BackupError as error:
        raise fail(str(error), Exit.USAGE) from None
    return keys or [identity_of(secret_key).to_public()]


def _time_of_day(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise fail(f"--daily {text} is no time of day: write it as 02:30", Exit.USAGE) from None


def _run_daily(plan: _Plan, at: time, stop: threading.Event) -> None:
    """Make a backup at once if the newest is older than a day, and then every day; after a failure try again soon."""
    newest = max((file.stat().st_mtime for file in backups_in(plan.folder)), default=0.0)
    now = datetime.now(UTC)
    due = now if now.timestamp() - newest > _DAY.total_seconds() else next_time(now, at)
    log.info("the next backup is due", at=due.isoformat())
    while not stop.wait(max(0.0, (due - datetime.now(UTC)).total_seconds())):
        now = datetime.now(UTC)
        try:
            file, run, contents = make_backup(plan, now)
        except (StoreError, LocalError, OSError) as error:
            reason = _why_not_written(plan.folder, error) if isinstance(error, OSError) else str(error)
            log.error("the backup failed, trying again in ten minutes", error=reason)  # noqa: TRY400 - no defect of Anju
            due = now + _RETRY
        else:
            log.info("backup made", file=str(file), bytes=run.bytes, caught_up=contents.caught_up)
            due = next_time(datetime.now(UTC), at)


def _why_not_written(folder: Path, error: OSError) -> str:
    if error.errno != errno.ENOSPC:
        return f"the backup can't be written into {error.filename or folder}: {error.strerror or error}"
    free = shutil.disk_usage(folder).free
    return f"the disk of {folder} is full ({free / 1e6:,.0f} MB free): make room, or name another folder"
