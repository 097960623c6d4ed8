"""Single-phase household electricity meter."""

from datetime import timedelta

from devices.kind import Counter, DeviceKind, Event, Flag, Gauge, Interval

ELECTRICITY_METER = DeviceKind(
    name="electricity_meter",
    zh="电表",
    en="electricity meter",
    fields=(
        # 2,000 kWh an hour is more than a transformer of 1,600 kVA carries. A register never turns back, but a gateway
        # that cuts off digits makes it look so.
        Counter("energy_kwh", "kWh", 1_000_000, "正向有功电能", "active energy imported", per_hour=2_000, backward=0.1),
        Counter(
            "energy_reverse_kwh",
            "kWh",
            1_000_000,
            "反向有功电能",
            "active energy exported",
            per_hour=2_000,
            backward=0.1,
        ),
        Gauge("power_w", "W", Interval(-30_000, 30_000), "有功功率", "active power"),
        Gauge("voltage_v", "V", Interval(0, 500), "电压", "voltage"),
        Gauge("current_a", "A", Interval(0, 120), "电流", "current"),
        Gauge("power_factor", "1", Interval(-1, 1), "功率因数", "power factor"),
        Gauge("frequency_hz", "Hz", Interval(40, 60), "频率", "frequency"),
        Flag("relay_closed", "继电器闭合", "supply relay closed"),
    ),
    events=(
        Event("cover_opened", "开表盖", "meter cover opened"),
        Event("terminal_cover_opened", "开端钮盖", "terminal cover opened"),
        Event("magnetic_interference", "恒定磁场干扰", "magnetic interference"),
        Event("power_lost", "掉电", "supply lost"),
        Event("power_restored", "上电", "supply restored"),
        Event("relay_opened", "拉闸", "supply relay opened"),
        Event("relay_closed", "合闸", "supply relay closed"),
        Event("clock_fault", "时钟故障", "clock fault"),
        Event("clock_battery_low", "时钟电池欠压", "clock battery low"),
    ),
    reporting_period=timedelta(minutes=15),
    plan_items=("basic.metering.electricity",),
    standards=("DL/T 645-2007", "DL/T 698.45"),
)
