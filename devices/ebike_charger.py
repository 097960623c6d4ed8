"""Charging cabinet or rack for electric bicycles."""

from datetime import timedelta

from devices.kind import Choice, Counter, DeviceKind, Event, Flag, Gauge, Interval, Text

_PORT = Gauge("port", "1", Interval(1, 64), "端口", "port number")

EBIKE_CHARGER = DeviceKind(
    name="ebike_charger",
    zh="电动自行车充电桩",
    en="e-bike charger",
    fields=(
        Choice(
            "status",
            {
                "available": "空闲",
                "charging": "充电中",
                "full": "占满",
                "unavailable": "停用",
                "faulted": "故障",
            },
            "状态",
            "status",
        ),
        Gauge("ports_in_use", "个", Interval(0, 64), "使用中端口", "ports in use"),
        Gauge("ports_faulted", "个", Interval(0, 64), "故障端口", "ports faulted"),
        Gauge("power_w", "W", Interval(0, 100_000), "总功率", "power"),
        Gauge("port_current_max_a", "A", Interval(0, 64), "最大端口电流", "highest port current"),
        Counter("energy_kwh", "kWh", 1_000_000, "累计充电量", "energy delivered", per_hour=100, backward=0.1),
        Gauge("battery_temperature_c", "℃", Interval(-50, 400), "最高电池温度", "highest battery temperature"),
        Gauge("cabinet_temperature_c", "℃", Interval(-50, 250), "柜内温度", "cabinet temperature"),
        Flag("smoke", "烟雾", "smoke detected"),
    ),
    events=(
        Event("session_started", "开始充电", "session started", (_PORT,)),
        Event(
            "session_stopped",
            "结束充电",
            "session stopped",
            (
                _PORT,
                Gauge("energy_kwh", "kWh", Interval(0, 20), "本次电量", "energy of the session"),
                Text("reason", "结束原因", "stop reason"),
            ),
        ),
        Event("over_temperature", "温度过高", "over-temperature", (_PORT,)),
        Event("smoke_detected", "烟雾报警", "smoke detected"),
        Event("smoke_cleared", "烟雾解除", "smoke cleared"),
        Event("port_overcurrent", "端口过流", "port overcurrent", (_PORT,)),
        Event("short_circuit", "短路", "short circuit", (_PORT,)),
        Event("fault_cleared", "故障恢复", "fault cleared"),
    ),
    reporting_period=timedelta(minutes=1),
    plan_items=("improved.charging.ebike",),
    standards=("GB/T 42236.1",),
)
