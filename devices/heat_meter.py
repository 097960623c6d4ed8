"""Heat meter of a household or a building entrance."""

from datetime import timedelta

from devices.kind import Counter, DeviceKind, Event, Gauge, Interval, battery_v

HEAT_METER = DeviceKind(
    name="heat_meter",
    zh="热量表",
    en="heat meter",
    fields=(
        # The substation of a community: four times its greatest power, and five times its greatest flow (below).
        Counter("energy_kwh", "kWh", 10_000_000, "累计热量", "heat energy", per_hour=20_000, backward=0.1),
        Counter("volume_m3", "m³", 1_000_000, "累计流量", "volume", per_hour=1_000, backward=0.2),
        Gauge("power_kw", "kW", Interval(-10, 5_000), "热功率", "thermal power"),
        Gauge("flow_m3_h", "m³/h", Interval(0, 200), "瞬时流量", "flow"),
        Gauge("supply_c", "℃", Interval(-20, 150), "供水温度", "supply temperature"),
        Gauge("return_c", "℃", Interval(-20, 150), "回水温度", "return temperature"),
        battery_v(),
    ),
    events=(
        Event("temperature_sensor_fault", "温度传感器故障", "temperature sensor fault"),
        Event("flow_sensor_fault", "流量传感器故障", "flow sensor fault"),
        Event("sensor_fault_cleared", "传感器恢复", "sensor fault cleared"),
        Event("cover_opened", "开盖", "cover opened"),
        Event("battery_low", "电池欠压", "battery low"),
    ),
    reporting_period=timedelta(hours=1),
    plan_items=("basic.heating", "improved.insulation"),
    standards=("CJ/T 188-2018", "GB/T 32224"),
)
