"""Dashboards: an overview, and one page for each device kind, made from its definition."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from devices.catalogue import KINDS
from devices.kind import Choice, Counter, DeviceKind, Flag, Gauge
from devices.local_time import CITY
from grafana import panels, queries
from grafana.datasource import REFERENCE
from grafana.sdk import (
    Builder,
    Dashboard,
    DashboardCursorSync,
    DashboardLink,
    DashboardLinkType,
    DashboardModel,
    JSONEncoder,
    PanelModel,
    QueryVariable,
    Row,
    StateTimelinePanel,
    StatPanel,
    TablePanel,
    TimeSeriesPanel,
    VariableOption,
    VariableRefresh,
)

FOLDER_UID = "anju"
FOLDER_TITLE = "安居"
OVERVIEW_UID = "anju-overview"
_TAG = "anju"
_ALL = VariableOption(selected=True, text=["All"], value=["$__all"])

_AnyPanel = TypeVar("_AnyPanel", StatPanel, TablePanel, TimeSeriesPanel, StateTimelinePanel)


@dataclass(frozen=True)
class Page:
    """Dashboard as stored by Grafana, in JSON values."""

    uid: str
    content: dict[str, Any]


def pages() -> tuple[Page, ...]:
    """Return all dashboards, the overview first; the same definitions give the same content."""
    return (_overview(), *map(_kind_page, KINDS))


def kind_uid(kind: DeviceKind) -> str:
    """Return the uid of the page of a kind. It never changes, since links and bookmarks contain it."""
    return f"anju-{kind.name}"


def _overview() -> Page:
    dashboard = _dashboard("物业总览").with_variable(_community())
    alerts = [_with_size(panels.open_alerts_panel(), 24, 4), _with_size(panels.alerts_panel(), 24, 11)]
    _add_row(dashboard, "报警", [*alerts, _with_size(panels.suppressed_alerts_panel(), 24, 8)])
    fleet = [_with_size(panels.fleet_table(KINDS), 12, 12), _with_size(panels.devices_without_data_panel(), 12, 12)]
    _add_row(dashboard, "设备", fleet)
    _add_row(
        dashboard, "数据", [_with_size(panels.readings_panel(), 12, 9), _with_size(panels.rejections_panel(), 12, 9)]
    )
    return _page(OVERVIEW_UID, dashboard)


def _kind_page(kind: DeviceKind) -> Page:
    dashboard = _dashboard(kind.zh).with_variable(_community()).with_variable(_device(kind))
    _add_row(dashboard, "概况", [_with_size(panels.fleet_stat(kind), 24, 4)])
    gauges = [panels.gauge_panel(kind, item) for item in kind.fields if isinstance(item, Gauge)]
    counters = [panels.increase_panel(kind, item) for item in kind.fields if isinstance(item, Counter)]
    states = [panels.state_panel(kind, item) for item in kind.fields if isinstance(item, Flag | Choice)]
    _add_row(dashboard, "测量值", [_with_size(panel, 12, 8) for panel in gauges])
    _add_row(dashboard, "用量与次数", [_with_size(panel, 12, 8) for panel in counters])
    _add_row(dashboard, "状态", [_with_size(panel, 12, 6) for panel in states])
    records = [_with_size(panels.events_panel(kind), 24, 9), _with_size(panels.alerts_panel(kind), 24, 9)]
    _add_row(dashboard, "事件与报警", records)
    return _page(kind_uid(kind), dashboard)


def _dashboard(title: str) -> Dashboard:
    """Make a dashboard that is read-only in the browser: `anju grafana apply` would revert changes made there."""
    link = DashboardLink("安居页面").type(DashboardLinkType.DASHBOARDS).tags([_TAG]).as_dropdown(True)
    return (
        Dashboard(title)
        .tags([_TAG])
        .readonly()
        .timezone(CITY.key)
        .week_start("monday")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-24h", "now")
        .refresh("1m")
        .link(link.include_vars(True).keep_time(True))
    )


def _community() -> QueryVariable:
    return (
        QueryVariable("community")
        .label("小区")
        .datasource(REFERENCE)
        .query(queries.communities())
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        .allow_custom_value(False)
        .multi(True)
        .include_all(True)
        .current(_ALL)
    )


def _device(kind: DeviceKind) -> QueryVariable:
    """Make the variable of devices without a choice of all: a city has 100,000 meters of a kind."""
    return (
        QueryVariable("device")
        .label("设备")
        .description("输入编号或位置可以搜索；列表最多显示 500 台。")
        .datasource(REFERENCE)
        .query(queries.devices(kind))
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        .allow_custom_value(False)
        .multi(True)
    )


def _with_size(panel: _AnyPanel, width: int, height: int) -> _AnyPanel:
    return panel.span(width).height(height)


def _add_row(dashboard: Dashboard, title: str, content: Sequence[Builder[PanelModel]]) -> None:
    """Add a row of panels, unless it is empty: a kind without counters has no row for them."""
    if not content:
        return
    dashboard.with_row(Row(title))
    for panel in content:
        dashboard.with_panel(panel)


def _page(uid: str, dashboard: Dashboard) -> Page:
    model = dashboard.uid(uid).build()
    for number, panel in enumerate(model.panels or [], start=1):
        panel.id_val = number
    return Page(uid, _as_json(model))


def _as_json(model: DashboardModel) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(model, cls=JSONEncoder))
    return plain
