"""Panels of the dashboards, each with its query."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from devices.kind import NO_DATA_PERIODS, Choice, Counter, DeviceKind, Flag, Gauge
from grafana import queries
from grafana.datasource import REFERENCE
from grafana.labels import ATTENTION, CONNECTION, CONNECTION_EVENT, PROCESS, SEVERITY, SIMULATED, SUPPRESSION, Label
from grafana.sdk import (
    BigValueColorMode,
    BigValueGraphMode,
    Builder,
    Dataquery,
    DynamicConfigValue,
    FieldColor,
    FieldColorModeId,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    ReduceDataOptions,
    StackingConfig,
    StackingMode,
    StateTimelinePanel,
    StatPanel,
    TablePanel,
    Threshold,
    ThresholdsConfig,
    TimeSeriesPanel,
    TooltipDisplayMode,
    ValueMap,
    ValueMappingResult,
    VisibilityMode,
    VizLegendOptions,
    VizTooltipOptions,
)
from rules.model.labels_zh import FLAG

_GRAFANA_UNITS = {
    "1": "none",
    "%": "percent",
    "A": "amp",
    "Hz": "hertz",
    "V": "volt",
    "W": "watt",
    "dBm": "dBm",
    "kW": "kwatt",
    "kWh": "kwatth",
    "kPa": "pressurekpa",
    "kbit/s": "Kbits",
    "m³": "m3",
    "s": "s",
    "℃": "celsius",
}
_STATE_COLOURS = ("green", "blue", "orange", "purple", "yellow", "semi-dark-blue", "light-green", "dark-purple", "red")


@dataclass(frozen=True)
class SqlQuery(Dataquery, Builder[Dataquery]):
    """Query of the PostgreSQL data source, for which the SDK has no model."""

    sql: str
    format: Literal["time_series", "table"]

    def build(self) -> Dataquery:
        """Return the query, which is its own model."""
        return self

    def to_json(self) -> dict[str, object]:
        """Return the query in the format of the data source's editor."""
        return {
            "datasource": REFERENCE,
            "editorMode": "code",
            "format": self.format,
            "rawQuery": True,
            "rawSql": self.sql,
            "refId": "A",
        }


def open_alerts_panel() -> StatPanel:
    """Return the panel of open alerts: one number for each severity, and the number of suppressed ones."""
    panel = _stat("未结束的报警", queries.open_alerts()).description(
        f"暂不通知：{'、'.join(label.text for label in SUPPRESSION.values())}的报警，不计入各级别。"
    )
    for label in SEVERITY.values():
        steps = [Threshold(color="green"), Threshold(value=1, color=label.colour)]
        panel = panel.override_by_name(
            label.text, [DynamicConfigValue("thresholds", ThresholdsConfig().steps(steps).build())]
        )
    return panel


def alerts_panel(kind: DeviceKind | None = None) -> TablePanel:
    """Return the table of the newest alerts, of one kind or of all."""
    panel = _table("报警", queries.alerts(kind)).description(
        "所选时间内发生的报警，以及所有尚未结束的报警（最多 200 条）。"
    )
    panel = _with_labels(panel, {"级别": SEVERITY, "状态": PROCESS, "处理": ATTENTION, "模拟": SIMULATED})
    return _with_widths(
        panel, {"发生时间": 160, "级别": 70, "状态": 80, "处理": 80, "说明": 320, "怎么办": 320, "模拟": 60}
    )


def suppressed_alerts_panel() -> TablePanel:
    """Return the table of open suppressed alerts with their causes."""
    panel = _table("暂不通知的报警", queries.suppressed_alerts()).description(
        "尚未结束、但现在不发通知的报警，每个原因一行（最多 200 条）；系统照常判断。"
    )
    panel = _with_labels(panel, {"原因": SUPPRESSION, "级别": SEVERITY, "状态": PROCESS, "模拟": SIMULATED})
    return _with_widths(
        panel, {"原因": 130, "开始时间": 160, "截止时间": 160, "级别": 70, "状态": 80, "发生时间": 160, "模拟": 60}
    )


def fleet_stat(kind: DeviceKind) -> StatPanel:
    """Return the panel of the present state of the devices of one kind."""
    panel = _stat(f"{kind.zh}现状", queries.fleet([kind])).description(_FLEET_DESCRIPTION)
    return _warn_of_missing_data(panel)


def fleet_table(kinds: Iterable[DeviceKind]) -> TablePanel:
    """Return the table of the present state of the devices, one row for each kind."""
    return _table("设备现状", queries.fleet(kinds)).description(_FLEET_DESCRIPTION)


def devices_without_data_panel() -> TablePanel:
    """Return the table of devices without data."""
    panel = _table("没有数据的设备", queries.devices_without_data()).description(
        f"收到过消息、但已超过 {NO_DATA_PERIODS} 个上报周期没有新数据的设备，时间最长的在前（最多 200 台）。"
    )
    panel = panel.override_by_name("没有数据时长", [DynamicConfigValue("unit", "s")])
    return _with_labels(panel, {"连接": CONNECTION, "模拟": SIMULATED})


def readings_panel() -> TimeSeriesPanel:
    """Return the chart of readings per minute by kind, over one hour: counting the rows of a city is expensive."""
    panel = _series("每分钟读数", queries.readings_per_minute(), timedelta(minutes=1))
    return panel.description("按设备的测量时间统计，最近 1 小时。").time_from("1h").unit("none").fill_opacity(10)


def rejections_panel() -> TimeSeriesPanel:
    """Return the chart of rejections by reason."""
    panel = _bars("被拒收的数据", queries.rejections(), timedelta(hours=1))
    return panel.description("按原因统计，每小时一格；主题里没有已知小区的也计算在内。").unit("none").decimals(0)


def gauge_panel(kind: DeviceKind, field: Gauge) -> TimeSeriesPanel:
    """Return the chart of a gauge."""
    panel = _series(field.zh, queries.gauge(kind, field), kind.reporting_period)
    return panel.unit(grafana_unit(field.unit)).description(f"{field.name}：每格的平均值。")


def increase_panel(kind: DeviceKind, field: Counter) -> TimeSeriesPanel:
    """Return the chart of the increase of a counter."""
    panel = _bars(f"{field.zh}（增量）", queries.increase(kind, field), kind.reporting_period)
    return panel.unit(grafana_unit(field.unit)).description(
        f"{field.name}：每格内的用量或次数；跨过翻转和登记过的换表，清零和误读不算。"
    )


def state_panel(kind: DeviceKind, field: Flag | Choice) -> StateTimelinePanel:
    """Return the timeline of a state, with gaps where no data arrived."""
    return (
        StateTimelinePanel()
        .title(field.zh)
        .description(f"{field.name}：每格最后的状态；空白表示没有上报。")
        .datasource(REFERENCE)
        .with_target(SqlQuery(queries.state(kind, field), "time_series"))
        .interval(_interval(kind.reporting_period))
        .span_nulls(_max_gap_ms(kind.reporting_period))
        .mappings([_value_map(_state_labels(field))])
        .show_value(VisibilityMode.AUTO)
        .legend(_legend())
        .color_scheme(FieldColor().mode(FieldColorModeId.FIXED).fixed_color("text"))
    )


def events_panel(kind: DeviceKind) -> TablePanel:
    """Return the table of the newest events of the selected devices."""
    panel = _table("事件", queries.events(kind)).description("所选设备在所选时间内的事件（最多 200 条）。")
    labels = CONNECTION_EVENT | {event.name: Label(event.zh, "text") for event in kind.events}
    return _with_widths(_with_labels(panel, {"事件": labels}), {"时间": 160, "收到时间": 160, "事件": 160})


_FLEET_DESCRIPTION = (
    f"没有数据：收到过消息，但超过 {NO_DATA_PERIODS} 个上报周期没有新数据。从未上报：一条消息也没有收到过。"
    "不在用：调试、停用或报废的设备。"
)


def _stat(title: str, sql: str) -> StatPanel:
    return (
        StatPanel()
        .title(title)
        .datasource(REFERENCE)
        .with_target(SqlQuery(sql, "table"))
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).fields("/^(?!类型$)/").values(False))
        .thresholds(ThresholdsConfig().steps([Threshold(color="text")]))
    )


def _warn_of_missing_data(panel: StatPanel) -> StatPanel:
    warning = ThresholdsConfig().steps([Threshold(color="green"), Threshold(value=1, color="orange")]).build()
    for column in ("没有数据", "从未上报"):
        panel = panel.override_by_name(column, [DynamicConfigValue("thresholds", warning)])
    return panel


def _table(title: str, sql: str) -> TablePanel:
    return TablePanel().title(title).datasource(REFERENCE).with_target(SqlQuery(sql, "table")).filterable(True)


def _series(title: str, sql: str, period: timedelta) -> TimeSeriesPanel:
    return (
        TimeSeriesPanel()
        .title(title)
        .datasource(REFERENCE)
        .with_target(SqlQuery(sql, "time_series"))
        .interval(_interval(period))
        .span_nulls(_max_gap_ms(period))
        .legend(_legend())
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )


def _bars(title: str, sql: str, period: timedelta) -> TimeSeriesPanel:
    return (
        _series(title, sql, period)
        .span_nulls(False)
        .draw_style(GraphDrawStyle.BARS)
        .fill_opacity(70)
        .stacking(StackingConfig().mode(StackingMode.NORMAL))
    )


def grafana_unit(unit: str) -> str:
    """Return Grafana's id of a unit; a unit unknown to Grafana becomes a suffix of the number."""
    return _GRAFANA_UNITS.get(unit, f"suffix: {unit}")


def _legend() -> VizLegendOptions:
    return (
        VizLegendOptions()
        .show_legend(True)
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
    )  # fmt: skip


def _interval(period: timedelta) -> str:
    """Return the minimum interval, the reporting period: shorter ones would often be empty."""
    return f"{period.total_seconds():.0f}s"


def _max_gap_ms(period: timedelta) -> int:
    """Return the longest gap that a line bridges: the limit for a device without data."""
    return int(period / timedelta(milliseconds=1)) * NO_DATA_PERIODS


def _state_labels(field: Flag | Choice) -> dict[str, Label]:
    """Return the labels of the numbers from `queries.state`."""
    if isinstance(field, Flag):
        return {"0": Label(FLAG[False], "text"), "1": Label(FLAG[True], "blue")}
    return {
        str(position): Label(label, _STATE_COLOURS[(position - 1) % len(_STATE_COLOURS)])
        for position, label in enumerate(field.choices.values(), start=1)
    }


def _value_map(labels: Mapping[str, Label]) -> ValueMap:
    return ValueMap(
        {
            value: ValueMappingResult(text=label.text, color=label.colour, index=index)
            for index, (value, label) in enumerate(labels.items())
        }
    )


def _with_labels(panel: TablePanel, columns: Mapping[str, Mapping[str, Label]]) -> TablePanel:
    for column, labels in columns.items():
        panel = panel.override_by_name(
            column,
            [
                DynamicConfigValue("mappings", [_value_map(labels)]),
                DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            ],
        )
    return panel


def _with_widths(panel: TablePanel, widths: Mapping[str, int]) -> TablePanel:
    for column, width in widths.items():
        panel = panel.override_by_name(column, [DynamicConfigValue("custom.width", width)])
    return panel
