"""`anju import` and `anju secrets`."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.audit import audit_command, user_of_this_machine
from app.database import transaction
from app.output import Exit, Json, fail, say, say_json
from app.progress import progress
from app.settings import Settings
from devices.seal import Seal
from imports.contacts import ContactsResult, import_contacts
from imports.importer import ImportResult, import_files
from imports.tables import ImportRefusedError
from imports.wording import summary
from store.database import Connection
from store.registry.secrets import UnknownUsernameError, rotate_secret


def import_(
    communities: Annotated[Path | None, typer.Option(help="CSV or XLSX of communities")] = None,
    households: Annotated[Path | None, typer.Option(help="CSV or XLSX of households")] = None,
    devices: Annotated[Path | None, typer.Option(help="CSV or XLSX of devices")] = None,
    contacts: Annotated[Path | None, typer.Option(help="CSV or XLSX of contacts of households and contractors")] = None,
    secrets_out: Annotated[Path | None, typer.Option(help="a new file for the secrets of new devices")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="write nothing, and list each change")] = False,
    as_json: Json = False,
) -> None:
    """Import the registry from CSV or XLSX: everything, or nothing and every reason why not (exit code 1).

    One workbook may hold all, in sheets named 小区, 住户, 设备 and 联系人 (or communities, households, devices,
    contacts). Phone numbers are stored encrypted under ANJU_SECRET_KEY.

    Example: anju import --communities xiaoqu.csv --households zhuhu.csv --devices shebei.csv --secrets-out secrets.csv
    """
    if not (communities or households or devices or contacts):
        raise fail("nothing to import: give --communities, --households, --devices or --contacts", Exit.USAGE)
    try:
        with progress("importing"), transaction("anju import") as connection:
            result = import_files(
                connection, communities, households, devices, secrets_out=secrets_out, dry_run=dry_run
            )
            if result.changed_anything and not dry_run:
                audit_command(connection, "import", ("registry", ""), _counts(result))
            called = _import_contacts(connection, contacts, dry_run=dry_run) if contacts else None
    except ImportRefusedError as error:
        raise fail(str(error), Exit.REFUSED) from None
    if as_json:
        changes = [change._asdict() for change in result.changes]
        of_contacts = {"contacts": asdict(called.contacts)} if called else {}
        notes = [*result.notes, *(called.notes if called else ())]
        dry = {"dry_run": True, "changes": changes} if dry_run else {}
        say_json({**_counts(result), **of_contacts, "notes": notes, **dry})
    else:
        say(summary(result, called, dry_run=dry_run))


def _import_contacts(connection: Connection, path: Path, *, dry_run: bool) -> ContactsResult:
    settings = Settings.load()
    seal = Seal(settings.need("secret_key").encode(), *settings.earlier_secret_keys)
    actor = user_of_this_machine() or "cli"
    result = import_contacts(connection, path, seal, actor=actor, now=datetime.now(UTC), dry_run=dry_run)
    if not dry_run and (result.contacts.created or result.contacts.changed):
        audit_command(connection, "import", ("contact", ""), asdict(result.contacts))
    return result


def _counts(result: ImportResult) -> dict[str, object]:
    tables = {name: asdict(getattr(result, name)) for name in ("communities", "households", "devices")}
    return {**tables, "secrets_issued": result.secrets_issued, "without_secret": result.without_secret}


def rotate(username: Annotated[str, typer.Argument(help="community/kind/device")]) -> None:
    """Give a device a new secret and print it, this once; the old one stops working.

    Example: anju secrets rotate yangguang/water_meter/b01-u1-0101-water
    """
    try:
        with transaction("anju secrets") as connection:
            secret = rotate_secret(connection, username)
            audit_command(connection, "rotate_secret", ("device", username), {})
    except UnknownUsernameError as error:
        raise fail(str(error), Exit.REFUSED) from None
    say(f"{username},{secret}")
