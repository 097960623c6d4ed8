"""SQL of the panels, with the macros (`$__timeFilter`) and variables (`${device}`) of Grafana.

It stands here and not in `store/` because Grafana runs it, with a read-only role, and Anju never does. Every query
names its columns in Chinese, as displayed. The variable `device` holds `community/name`, which is readable in a link
and means the same in every database.
"""

import json
from collections.abc import Iterable, Mapping
from string import Template
from textwrap import dedent

from devices.catalogue import KINDS
from devices.kind import Choice, Counter, DeviceKind, EventField, Field, Flag, Gauge, Personal, Text
from devices.schema import REASON_ZH
from rules.model.labels_zh import FLAG
from rules.model.virtual_kinds import RULE_KINDS
from store.telemetry.schema import table_name

_PLACE = "compose_place(d.building, d.unit, d.room, d.location)"
# As arrays: Grafana expands a variable without a choice to nothing, and `IN ()` is an error.
_COMMON = {
    "communities": "ANY (ARRAY[${community:sqlstring}]::text[])",
    # IN instead of EXISTS, which would run for each alert: 72 s with 50,000 open alerts.
    "suppressed": "a.id IN (SELECT s.alert_id FROM suppression_at(now()) AS s)",
    # While ingest is behind or away, no device counts as silent: as in `store.registry.communities.count_devices`.
    "reports": (
        "(coalesce(s.last_fresh, s.last_ts)"
        " >= (SELECT least(now(), max(present_at)) FROM partition_report) - k.no_data_after)"
    ),
    "key": "d.community || '/' || d.name",
    "place": _PLACE,
    # An alert about several devices of a building has no device.
    "alert_place": (
        "compose_place(coalesce(d.building, a.building, ''), coalesce(d.unit, ''), coalesce(d.room, ''),"
        " coalesce(d.location, ''))"
    ),
    "label": (
        f"concat_ws(' ', c.name, nullif({_PLACE}, '')) || '（' || d.name"
        " || CASE WHEN d.simulated THEN '，模拟）' ELSE '）' END"
    ),
}


class _Sql(Template):
    """Template with placeholders that begin with @, since those of Grafana begin with $."""

    delimiter = "@"


def communities() -> str:
    """Return the options of the variable `community`."""
    return "SELECT name AS __text, id AS __value FROM community ORDER BY name, id"


def devices(kind: DeviceKind) -> str:
    """Return the options of the variable `device`, filtered by the typed text: a kind may have 100,000 devices."""
    return _render(
        """
        SELECT @label AS __text, @key AS __value
        FROM device d
        JOIN community c ON c.id = d.community
        WHERE d.kind = @kind AND d.community = @communities AND d.withdrawn_at IS NULL
          AND @label ILIKE '%$__searchFilter'
        ORDER BY d.community, d.name
        LIMIT 500
        """,
        kind=_literal(kind.name),
    )


def open_alerts() -> str:
    """Return one row: open alerts by severity, alerts about Anju itself included, and the suppressed ones apart."""
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
    """Return all open alerts and those opened in the time range, open ones first, then the newest.

    Without a kind, the list includes alerts about Anju itself, which belong to no community. It then excludes open
    suppressed alerts, which `suppressed_alerts` lists.
    """
    return _render(
        """
        SELECT a.opened_at AS "发生时间", a.severity AS "级别", a.process AS "状态", a.attention AS "处理",
               coalesce(c.name, '平台') AS "小区", @zh AS "类型", @alert_place AS "位置", d.name AS "设备",
               a.title AS "报警", a.message AS "说明", a.advice AS "怎么办", a.assignee AS "负责人",
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
    """Return all open suppressed alerts, one row for each cause with its reason, actor and end."""
    return _render(
        """
        SELECT s.cause AS "原因", s.detail AS "原因说明", s.actor AS "操作人", s.since AS "开始时间",
               s.until AS "截止时间", a.severity AS "级别", a.process AS "状态",
               coalesce(c.name, '平台') AS "小区", @zh AS "类型", @alert_place AS "位置", d.name AS "设备",
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
    """Return one row for each kind: devices in total, reporting, silent, never heard, out of service, simulated."""
    return _render(
        """
        SELECT k.zh AS "类型", count(d.id) AS "设备总数",
               count(*) FILTER (WHERE d.service = 'in_service' AND @reports) AS "按时上报",
               count(*) FILTER (
                   WHERE d.service = 'in_service' AND s.last_seen IS NOT NULL AND @reports IS NOT TRUE
               ) AS "没有数据",
               count(*) FILTER (WHERE d.service = 'in_service' AND s.last_seen IS NULL) AS "从未上报",
               count(*) FILTER (WHERE d.service <> 'in_service') AS "不在用",
               count(*) FILTER (WHERE d.simulated) AS "其中模拟"
        FROM (VALUES @kinds) AS k (position, name, zh, no_data_after)
        LEFT JOIN device d ON d.kind = k.name AND d.community = @communities AND d.withdrawn_at IS NULL
        LEFT JOIN device_state s ON s.device_id = d.id
        GROUP BY k.position, k.zh
        ORDER BY k.position
        """,
        kinds=_kind_rows(kinds),
    )


def devices_without_data() -> str:
    """Return the silent devices, the longest gap first, devices without any usable data last."""
    return _render(
        """
        SELECT c.name AS "小区", k.zh AS "类型", @place AS "位置", d.name AS "设备", s.last_fresh AS "最近上报",
               extract(epoch FROM now() - s.last_fresh) AS "没有数据时长", s.connection AS "连接", d.simulated AS "模拟"
        FROM device d
        JOIN (VALUES @kinds) AS k (position, name, zh, no_data_after) ON k.name = d.kind
        JOIN device_state s ON s.device_id = d.id
        JOIN community c ON c.id = d.community
        WHERE d.community = @communities AND d.withdrawn_at IS NULL AND d.service = 'in_service'
          AND @reports IS NOT TRUE
        ORDER BY s.last_fresh, d.id
        LIMIT 200
        """,
        kinds=_kind_rows(KINDS),
    )


def readings_per_minute() -> str:
    """Return the readings per minute of measurement, by kind."""
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
    """Return the rejections by reason; those without a known community pass every filter."""
    return _render(
        """
        SELECT $__timeGroupAlias(r.hour, $__interval, 0), @reason AS metric, sum(r.count) AS value
        FROM rejection_count r
        WHERE $__timeFilter(r.hour)
          AND (r.community = @communities OR NOT EXISTS (SELECT FROM community c WHERE c.id = r.community))
        GROUP BY 1, 2
        ORDER BY 1
        """,
        reason=_translate("r.reason", REASON_ZH),
    )


def gauge(kind: DeviceKind, field: Gauge) -> str:
    """Return the mean of a gauge in each interval, one series for each device."""
    return _series(kind, field, f"round(avg(@column)::numeric, {field.decimals + 2})::double precision")


def state(kind: DeviceKind, field: Flag | Choice) -> str:
    """Return the last state in each interval, one series for each device: 0 or 1, or the position of the choice."""
    if isinstance(field, Choice):
        return _series(kind, field, f"last(array_position({_array(field.choices)}, @column), t.ts)")
    return _series(kind, field, "last(@column::int, t.ts)")


def increase(kind: DeviceKind, field: Counter) -> str:
    """Return the consumption of a counter in each interval, by the one definition of the database."""
    return _render(
        """
        SELECT used.bucket AS "time", @label AS metric, used.increase AS value
        FROM consumption(
            @kind, @field, @modulus, @per_hour, @backward, @decimals,
            ARRAY(SELECT d.id FROM device d WHERE @selected),
            $__timeFrom()::timestamptz, $__timeTo()::timestamptz, make_interval(secs => $__interval_ms / 1000.0)
        ) AS used
        JOIN device d ON d.id = used.device_id
        JOIN community c ON c.id = d.community
        WHERE used.increase IS NOT NULL
        ORDER BY 1
        """,
        kind=_literal(kind.name),
        field=_literal(field.name),
        modulus=str(field.modulus),
        per_hour=str(field.per_hour),
        backward=str(field.backward),
        decimals=str(field.decimals),
        selected=_selected_devices(kind),
    )


def events(kind: DeviceKind) -> str:
    """Return the newest events of the selected devices, with data in Chinese, without hashes of persons and plates."""
    words = ", ".join(_event_field_text(item) for item in _event_fields(kind))
    return _render(
        """
        SELECT e.ts AS "时间", @label AS "设备", e.event AS "事件", @data AS "内容", e.received_at AS "收到时间"
        FROM event_without_hashes e
        JOIN device d ON d.id = e.device_id
        JOIN community c ON c.id = d.community
        WHERE $__timeFilter(e.ts) AND @selected
        ORDER BY e.ts DESC
        LIMIT 200
        """,
        data=f"concat_ws('，', {words})" if words else "''",
        selected=_selected_devices(kind),
    )


def _series(kind: DeviceKind, field: Field, aggregate: str) -> str:
    """Return one series for each device; filling with NULL makes an interval without data a gap."""
    column = _column(field)
    return _render(
        """
        SELECT $__timeGroupAlias(t.ts, $__interval, NULL), @label AS metric, @value AS value
        FROM @table t
        JOIN device d ON d.id = t.device_id
        JOIN community c ON c.id = d.community
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
    """Fill the placeholders of an SQL template; an unknown one raises `KeyError`."""
    return _Sql(dedent(text).strip()).substitute(_COMMON | parts)


def _kind_rows(kinds: Iterable[DeviceKind]) -> str:
    return ", ".join(
        f"({position}, {_literal(kind.name)}, {_literal(kind.zh)},"
        f" interval '{kind.no_data_after.total_seconds():.0f} seconds')"
        for position, kind in enumerate(kinds)
    )


def _event_fields(kind: DeviceKind) -> tuple[EventField, ...]:
    """Return the fields of all events of a kind, each name once: it means the same in every event."""
    return tuple({item.name: item for event in kind.events for item in event.data}.values())


def _event_field_text(item: EventField) -> str:
    """Return SQL for `label：value`, or NULL if the event lacks the field."""
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
    """Return SQL that translates a text column; a value without a translation stays as it is."""
    return f"coalesce({_literal(json.dumps(words, ensure_ascii=False))}::jsonb ->> {column}, {column})"


def _column(field: Field) -> str:
    return f"t.{_identifier(field.name)}"


def _array(values: Iterable[str]) -> str:
    return f"ARRAY[{', '.join(map(_literal, values))}]"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
