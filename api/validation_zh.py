"""Chinese sentences about parameters and bodies that can't be used."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_CHINESE = re.compile("[\u4e00-\u9fff]")
_UNUSABLE = "这个值不能用，请核对"
_TIME = "须写明日期、时间和时区，例如 2026-11-22T08:00:00+08:00"
_NUMBER = "须是数字"
_WHOLE_NUMBER = "须是整数"
_YES_NO = "须是 true 或 false"
_OBJECT = "须是一个 JSON 对象"

# By the types of pydantic-core's errors, some of them without the ending; the longest match counts.
_BY_TYPE: Mapping[str, str] = {
    "missing": "没有填写",
    "extra_forbidden": "没有这个参数，请核对名称",
    "string_type": "须是文字",
    "string_too_short": "至少 {min_length} 个字",
    "string_too_long": "最多 {max_length} 个字",
    "greater_than": "须大于 {gt}",
    "greater_than_equal": "不能小于 {ge}",
    "less_than": "须小于 {lt}",
    "less_than_equal": "不能大于 {le}",
    "too_short": "至少选 {min_length} 项",
    "too_long": "最多选 {max_length} 项",
    "union_tag_invalid": "须是其中之一：{expected}",
    "union_tag_not_found": "没有写明要做什么",
    "literal_error": "须是其中之一：{expected}",
    "enum": "须是其中之一：{expected}",
    "uuid": "编号的格式不对",
    "int": _WHOLE_NUMBER,
    "float": _NUMBER,
    "finite_number": _NUMBER,
    "bool": _YES_NO,
    "datetime": _TIME,
    "timezone": _TIME,
    "json": "请求的内容不是合格的 JSON",
    "dict": _OBJECT,
    "model": _OBJECT,
    "list": "须是一个列表",
}


class ParameterError(ValueError):
    """A parameter can't be used; `zh` says why in Chinese."""

    def __init__(self, message: str, zh: str) -> None:
        """Take the sentence in both languages."""
        super().__init__(message)
        self.zh = zh


def explain_zh(error: Mapping[str, Any]) -> str:
    """Return the Chinese sentence for an error of pydantic; a message that is Chinese stays as it is."""
    if _CHINESE.search(error["msg"]):
        return str(error["msg"])
    context = error.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, ParameterError):
        return cause.zh
    kind = max((name for name in _BY_TYPE if _matches(error["type"], name)), key=len, default=None)
    if kind is None:
        return _UNUSABLE
    expected = re.sub(" or |, ", "、", str(context.get("expected") or context.get("expected_tags", ""))).replace(
        "'", ""
    )
    limits = {name: int(limit) for name, limit in context.items() if isinstance(limit, float) and limit.is_integer()}
    return _BY_TYPE[kind].format_map({**context, **limits, "expected": expected})


def about(location: Sequence[str | int], sentence: str) -> str:
    """Return the sentence with the name of the parameter that it is about; a whole body has none."""
    names = [part for part in location[1:] if isinstance(part, str)]
    return f"{names[-1]}：{sentence}" if names else sentence


def _matches(kind: str, name: str) -> bool:
    return kind == name or kind.startswith(f"{name}_")
