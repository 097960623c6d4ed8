"""Household cold-water meter."""

from datetime import timedelta

from devices.kind import Choice, Counter, DeviceKind, Event, Gauge, Interval, battery_v, signal_dbm

WATER_METER = DeviceKind(
    name="water_meter",
    zh="水表",
    en="water meter",
    fields=(
        # 100 m³/h is the permanent flow Q3 of a DN 100 master meter (GB/T 778). Water that flows back, as when a pump
        # stops, turns a register back: by up to 112 l among 203 falls in a year of 92 real meters (DAIAD trial A).
        Counter("volume_m3", "m³", 100_000, "累计用水量", "volume", per_hour=100, backward=0.2),
        Counter("volume_reverse_m3", "m³", 100_000, "累计反向水量", "reverse volume", per_hour=100, backward=0.2),
        Gauge("flow_m3_h", "m³/h", Interval(-10, 10), "瞬时流量", "flow"),
        Gauge("water_temperature_c", "℃", Interval(-20, 100), "水温", "water temperature"),
        Gauge("pressure_mpa", "MPa", Interval(0, 2.5), "水压", "pressure"),
        Choice("valve_state", {"open": "开", "closed": "关", "stuck": "卡滞"}, "阀门状态", "valve state"),
        battery_v(),
        signal_dbm(),
    ),
    events=(
        Event("cover_opened", "开盖", "cover opened"),
        Event("magnetic_interference", "磁干扰", "magnetic interference"),
        Event("reverse_flow", "反向流", "reverse flow"),
        Event("burst_detected", "爆管", "burst detected"),
        Event("leak_detected", "持续小流量", "continuous small flow detected"),
        Event("leak_cleared", "小流量消除", "continuous small flow ended"),
        Event("frozen", "冻结", "meter frozen"),
        Event("battery_low", "电池欠压", "battery low"),
    ),
    reporting_period=timedelta(hours=1),
    plan_items=("basic.metering.water",),
    standards=("CJ/T 188-2018", "GB/T 778", "JG/T 162-2017"),
)
