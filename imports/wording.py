"""The result of an import in words, for the author of its files."""

from collections.abc import Iterator, Mapping
from typing import Any

from imports.contacts import ContactsResult
from imports.forms import COMMUNITIES, CONTACTS, DEVICES, HOUSEHOLDS, Form
from imports.importer import ImportResult
from store.registry.upsert import RowChange

_SHOWN_NOTES = 20
_FORM_BY_TABLE = {"community": COMMUNITIES, "household": HOUSEHOLDS, "device": DEVICES}


def summary(result: ImportResult, called: ContactsResult | None = None, *, dry_run: bool = False) -> str:
    """Return the result of an import, or of a dry run with each of its changes; `called` is that of contacts."""
    lines = ["试运行：没有写入任何数据。实际导入时会这样改："] if dry_run else []
    lines += map(_describe, result.changes)
    lines += [
        f"{form.zh}：新增 {counts.created}，更新 {counts.changed}，未变 {counts.unchanged}"
        for form, counts in zip(
            (COMMUNITIES, HOUSEHOLDS, DEVICES), (result.communities, result.households, result.devices), strict=True
        )
    ]
    if called:
        counts = called.contacts
        lines.append(
            f"{CONTACTS.zh}：新增 {counts.created}，更新 {counts.changed}，未变 {counts.unchanged}（电话已加密保存）"
        )
    if result.secrets_issued and dry_run:
        lines.append(f"{result.secrets_issued} 台设备会得到密钥")
    elif result.secrets_issued:
        lines.append(f"已为 {result.secrets_issued} 台设备生成密钥并写入文件：密钥只出现这一次，请妥善保管")
    if result.without_secret:
        lines.append(
            f"{result.without_secret} 台设备还没有密钥，无法登录：用 --secrets-out 再导入一次，"
            "或逐台执行 anju secrets rotate 小区/类型/设备"
        )
    notes = [*result.notes, *(called.notes if called else ())]
    lines += [f"提示：{note}" for note in notes[:_SHOWN_NOTES]]
    if len(notes) > _SHOWN_NOTES:
        lines.append(f"提示：……以及另外 {len(notes) - _SHOWN_NOTES} 条")
    return "\n".join(lines)


def _describe(change: RowChange) -> str:
    """Return one change as a line: 更新设备 yangguang / w501：出厂编号 “SN1” → “SN2”."""
    form = _FORM_BY_TABLE[change.table]
    stored_names = [column.stored or column.name for column in form.columns if column.name in form.key]
    name = " / ".join(str(change.after[stored]) for stored in stored_names)
    if not change.before:
        return f"新增{form.zh} {name}"
    verb = "恢复" if change.before.get("withdrawn_at") else "更新"
    details = "，".join(_differences(form, change.before, change.after))
    return f"{verb}{form.zh} {name}" + (f"：{details}" if details else "")


def _differences(form: Form, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for column in form.columns:
        name = column.stored or column.name
        if name in after and after[name] != before[name]:
            yield f"{column.zh[0]} {_shown(before[name])} → {_shown(after[name])}"


def _shown(value: Any) -> str:  # noqa: ANN401 - a JSON value
    if value in {None, ""}:
        return "（空）"
    return {True: "是", False: "否"}[value] if isinstance(value, bool) else f"“{value}”"
