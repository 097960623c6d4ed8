"""Door control and intercom at the entrance of a building."""

from datetime import timedelta

from devices.kind import Choice, Counter, DeviceKind, Event, Flag, Gauge, Identity, Interval, Personal

_METHOD = Choice(
    "method",
    {
        "card": "刷卡",
        "face": "人脸",
        "phone": "手机",
        "password": "密码",
        "intercom": "对讲",
        "button": "出门按钮",
    },
    "开门方式",
    "unlock method",
)
_USER = Personal("user", Identity.PERSON, "开门人", "door user")

ACCESS_CONTROL = DeviceKind(
    name="access_control",
    zh="门禁",
    en="door control",
    fields=(
        Flag("door_open", "门开", "door open"),
        Flag("locked", "门锁闭合", "locked"),
        Counter("unlocks", "次", 4_294_967_296, "开门次数", "unlocks", per_hour=10_000),
        Counter("unlock_failures", "次", 4_294_967_296, "开门失败次数", "failed unlocks", per_hour=10_000),
        Gauge("unlock_latency_s", "s", Interval(0, 600), "开门响应时间", "time from request to unlock"),
        Gauge("backup_battery_v", "V", Interval(0, 30), "备用电池电压", "backup battery voltage"),
        Flag("mains_ok", "市电正常", "mains present"),
        Gauge("temperature_c", "℃", Interval(-50, 100), "设备温度", "device temperature"),
    ),
    events=(
        Event("unlocked", "开门", "unlocked", (_METHOD, _USER)),
        Event("unlock_refused", "拒绝开门", "unlock refused", (_METHOD, _USER)),
        Event("door_opened", "门已打开", "door opened"),
        Event("door_closed", "门已关闭", "door closed"),
        Event("door_forced", "强行开门", "door forced"),
        Event("door_held_open", "门长时间未关", "door held open"),
        Event("tampered", "设备被拆", "housing tampered"),
        Event("tamper_cleared", "防拆恢复", "housing closed again"),
        Event("duress", "胁迫报警", "duress code used"),
    ),
    reporting_period=timedelta(minutes=1),
    plan_items=("basic.access",),
    standards=("GB/T 37078", "GB 50396", "GB/T 31070.1"),
)
