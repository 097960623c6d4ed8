"""Data concentrator that collects the meters of a building and forwards their readings."""

from datetime import timedelta

from devices.kind import DeviceKind, Event, Flag, Gauge, Interval, signal_dbm

GATEWAY = DeviceKind(
    name="gateway",
    zh="采集网关",
    en="gateway",
    fields=(
        Gauge("children_total", "个", Interval(0, 65_535), "下挂设备数", "devices behind it"),
        Gauge("children_online", "个", Interval(0, 65_535), "在线设备数", "devices behind it that answer"),
        Gauge("queue_messages", "条", Interval(0, 100_000_000), "待上传消息", "messages waiting for upload"),
        Gauge("storage_used_percent", "%", Interval(0, 100), "存储占用", "storage used"),
        Gauge("clock_offset_s", "s", Interval(-86_400, 86_400), "时钟偏差", "clock offset", signs=("慢", "快")),
        Flag("mains_ok", "市电正常", "mains present"),
        Gauge("temperature_c", "℃", Interval(-60, 120), "设备温度", "device temperature"),
        signal_dbm(),
    ),
    events=(
        Event("power_lost", "市电丢失", "mains lost"),
        Event("power_restored", "市电恢复", "mains restored"),
        Event("restarted", "重启", "restarted"),
        Event("clock_stepped", "时钟校正", "clock stepped"),
        Event("cover_opened", "箱门打开", "enclosure opened"),
    ),
    reporting_period=timedelta(minutes=1),
    plan_items=(
        "basic.metering.water",
        "basic.metering.electricity",
        "basic.metering.gas",
        "basic.heating",
    ),
    standards=("JG/T 162-2017", "DL/T 698.45"),
)
