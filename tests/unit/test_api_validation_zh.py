"""Chinese sentences about requests that can't be used."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core.core_schema import ErrorType

from api.alerts import AlertId, AlertsQuery
from api.attention import Assignment, Shelving
from api.devices import DevicesQuery
from api.parameters import Instant
from api.problems import InvalidProblem, Mistake
from api.replacements import Exchange, ReplacementId
from api.rules import BacktestRequest
from api.silences import Announcement
from api.validation_zh import explain_zh

UNTIL = {"until": "2026-07-01T12:00:00+08:00", "reason": "等备件"}


def mistakes(shape: Any, content: object) -> list[str]:
    """Return the sentences about a body or a parameter of the API."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(shape).validate_python(content)
    return [explain_zh(error) for error in caught.value.errors()]


@pytest.mark.parametrize(
    ("shape", "content", "sentence"),
    [
        (Assignment, {}, "没有填写"),
        (Assignment, {"assignee": "李师傅", "to": "王师傅"}, "没有这个参数，请核对名称"),
        (Assignment, {"assignee": " "}, "至少 1 个字"),
        (Assignment, {"assignee": "李" * 101}, "最多 100 个字"),
        (Assignment, {"assignee": 7}, "须是文字"),
        (Assignment, "李师傅", "须是一个 JSON 对象"),
        (Shelving, {**UNTIL, "until": "2026-07-01T12:00:00"}, "须写明日期、时间和时区，例如 2026-11-22T08:00:00+08:00"),
        (Shelving, {**UNTIL, "until": "明天"}, "须写明日期、时间和时区，例如 2026-11-22T08:00:00+08:00"),
        (Instant, "1970-01-01T00:00:00Z", "时间须在 2000 年到 2199 年之间"),
        (AlertId, "17", "编号的格式不对"),
        (AlertsQuery, {"limit": 0}, "不能小于 1"),
        (AlertsQuery, {"limit": 1001}, "不能大于 1000"),
        (AlertsQuery, {"limit": "many"}, "须是整数"),
        (AlertsQuery, {"severity": ["high"]}, "须是其中之一：info、warning、major、critical"),
        (DevicesQuery, {"connection": "lost"}, "须是其中之一：online、offline、unknown"),
        (DevicesQuery, {"simulated": "maybe"}, "须是 true 或 false"),
        (Exchange, {"old_register": "八百"}, "须是数字"),
        (Exchange, {"old_register": float("inf")}, "须是数字"),
        (Exchange, {"old_register": -1}, "不能小于 0"),
        (ReplacementId, 2**63, "须小于 9223372036854775808"),
        (BacktestRequest, {"community": "a", "start": UNTIL["until"], "rules": "water_leak"}, "须是一个列表"),
        (
            Announcement,
            {"ends_at": UNTIL["until"], "reason": "换表"},
            "请至少指定小区、楼栋、设备类型、规则、设备中的一项",
        ),
    ],
)
def test_a_mistake_is_told_in_chinese_with_the_remedy(shape: type[BaseModel], content: object, sentence: str) -> None:
    assert mistakes(shape, content) == [sentence]


@pytest.mark.parametrize("kind", get_args(ErrorType))
def test_any_error_of_the_validator_has_a_chinese_sentence(kind: str) -> None:
    context = dict.fromkeys(("min_length", "max_length", "gt", "ge", "lt", "le"), 1)
    sentence = explain_zh({"type": kind, "msg": "Some English", "ctx": {**context, "expected": "'a' or 'b'"}})
    assert sentence
    assert not sentence.isascii()
    assert "{" not in sentence


def test_a_sentence_names_the_parameter_unless_it_speaks_for_itself() -> None:
    problem = InvalidProblem(
        Mistake(["query", "limit"], "Input should be greater", "greater_than_equal", "不能小于 1"),
        Mistake(["body", "until"], "搁置的截止时间须在现在之后、24 小时之内", "shelving_too_long"),
        Mistake(["query", "severity", 0], "Input should be", "enum", "须是其中之一：info"),
        Mistake(["body", 12], "JSON decode error", "json_invalid", "请求的内容不是合格的 JSON"),
        Mistake(["request"], "holds a value that the database can't take", "value_error", "请核对"),
    )
    content = problem.marshal()
    assert content["detail_zh"].split("；") == [
        "limit：不能小于 1", "搁置的截止时间须在现在之后、24 小时之内", "severity：须是其中之一：info",
        "请求的内容不是合格的 JSON", "请核对",
    ]  # fmt: skip
    assert content["errors"][0]["msg_zh"] == "不能小于 1"
    assert content["detail"].startswith("query limit: Input should be greater; body until: ")
