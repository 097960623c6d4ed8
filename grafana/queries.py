"""The SQL behind the panels, as text that Grafana expands: its macros (`$__timeFilter`) and variables (`${device}`).

It stands here and not in `store/` because Grafana runs it, with a read-only role, and Anju never does. Every query
names the columns as people read them. The variable `device` holds `community/name`, which reads well in a link and
means the same in every database.
"""

import json
from collections.abc import Iterable, Mapping
from string import Template
from textwrap import dedent

from devices.catalogue import KINDS
from devices.kind import Choice, Counter, DeviceKind, EventField, Field, Flag, Gauge, Personal, Text
from rules.model.labels_zh import FLAG, REJECTION_REASON
from rules.model.virtual_kinds import RULE_KINDS
from store.telemetry.schema import table_name

NO_DATA_PERIODS = 3
"""A device that missed so many reporting periods counts as silent."""

# As arrays, because Grafana writes nothing at all for a variable without a choice, and `IN ()` is an error.
_COMMON = {
    "communities": "ANY (ARRAY[${community:sqlstring}]::text[])",
    # Not EXISTS, which would look anew for each alert: 72 s with 50,000 open ones.
    "suppressed": "a.id IN (SELECT s.alert_id FROM suppression_at(now()) AS s)",
    "key": "d.community || '/' || d.name",
    "place": "concat_ws(' ', nullif(d.building, ''), nullif(d.unit, ''), nullif(d.room, ''))",
    "label": (
        "concat_ws(' ', d.community || '/' || d.name, nullif(d.building, ''), nullif(d.unit, ''), nullif(d.room, ''))"
        " || CASE WHEN d.simulated THEN '（模拟）' ELSE '' END"
    ),
}


class _Sql(Template):
    """Its placeholders begin with @: Grafana's begin with $."""

    delimiter = "@"


def communities() -> str:
    """The options of the variable `community`."""
    return "SELECT name AS __text, id AS __value FROM community ORDER BY name, id"


def devices(kind: DeviceKind) -> str:
    """The options of the variable `device`, narrowed by what the user types, because a kind may have 100,000."""
    return _render(
        """
        SELECT @label AS __text, @key AS __value
        FROM device d
        WHERE d.kind = @kind AND d.community = @communities AND @label ILIKE '%$__searchFilter'
        ORDER BY d.community, d.name
        LIMIT 500
        """,
        kind=_literal(kind.name),
    )


def open_alerts() -> str:
    """One row: the open alerts of each severity, those of Anju itself included; apart, those that are kept quiet."""
    return _render(
        """
        SELECT count(*) FILTER (WHERE severity = 'critical' AND NOT suppressed) AS "紧急",
               count(*) FILTER (WHERE severity = 'major' AND NOT suppressed) AS "重要",
               count(*) FILTER (WHERE severity = 'warning' AND NOT suppressed) AS "一般",
               count(*) FILTER (WHERE severity = 'info' AND NOT suppressed) AS "提示",
               count(*) FILTER (WHERE suppressed) AS "暂不通知"
        FROM (
            SELECT a.severity, @suppressed AS suppressed
            FROM alert a
            WHERE a.process <> 'ended' AND (a.community = @communities OR a.community IS NULL)
        ) AS listed
        """
    )


def alerts(kind: DeviceKind | None = None) -> str:
    """Every open alert and those that began in the time range, open ones first, then the newest.

    Without a kind the alerts about Anju itself, which belong to no community, are among them, and the open ones that
    are kept quiet are not: they stand in `suppressed_alerts`.
    """
    return _render(
        """
        SELECT a.opened_at AS "发生时间", a.severity AS "级别", a.process AS "状态", a.attention AS "处理",
               coalesce(c.name, '安居系统') AS "小区", @zh AS "类型", @place AS "位置", d.name AS "设备",
               a.title AS "报警", a.message AS "说明", a.advice AS "建议", a.assignee AS "负责人",
               a.ended_at AS "结束时间", a.simulated AS "模拟"
        FROM alert a
        LEFT JOIN device d ON d.id = a.device_id
        LEFT JOIN community c ON c.id = a.community
        WHERE (a.process <> 'ended' OR $__timeFilter(a.opened_at)) AND @subject
        ORDER BY a.process = 'ended', a.opened_at DESC
        LIMIT 200
        """,
        zh=_kind_zh(),
        subject=(
            _render("a.kind = @kind AND a.community = @communities", kind=_literal(kind.name))
            if kind
            else _render(
                "(a.community = @communities OR a.community IS NULL) AND (a.process = 'ended' OR NOT @suppressed)"
            )
        ),
    )


def suppressed_alerts() -> str:
    """Every open alert that nobody is told of, one row for each cause: why, who decided it, until when."""
    return _render(
        """
        SELECT s.cause AS "原因", s.detail AS "原因说明", s.actor AS "操作人", s.since AS "开始时间",
               s.until AS "截止时间", a.severity AS "级别", a.process AS "状态",
               coalesce(c.name, '安居系统') AS "小区", @zh AS "类型", @place AS "位置", d.name AS "设备",
               a.title AS "报警", a.opened_at AS "发生时间", a.simulated AS "模拟"
        FROM alert a
        JOIN suppression_at(now()) AS s ON s.alert_id = a.id
        LEFT JOIN device d ON d.id = a.device_id
        LEFT JOIN community c ON c.id = a.community
        WHERE a.process <> 'ended' AND (a.community = @communities OR a.community IS NULL)
        ORDER BY s.since DESC, a.id
        LIMIT 200
        """,
        zh=_kind_zh(),
    )


def fleet(kinds: Iterable[DeviceKind]) -> str:
    """One row a kind: how many devices there are, report in time, are silent, were never heard, are simulated.

    Being heard and being connected are different facts: a device behind a gateway has no connection of its own.
    """
    return _render(
        """
        SELECT k.zh AS "类型", count(d.id) AS "设备总数",
               count(*) FILTER (WHERE s.last_fresh >= now() - k.no_data_after) AS "按时上报",
               count(*) FILTER (WHERE s.last_fresh < now() - k.no_data_after) AS "没有数据",
               count(*) FILTER (WHERE d.id IS NOT NULL AND s.last_fresh IS NULL) AS "从未上报",
               count(*) FILTER (WHERE s.connection = 'online') AS "在线",
               count(*) FILTER (WHERE s.connection = 'offline') AS "离线",
               count(*) FILTER (WHERE d.simulated) AS "其中模拟"
        FROM (VALUES @kinds) AS k (position, name, zh, no_data_after)
        LEFT JOIN device d ON d.kind = k.name AND d.community = @communities
        LEFT JOIN device_state s ON s.device_id = d.id
        GROUP BY k.position, k.zh
        ORDER BY k.position
        """,
        kinds=_kind_rows(kinds),
    )


def devices_without_data() -> str:
    """The devices that once reported and no longer do, the longest silent first."""
    return _render(
        """
        SELECT c.name AS "小区", k.zh AS "类型", @place AS "位置", d.name AS "设备", s.last_fresh AS "最近上报",
               extract(epoch FROM now() - s.last_fresh) AS "无数据时长", s.connection AS "连接", d.simulated AS "模拟"
        FROM device d
        JOIN (VALUES @kinds) AS k (position, name, zh, no_data_after) ON k.name = d.kind
        JOIN device_state s ON s.device_id = d.id
        JOIN community c ON c.id = d.community
        WHERE d.community = @communities AND s.last_fresh < now() - k.no_data_after
        ORDER BY s.last_fresh, d.id
        LIMIT 200
        """,
        kinds=_kind_rows(KINDS),
    )


def readings_per_minute() -> str:
    """How many readings a minute were measured, by kind."""
    per_kind = (
        _render(
            """
            SELECT $__timeGroupAlias(t.ts, $__interval, 0), @zh AS metric, count(*) * 60000.0 / $__interval_ms AS value
            FROM @table t
            WHERE $__timeFilter(t.ts) AND t.device_id IN (SELECT d.id FROM device d WHERE d.community = @communities)
            GROUP BY 1
            """,
            zh=_literal(kind.zh),
            table=_identifier(table_name(kind.name)),
        )
        for kind in KINDS
    )
    return "\nUNION ALL\n".join(per_kind) + "\nORDER BY 1"


def rejections() -> str:
    """How many items were rejected, by reason; those whose topic names no known community are never filtered out."""
    return _render(
        """
        SELECT $__timeGroupAlias(r.hour, $__interval, 0), @reason AS metric, sum(r.count) AS value
        FROM rejection_count r
        WHERE $__timeFilter(r.hour)
          AND (r.community = @communities OR NOT EXISTS (SELECT FROM community c WHERE c.id = r.community))
        GROUP BY 1, 2
        ORDER BY 1
        """,
        reason=_translate("r.reason", REJECTION_REASON),
    )


def gauge(kind: DeviceKind, field: Gauge) -> str:
    """The mean of a gauge in each interval, one series a device."""
    return _series(kind, field, "avg(@column)")


def state(kind: DeviceKind, field: Flag | Choice) -> str:
    """The last state in each interval as a number, one series a device: 0 or 1, or the place among the choices."""
    if isinstance(field, Choice):
        return _series(kind, field, f"last(array_position({_array(field.choices)}, @column), t.ts)")
    return _series(kind, field, "last(@column::int, t.ts)")


def increase(kind: DeviceKind, field: Counter) -> str:
    """How far a counter grew in each interval; a step back (a reset or a rollover) counts as no growth."""
    return _render(
        """
        SELECT $__timeGroupAlias(ts, $__interval, NULL), metric, sum(greatest(reading - previous, 0)) AS value
        FROM (
            SELECT t.ts, @label AS metric, @column AS reading,
                   lag(@column) OVER (PARTITION BY t.device_id ORDER BY t.ts) AS previous
            FROM @table t
            JOIN device d ON d.id = t.device_id
            WHERE $__timeFilter(t.ts) AND @column IS NOT NULL AND @selected
        ) AS step
        WHERE previous IS NOT NULL
        GROUP BY 1, 2
        ORDER BY 1
        """,
        column=_column(field),
        table=_identifier(table_name(kind.name)),
        selected=_selected_devices(kind),
    )


def events(kind: DeviceKind) -> str:
    """The newest events of the chosen devices, their data in words and without the hashes of persons and plates."""
    words = ", ".join(_event_field_text(item) for item in _event_fields(kind))
    return _render(
        """
        SELECT e.ts AS "时间", @label AS "设备", e.event AS "事件", @data AS "内容", e.received_at AS "收到时间"
        FROM event e
        JOIN device d ON d.id = e.device_id
        WHERE $__timeFilter(e.ts) AND @selected
        ORDER BY e.ts DESC
        LIMIT 200
        """,
        data=f"concat_ws('，', {words})" if words else "''",
        selected=_selected_devices(kind),
    )


def _series(kind: DeviceKind, field: Field, aggregate: str) -> str:
    """The fill with NULL makes an interval without data a gap and no straight line across it."""
    column = _column(field)
    return _render(
        """
        SELECT $__timeGroupAlias(t.ts, $__interval, NULL), @label AS metric, @value AS value
        FROM @table t
        JOIN device d ON d.id = t.device_id
        WHERE $__timeFilter(t.ts) AND @column IS NOT NULL AND @selected
        GROUP BY 1, 2
        ORDER BY 1
        """,
        value=_render(aggregate, column=column),
        column=column,
        table=_identifier(table_name(kind.name)),
        selected=_selected_devices(kind),
    )


def _selected_devices(kind: DeviceKind) -> str:
    return _render(
        "d.kind = @kind AND d.community = @communities AND @key = ANY (ARRAY[${device:sqlstring}]::text[])",
        kind=_literal(kind.name),
    )


def _render(text: str, **parts: str) -> str:
    """The SQL with its parts in place; a part that is not known is a KeyError."""
    return _Sql(dedent(text).strip()).substitute(_COMMON | parts)


def _kind_rows(kinds: Iterable[DeviceKind]) -> str:
    return ", ".join(
        f"({position}, {_literal(kind.name)}, {_literal(kind.zh)},"
        f" interval '{NO_DATA_PERIODS * kind.reporting_period.total_seconds():.0f} seconds')"
        for position, kind in enumerate(kinds)
    )


def _event_fields(kind: DeviceKind) -> tuple[EventField, ...]:
    """Each field of the kind's events once: a name that two events share means the same in both."""
    return tuple({item.name: item for event in kind.events for item in event.data}.values())


def _event_field_text(item: EventField) -> str:
    """`label：value`, or NULL where the event does not carry the field."""
    value = f"(e.data ->> {_literal(item.name)})"
    match item:
        case Personal():
            value = f"(e.data ->> {_literal(f'{item.name}_masked')})"
        case Choice():
            value = _translate(value, item.choices)
        case Flag():
            value = _translate(value, {"true": FLAG[True], "false": FLAG[False]})
        case Gauge() | Counter() if item.unit != "1":
            value = f"{value} || {_literal(f' {item.unit}')}"
        case Gauge() | Counter() | Text():
            pass
    return f"{_literal(f'{item.zh}：')} || {value}"


def _kind_zh() -> str:
    return _translate("a.kind", {kind.name: kind.zh for kind in RULE_KINDS.values()})


def _translate(column: str, words: Mapping[str, str]) -> str:
    """A text column in Chinese; a value without a translation stays as it is."""
    return f"coalesce({_literal(json.dumps(words, ensure_ascii=False))}::jsonb ->> {column}, {column})"


def _column(field: Field) -> str:
    return f"t.{_identifier(field.name)}"


def _array(values: Iterable[str]) -> str:
    return f"ARRAY[{', '.join(map(_literal, values))}]"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
