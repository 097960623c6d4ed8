"""Charging point for electric cars, one connector."""

from datetime import timedelta

from devices.kind import Choice, Counter, DeviceKind, Event, Gauge, Interval, Text

EV_CHARGER = DeviceKind(
    name="ev_charger",
    zh="汽车充电桩",
    en="EV charger",
    fields=(
        Choice(
            "status",
            {
                "available": "空闲",
                "preparing": "准备中",
                "charging": "充电中",
                "suspended_ev": "车辆暂停",
                "suspended_evse": "桩暂停",
                "finishing": "结束中",
                "reserved": "已预约",
                "unavailable": "停用",
                "faulted": "故障",
            },
            "状态",
            "connector status",
        ),
        Gauge("power_kw", "kW", Interval(0, 500), "充电功率", "charging power"),
        Counter("energy_kwh", "kWh", 10_000_000, "累计充电量", "energy delivered", per_hour=1_000, backward=0.1),
        Gauge("voltage_v", "V", Interval(0, 1_500), "电压", "voltage"),
        Gauge("current_a", "A", Interval(0, 600), "电流", "current"),
        Gauge("connector_temperature_c", "℃", Interval(-50, 250), "枪头温度", "connector temperature"),
    ),
    events=(
        Event("session_started", "开始充电", "session started", (Text("session", "订单号", "session id"),)),
        Event(
            "session_stopped",
            "结束充电",
            "session stopped",
            (
                Text("session", "订单号", "session id"),
                Gauge("energy_kwh", "kWh", Interval(0, 1_000), "本次电量", "energy of the session"),
                Text("reason", "结束原因", "stop reason"),
            ),
        ),
        Event("fault", "故障", "fault", (Text("code", "故障码", "fault code"),)),
        Event("fault_cleared", "故障恢复", "fault cleared"),
        Event("ground_fault", "接地故障", "ground fault"),
        Event("emergency_stop", "急停按下", "emergency stop pressed"),
        Event("emergency_stop_released", "急停复位", "emergency stop released"),
    ),
    reporting_period=timedelta(minutes=1),
    plan_items=("improved.charging.car",),
    standards=("OCPP 1.6", "OCPP 2.0.1", "GB/T 18487", "T/CEC 102"),
)
