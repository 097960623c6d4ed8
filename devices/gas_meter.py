"""Household gas meter with a shut-off valve."""

from datetime import timedelta

from devices.kind import Choice, Counter, DeviceKind, Event, Gauge, Interval, battery_v, signal_dbm

GAS_METER = DeviceKind(
    name="gas_meter",
    zh="燃气表",
    en="gas meter",
    fields=(
        # 100 m³/h is the maximum of a G65 meter, enough for a canteen. Bellows can turn back by some strokes.
        Counter("volume_m3", "m³", 100_000, "累计用气量", "volume", per_hour=100, backward=0.05),
        Gauge("flow_m3_h", "m³/h", Interval(0, 16), "瞬时流量", "flow"),
        Gauge("gas_temperature_c", "℃", Interval(-40, 80), "燃气温度", "gas temperature"),
        Gauge("pressure_kpa", "kPa", Interval(0, 20), "供气压力", "supply pressure"),
        Choice("valve_state", {"open": "开", "closed": "关", "stuck": "卡滞"}, "阀门状态", "valve state"),
        battery_v(high=7.5),
        signal_dbm(),
    ),
    events=(
        Event("gas_leak", "燃气泄漏", "gas leak"),
        Event("gas_leak_cleared", "泄漏解除", "gas leak cleared"),
        Event("flow_exceeded", "过流切断", "flow exceeded, valve closed"),
        Event("pressure_low", "低压切断", "pressure low, valve closed"),
        Event("earthquake_cutoff", "地震切断", "valve closed by a shock"),
        Event("valve_closed", "阀门关闭", "valve closed"),
        Event("valve_opened", "阀门打开", "valve opened"),
        Event("cover_opened", "开盖", "cover opened"),
        Event("magnetic_interference", "磁干扰", "magnetic interference"),
        Event("battery_low", "电池欠压", "battery low"),
    ),
    reporting_period=timedelta(hours=1),
    plan_items=("basic.metering.gas",),
    standards=("GB/T 6968", "JG/T 162-2017"),
)
