"""The import of communities, households and devices: all of it, or nothing and every reason why not."""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from imports.checks import check, load_known
from imports.columns import COMMUNITIES, DEVICES, HOUSEHOLDS
from imports.csv_file import read_sheet
from imports.rows import ImportRefusedError, Problem, Sheet, Table, read_table, sheet_of
from store.database import Connection, translated_errors
from store.registry.registry import ImportCount, lock_registry, upsert_registry
from store.registry.secrets import issue_secrets, logins_without_secret

_FORMS = (COMMUNITIES, HOUSEHOLDS, DEVICES)


def import_files(
    connection: Connection,
    communities: Path | None,
    households: Path | None,
    devices: Path | None,
    *,
    known_plan_items: Collection[str],
    secrets_out: Path | None = None,
) -> ImportCount:
    """Bring the registry to what the CSV files say, in one transaction; a file that is None changes nothing.

    With `secrets_out`, every device of the import that has no secret gets one, and the file, which must not exist,
    is written with mode 600 before the commit: one line `username,secret` a device. Without it no secret is issued:
    one that nobody has seen would be worthless. Such devices are counted in `without_secret` and can't log in until
    the same import is run with `secrets_out`, or their secret is rotated.

    Raises:
        ImportRefusedError: a file can't be used as it is; it holds every problem, and nothing was written.
        DatabaseUnavailableError: the database is away; nothing was written.
    """
    sheets, problems = [], []
    for form, path in zip(_FORMS, (communities, households, devices), strict=True):
        sheet, found = read_sheet(path) if path else (Sheet(form.name), [])
        sheets.append(sheet)
        problems += found
    return _import(connection, sheets, problems, known_plan_items, secrets_out)


def import_rows(
    connection: Connection,
    communities: Iterable[Mapping[str, object]],
    households: Iterable[Mapping[str, object]],
    devices: Iterable[Mapping[str, object]],
    *,
    known_plan_items: Collection[str],
    secrets_out: Path | None = None,
) -> ImportCount:
    """The same as `import_files`, of rows that a program made: one mapping of column to cell for each line.

    Raises:
        ImportRefusedError: a row can't be used as it is; it holds every problem, and nothing was written.
        DatabaseUnavailableError: the database is away; nothing was written.
    """
    sheets = [sheet_of(form, rows) for form, rows in zip(_FORMS, (communities, households, devices), strict=True)]
    return _import(connection, sheets, [], known_plan_items, secrets_out)


def summary(count: ImportCount) -> str:
    """What an import did, in Chinese, for whoever ran it."""
    lines = [
        f"{name}：新增 {change.created}，更新 {change.changed}，未变 {change.unchanged}"
        for name, change in (("小区", count.communities), ("住户", count.households), ("设备", count.devices))
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
    connection: Connection,
    sheets: Iterable[Sheet],
    unread: Collection[Problem],
    known_plan_items: Collection[str],
    secrets_out: Path | None,
) -> ImportCount:
    problems = list(unread)
    tables = []
    for form, sheet in zip(_FORMS, sheets, strict=True):
        table, found = read_table(form, sheet)
        tables.append(table)
        problems += found
    communities, households, devices = tables
    with translated_errors(), connection.transaction():
        lock_registry(connection)
        # What refers to lines that could not be read would be called unknown, though it may well be there.
        if not unread:
            problems += check(communities, households, devices, load_known(connection, devices), known_plan_items)
        if problems:
            raise ImportRefusedError(_in_reading_order(problems, tables))
        count = upsert_registry(connection, communities.rows(), households.rows(), devices.rows())
        return _with_secrets(connection, count, devices, secrets_out)


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


def _write_secrets(path: Path, issued: Mapping[str, str]) -> None:
    """Write them to the disk itself, so that not even a power cut after the commit can lose them.

    Should the commit after this fail, the file stays: that it failed may be unsure, and a secret can't be had twice.
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
            file.writelines(f"{username},{secret}\n" for username, secret in issued.items())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink()
        raise ImportRefusedError([Problem(str(path), None, None, f"无法写入密钥文件：{error.strerror}")]) from error
