"""The import of communities, households and devices: all of it, or nothing and the full list of problems."""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from imports.checks import Registered, check
from imports.csv_file import read_sheet
from imports.forms import COMMUNITIES, DEVICES, HOUSEHOLDS
from imports.tables import ImportRefusedError, Problem, Sheet, Table, read_table, sheet_of
from store.database import Connection, translated_errors
from store.registry.registry import load_communities, load_households, load_kinds_and_places, lock_registry
from store.registry.secrets import issue_secrets, logins_without_secret
from store.registry.upsert import ImportCount, upsert_registry

_FORMS = (COMMUNITIES, HOUSEHOLDS, DEVICES)


def import_files(
    connection: Connection,
    communities: Path | None,
    households: Path | None,
    devices: Path | None,
    *,
    secrets_out: Path | None = None,
) -> ImportCount:
    """Insert or update the registry from CSV files, in one transaction; a file that is None changes nothing.

    With `secrets_out`, every imported device without a secret gets one. The file must not exist; it is written with
    mode 600 before the commit, one line `username,secret` a device. Without `secrets_out` no secret is issued, because
    an unseen secret is worthless. Such devices are counted in `without_secret`. They cannot log in until the same
    import is run with `secrets_out`, or their secret is rotated.

    Raises:
        ImportRefusedError: a file cannot be used as it is; it holds every problem, and nothing was written.
        DatabaseUnavailableError: the database is away; nothing was written.
    """
    sheets, problems = [], []
    for form, path in zip(_FORMS, (communities, households, devices), strict=True):
        sheet, sheet_problems = read_sheet(path) if path else (Sheet(form.name), [])
        sheets.append(sheet)
        problems += sheet_problems
    return _import(connection, sheets, problems, secrets_out)


def import_rows(
    connection: Connection,
    communities: Iterable[Mapping[str, object]],
    households: Iterable[Mapping[str, object]],
    devices: Iterable[Mapping[str, object]],
    *,
    secrets_out: Path | None = None,
) -> ImportCount:
    """Do the same as `import_files` with rows made by a program: one mapping of column to cell for each line.

    Raises:
        ImportRefusedError: a row cannot be used as it is; it holds every problem, and nothing was written.
        DatabaseUnavailableError: the database is away; nothing was written.
    """
    sheets = [sheet_of(form, rows) for form, rows in zip(_FORMS, (communities, households, devices), strict=True)]
    return _import(connection, sheets, [], secrets_out)


def summary(count: ImportCount) -> str:
    """Return the result of an import as Chinese text for its user."""
    lines = [
        f"{name}：新增 {counts.created}，更新 {counts.changed}，未变 {counts.unchanged}"
        for name, counts in (("小区", count.communities), ("住户", count.households), ("设备", count.devices))
    ]
    if count.secrets_issued:
        lines.append(f"已为 {count.secrets_issued} 台设备生成密钥并写入文件：密钥只出现这一次，请妥善保管")
    if count.without_secret:
        lines.append(
            f"{count.without_secret} 台设备还没有密钥，无法登录：用 --secrets-out 再导入一次，"
            "或逐台执行 anju secrets rotate 小区/类型/设备"
        )
    return "\n".join(lines)


def _import(
    connection: Connection, sheets: Iterable[Sheet], file_problems: Collection[Problem], secrets_out: Path | None
) -> ImportCount:
    problems = list(file_problems)
    tables = []
    for form, sheet in zip(_FORMS, sheets, strict=True):
        table, table_problems = read_table(form, sheet)
        tables.append(table)
        problems += table_problems
    communities, households, devices = tables
    with translated_errors(), connection.transaction():
        lock_registry(connection)
        # References to unreadable lines would be reported as unknown, although the lines may well be there.
        if not file_problems:
            problems += check(communities, households, devices, _load_registered(connection, devices))
        if problems:
            raise ImportRefusedError(_in_reading_order(problems, tables))
        count = upsert_registry(connection, communities.rows(), households.rows(), devices.rows())
        return _with_secrets(connection, count, devices, secrets_out)


def _load_registered(connection: Connection, devices: Table) -> Registered:
    """Return the content of the registry that the lines of these devices may refer to."""
    communities = sorted({str(community) for community, _ in devices.line_keys()})
    return Registered(
        communities=set(load_communities(connection)),
        households=load_households(connection, communities),
        devices=load_kinds_and_places(connection, communities),
    )


def _in_reading_order(problems: Iterable[Problem], tables: Iterable[Table]) -> list[Problem]:
    files = [table.file for table in tables]
    return sorted(problems, key=lambda problem: (files.index(problem.file), problem.line or 0))


def _with_secrets(connection: Connection, count: ImportCount, devices: Table, secrets_out: Path | None) -> ImportCount:
    imported = {(str(community), str(name)) for community, name in devices.line_keys()}
    logins = logins_without_secret(connection, imported)
    if secrets_out is None or not logins:
        return replace(count, without_secret=len(logins))
    _write_secrets(secrets_out, issue_secrets(connection, logins))
    return replace(count, secrets_issued=len(logins))


def _write_secrets(path: Path, secrets: Mapping[str, str]) -> None:
    """Write the secrets and sync them to the disk, so that a power cut after the commit does not lose them.

    If the commit fails afterwards, the file stays: the database may have
    committed all the same, and no secret is shown twice.
    """
    try:
        path.touch(0o600, exist_ok=False)
    except FileExistsError:
        message = "密钥文件已存在，不会覆盖：请换一个文件名，或先移走该文件"
        raise ImportRefusedError([Problem(str(path), None, None, message)]) from None
    except OSError as error:
        raise ImportRefusedError([Problem(str(path), None, None, f"无法写入密钥文件：{error.strerror}")]) from error
    try:
        with path.open("w", encoding="ascii") as file:
            file.writelines(f"{username},{secret}\n" for username, secret in secrets.items())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink()
        raise ImportRefusedError([Problem(str(path), None, None, f"无法写入密钥文件：{error.strerror}")]) from error
