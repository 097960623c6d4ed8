"""Parts of Grafana's foundation SDK for building dashboards.

The classic dashboard model is used on purpose: file provisioning and HTTP API accept it in every Grafana from 11 on.
The SDK announces its successor with a DeprecationWarning on import, so the import stands here, once.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders.common import (
        ReduceDataOptions,
        StackingConfig,
        VizLegendOptions,
        VizTooltipOptions,
    )
    from grafana_foundation_sdk.builders.dashboard import (
        Dashboard,
        DashboardLink,
        FieldColor,
        QueryVariable,
        Row,
        ThresholdsConfig,
    )
    from grafana_foundation_sdk.builders.stat import Panel as StatPanel
    from grafana_foundation_sdk.builders.statetimeline import Panel as StateTimelinePanel
    from grafana_foundation_sdk.builders.table import Panel as TablePanel
    from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeriesPanel
    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.variants import Dataquery
    from grafana_foundation_sdk.models.common import (
        BigValueColorMode,
        BigValueGraphMode,
        DataSourceRef,
        GraphDrawStyle,
        LegendDisplayMode,
        LegendPlacement,
        StackingMode,
        TooltipDisplayMode,
        VisibilityMode,
    )
    from grafana_foundation_sdk.models.dashboard import Dashboard as DashboardModel
    from grafana_foundation_sdk.models.dashboard import (
        DashboardCursorSync,
        DashboardLinkType,
        DynamicConfigValue,
        FieldColorModeId,
        Threshold,
        ValueMap,
        ValueMappingResult,
        VariableOption,
        VariableRefresh,
    )
    from grafana_foundation_sdk.models.dashboard import Panel as PanelModel

__all__ = [
    "BigValueColorMode",
    "BigValueGraphMode",
    "Builder",
    "Dashboard",
    "DashboardCursorSync",
    "DashboardLink",
    "DashboardLinkType",
    "DashboardModel",
    "DataSourceRef",
    "Dataquery",
    "DynamicConfigValue",
    "FieldColor",
    "FieldColorModeId",
    "GraphDrawStyle",
    "JSONEncoder",
    "LegendDisplayMode",
    "LegendPlacement",
    "PanelModel",
    "QueryVariable",
    "ReduceDataOptions",
    "Row",
    "StackingConfig",
    "StackingMode",
    "StatPanel",
    "StateTimelinePanel",
    "TablePanel",
    "Threshold",
    "ThresholdsConfig",
    "TimeSeriesPanel",
    "TooltipDisplayMode",
    "ValueMap",
    "ValueMappingResult",
    "VariableOption",
    "VariableRefresh",
    "VisibilityMode",
    "VizLegendOptions",
    "VizTooltipOptions",
]
