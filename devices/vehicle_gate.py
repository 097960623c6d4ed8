"""Vehicle gate with number-plate recognition."""

from datetime import timedelta

from devices.kind import Choice, Counter, DeviceKind, Event, Flag, Gauge, Identity, Interval, Personal, Text

VEHICLE_GATE = DeviceKind(
    name="vehicle_gate",
    zh="车辆道闸",
    en="vehicle gate",
    fields=(
        Counter("passes", "次", 4_294_967_296, "通行次数", "passes", per_hour=10_000),
        Counter(
            "passes_recognised",
            "次",
            4_294_967_296,
            "识别成功次数",
            "passes with the plate recognised",
            per_hour=10_000,
        ),
        Choice(
            "barrier_state",
            {"up": "抬起", "down": "落下", "moving": "运动中", "stuck": "卡滞"},
            "闸杆状态",
            "barrier state",
        ),
        Gauge("queue_vehicles", "辆", Interval(0, 200), "排队车辆", "vehicles waiting"),
        Flag("camera_ok", "识别相机正常", "recognition camera works"),
        Gauge("temperature_c", "℃", Interval(-50, 100), "设备温度", "device temperature"),
    ),
    events=(
        Event(
            "vehicle_passed",
            "车辆通行",
            "vehicle passed",
            (
                Personal("plate", Identity.PLATE, "车牌", "number plate"),
                Choice("direction", {"in": "进", "out": "出"}, "方向", "direction"),
                Flag("recognised", "识别成功", "plate recognised"),
                Gauge("confidence", "1", Interval(0, 1), "置信度", "confidence"),
            ),
        ),
        Event("barrier_stuck", "闸杆卡滞", "barrier stuck"),
        Event("barrier_hit", "闸杆被撞", "barrier hit"),
        Event("barrier_restored", "闸杆恢复", "barrier works again"),
        Event("camera_fault", "相机故障", "camera fault", (Text("code", "故障码", "fault code"),)),
        Event("camera_restored", "相机恢复", "camera works again"),
    ),
    reporting_period=timedelta(minutes=1),
    plan_items=("upgraded.vehicle_gate",),
    standards=("GA 36-2018", "GA/T 833"),
)
