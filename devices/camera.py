"""Video camera at an entrance, a perimeter, a lift, a public area or a car park."""

from datetime import timedelta

from devices.kind import DeviceKind, Event, Flag, Gauge, Interval, Text

CAMERA = DeviceKind(
    name="camera",
    zh="视频监控",
    en="camera",
    fields=(
        Flag("video_ok", "视频正常", "video signal present"),
        Gauge("image_quality", "1", Interval(0, 1), "图像质量", "image quality score"),
        Flag("occluded", "画面遮挡", "view blocked"),
        Gauge("bitrate_kbit_s", "kbit/s", Interval(0, 100_000), "码率", "bit rate"),
        Gauge("recording_days", "天", Interval(0, 3_650), "录像保存天数", "days of recording kept"),
        Gauge("storage_used_percent", "%", Interval(0, 100), "存储占用", "storage used"),
        Gauge("clock_offset_s", "s", Interval(-86_400, 86_400), "时钟偏差", "clock offset", signs=("慢", "快")),
        Gauge("temperature_c", "℃", Interval(-60, 120), "设备温度", "device temperature"),
    ),
    events=(
        Event("video_lost", "视频丢失", "video lost"),
        Event("video_restored", "视频恢复", "video restored"),
        Event("tampered", "镜头被移动或遮挡", "camera moved or covered"),
        Event("tamper_cleared", "画面恢复", "view restored"),
        Event("storage_fault", "存储故障", "storage fault", (Text("code", "故障码", "fault code"),)),
        Event("storage_restored", "存储恢复", "storage works again"),
    ),
    reporting_period=timedelta(minutes=1),
    plan_items=("basic.video",),
    standards=("GB/T 28181", "GA/T 1400", "GB 50348"),
)
