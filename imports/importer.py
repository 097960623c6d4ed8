"""The import of communities, households and devices: all of it, or nothing and the full list of problems."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from devices.topic import IDENTIFIER
from imports.checks import Registered, check
from imports.forms import COMMUNITIES, DEVICES, HOUSEHOLDS
from imports.sheet_file import read_sheet
from imports.spelling import respell
from imports.tables import NO_COMMUNITIES, ImportRefusedError, Problem, Sheet, Table, join_lines, read_table, sheet_of
from store.database import Connection, translated_errors
from store.registry.registry import load_community_names, load_households, load_kinds_and_places
from store.registry.secrets import issue_secrets, logins_without_secret
from store.registry.upsert import RowChange, RowCounts, list_changes, upsert_registry
from store.registry.version import lock_registry

_FORMS = (COMMUNITIES, HOUSEHOLDS, DEVICES)
_NOT_OVERWRITTEN = "密钥文件已存在，不会覆盖：请换一个文件名，或先移走该文件"


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The result of an import, or of a dry run.

    `without_secret` counts the imported devices that cannot log in yet. `notes` tells the author of a file what was
    read otherwise than it was written. `changes` are those that a dry run found, and is empty otherwise.
    """

    communities: RowCounts
    households: RowCounts
    devices: RowCounts
    secrets_issued: int = 0
    without_secret: int = 0
    notes: tuple[str, ...] = ()
    changes: tuple[RowChange, ...] = ()

    @property
    def changed_anything(self) -> bool:
        """Whether the import changed the registry."""
        tables = (self.communities, self.households, self.devices)
        return bool(self.secrets_issued or any(table.created or table.changed for table in tables))


def import_files(
    connection: Connection,
    communities: Path | None,
    households: Path | None,
    devices: Path | None,
    *,
    secrets_out: Path | None = None,
    dry_run: bool = False,
) -> ImportResult:
    """Insert or update the registry from CSV files or workbooks, in one transaction.

    A file that is None changes nothing. A dry run checks the files in the same way, writes nothing, and returns the
    changes that the import would make.

    With `secrets_out`, every imported device without a secret gets one. The file must not exist; it is written with
    mode 600 before the commit, one line `username,secret` a device. Without `secrets_out` no secret is issued, because
    an unseen secret is worthless. Such devices are counted in `without_secret`. They cannot log in until the same
    import is run with `secrets_out`, or their secret is rotated.

    Raises:
        ImportRefusedError: a file cannot be used as it is; it holds every problem, and nothing was written.
        DatabaseUnavailableError: the database is away; nothing was written.
    """
    sheets, problems, notes = [], [], []
    for form, path in zip(_FORMS, (communities, households, devices), strict=True):
        sheet, sheet_problems, sheet_notes = read_sheet(path, form) if path else (Sheet(form.name), [], [])
        sheets.append(sheet)
        problems += sheet_problems
        notes += sheet_notes
    return _import(connection, sheets, problems, notes, secrets_out, dry_run=dry_run)


def import_rows(
    connection: Connection,
    communities: Iterable[Mapping[str, object]],
    households: Iterable[Mapping[str, object]],
    devices: Iterable[Mapping[str, object]],
    *,
    secrets_out: Path | None = None,
) -> ImportResult:
    """Do the same as `import_files` with rows made by a program: one mapping of column to cell for each line.

    Raises:
        ImportRefusedError: a row cannot be used as it is; it holds every problem, and nothing was written.
        DatabaseUnavailableError: the database is away; nothing was written.
    """
    sheets = [sheet_of(form, rows) for form, rows in zip(_FORMS, (communities, households, devices), strict=True)]
    return _import(connection, sheets, [], [], secrets_out, dry_run=False)


def _import(
    connection: Connection,
    sheets: Iterable[Sheet],
    file_problems: Collection[Problem],
    notes: Collection[Problem],
    secrets_out: Path | None,
    *,
    dry_run: bool,
) -> ImportResult:
    problems, notes = list(file_problems), list(notes)
    with translated_errors(), connection.transaction(force_rollback=dry_run):
        lock_registry(connection)
        names = load_community_names(connection)
        tables: list[Table] = []
        for form, sheet in zip(_FORMS, sheets, strict=True):
            known = ids_by_name(names, tables[0]) if tables else NO_COMMUNITIES
            table, table_problems = read_table(form, sheet, known)
            tables.append(table)
            problems += table_problems
            notes += table.notes
        registered = _load_registered(connection, names, tables)
        communities, households, devices = tables = [respell(table, registered.households) for table in tables]
        # References to unreadable lines would be reported as unknown, although the lines may well be there.
        if not file_problems:
            problems += check(communities, households, devices, registered)
        if problems:
            raise ImportRefusedError(in_reading_order(problems, tables))
        rows = [table.rows() for table in tables]
        changes = list_changes(connection, *rows) if dry_run else []
        result = ImportResult(
            *upsert_registry(connection, *rows),
            notes=tuple(map(str, in_reading_order(notes, tables))),
            changes=tuple(changes),
        )
        return _with_secrets(connection, result, devices, secrets_out, dry_run=dry_run)


def ids_by_name(registered: Mapping[str, str], communities: Table | None = None) -> dict[str, str]:
    """Return the ids of the communities of the registry and of an import by name, where it names one and is no id."""
    records = communities.records() if communities else ()
    imported = {str(row.get("community")): str(row.get("name")) for _, row in records}
    names = {**registered, **imported}
    counts = Counter(names.values())
    return {
        name: identifier for identifier, name in names.items() if counts[name] == 1 and not IDENTIFIER.fullmatch(name)
    }


def _load_registered(connection: Connection, names: Iterable[str], tables: Sequence[Table]) -> Registered:
    """Return the content of the registry that the lines of these tables may refer to."""
    _, households, devices = tables
    keys = (*households.line_keys(), *devices.line_keys())
    communities = sorted({str(key[0]) for key in keys})
    return Registered(
        communities=set(names),
        households=load_households(connection, communities),
        devices=load_kinds_and_places(connection, communities),
    )


def in_reading_order(problems: Iterable[Problem], tables: Iterable[Table]) -> list[Problem]:
    """Return the problems by file and line, with the headers of the files for the names of columns."""
    headers = {table.file: table.headers for table in tables}
    files = list(headers)
    named = [
        replace(problem, column=headers[problem.file].get(problem.column, problem.column))
        if problem.column
        else problem
        for problem in problems
    ]
    return join_lines(sorted(named, key=lambda problem: (files.index(problem.file), problem.line or 0)))


def _with_secrets(
    connection: Connection, result: ImportResult, devices: Table, secrets_out: Path | None, *, dry_run: bool
) -> ImportResult:
    imported = {(str(community), str(name)) for community, name in devices.line_keys()}
    logins = logins_without_secret(connection, imported)
    if secrets_out is None or not logins:
        return replace(result, without_secret=len(logins))
    if secrets_out.exists():
        raise _refusal(secrets_out, _NOT_OVERWRITTEN)
    if not dry_run:
        _write_secrets(secrets_out, issue_secrets(connection, logins))
    return replace(result, secrets_issued=len(logins))


def _write_secrets(path: Path, secrets: Mapping[str, str]) -> None:
    """Write the secrets and sync them to the disk, so that a power cut after the commit does not lose them.

    If the commit fails afterwards, the file stays: the database may have committed all the same, and no secret is shown
    twice.
    """
    try:
        path.touch(0o600, exist_ok=False)
    except FileExistsError:
        raise _refusal(path, _NOT_OVERWRITTEN) from None
    except OSError as error:
        raise _refusal(path, f"无法写入密钥文件：{error.strerror}") from error
    try:
        with path.open("w", encoding="ascii") as file:
            file.writelines(f"{username},{secret}\n" for username, secret in secrets.items())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink()
        raise _refusal(path, f"无法写入密钥文件：{error.strerror}") from error


def _refusal(path: Path, message: str) -> ImportRefusedError:
    return ImportRefusedError([Problem(str(path), None, None, message)])
