"""Items of the renovation plan, as data: their content, and the device kinds that can prove it.

Source: 鄂府发〔2021〕51号, annex 4 (three classes of renovation content) and part two of its body. The Chinese texts
are short descriptions of our own, not quotations. An item without a device kind is inspected by a person. Kinds may
be named here before the catalogue contains them.
"""

from dataclasses import dataclass
from enum import StrEnum

ANNEX_4 = "鄂府发〔2021〕51号 附件4"
BODY = "鄂府发〔2021〕51号 正文第二部分"


class PlanClass(StrEnum):
    """Class of items by obligation: do all, do as far as possible, encouraged."""

    BASIC = "basic"
    IMPROVED = "improved"
    UPGRADED = "upgraded"


class Method(StrEnum):
    """Source of evidence for an item: a device, or a person with a checklist, a note or a document."""

    DEVICE = "device"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class PlanItem:
    """Item of the plan.

    `kinds` are the kinds of the devices that the item installs. `carriers` are kinds that pass on their readings: they
    have criteria, too, but are none of the devices that the item counts. `source` is the passage that names the item.
    """

    id: str
    title: str
    content: str
    kinds: tuple[str, ...] = ()
    source: str = ANNEX_4
    carriers: tuple[str, ...] = ()

    @property
    def plan_class(self) -> PlanClass:
        """Class of the item, the first part of its id."""
        return PlanClass(self.id.partition(".")[0])

    @property
    def method(self) -> Method:
        """`DEVICE` if any kind can give evidence, otherwise `MANUAL`."""
        return Method.DEVICE if self.kinds else Method.MANUAL


_BASIC = (
    PlanItem(
        "basic.drainage",
        "雨污分流与窨井",
        "雨水、污水分开排放，井盖完好，化粪池清掏改造",
        ("manhole_cover", "septic_tank"),
    ),
    PlanItem("basic.roads", "道路与铺装", "小区道路修整，车位和步道透水铺装"),
    PlanItem("basic.waste", "生活垃圾分类", "分类收集点、密闭容器、公厕", ("waste_bin",)),
    PlanItem(
        "basic.metering.water",
        "供水一户一表",
        "每户一块水表，出户或智能抄表",
        ("water_meter", "water_bulk_meter"),
        carriers=("gateway",),
    ),
    PlanItem(
        "basic.metering.electricity",
        "供电一户一表",
        "每户一块电表，出户或智能抄表",
        ("electricity_meter", "electricity_bulk_meter"),
        carriers=("gateway",),
    ),
    PlanItem(
        "basic.metering.gas",
        "供气一户一表",
        "每户一块燃气表，出户或智能抄表；未通管道燃气的补建",
        ("gas_meter", "gas_detector"),
        carriers=("gateway",),
    ),
    PlanItem(
        "basic.heating",
        "供热",
        "供热设施改造，热量计量与室温",
        ("heat_meter", "room_thermometer"),
        BODY,
        ("gateway",),
    ),
    PlanItem("basic.telecom", "弱电、光纤与5G", "弱电线路规整，楼道光纤箱，移动通信设施", ("fibre_box",)),
    PlanItem("basic.fire", "消防", "消防通道畅通，消防设施完好", ("smoke_detector", "hydrant", "fire_lane")),
    PlanItem("basic.building", "楼体公共部位", "屋面、外墙、楼梯、扶手修缮，楼道灯完好", ("stairwell_light",)),
    PlanItem("basic.gates_walls", "围墙与大门", "排除围墙、大门的安全隐患"),
    PlanItem("basic.lighting", "公共照明", "高效节能路灯及其线路", ("street_light",)),
    PlanItem("basic.video", "视频监控", "出入口、周界、电梯、公共区域、停车区的视频监控", ("camera",)),
    PlanItem("basic.access", "智能门禁", "楼栋出入口的门禁或对讲", ("access_control",)),
)

_IMPROVED = (
    PlanItem("improved.illegal_buildings", "拆除违建", "清除小区内违法建筑"),
    PlanItem("improved.insulation", "屋面防水与保温", "屋面防水、保温隔热", ("heat_meter",)),
    PlanItem("improved.windows", "门窗更换", "老旧窗户、阳台门、遮阳棚更换"),
    PlanItem("improved.greening", "绿化", "绿地规整与补植"),
    PlanItem("improved.parking", "停车", "非机动车停车棚与机动车停车场", ("parking_space",)),
    PlanItem("improved.charging.car", "电动汽车充电", "电动汽车充电桩", ("ev_charger",)),
    PlanItem("improved.charging.ebike", "电动自行车充电", "非机动车停车场配套充电设施", ("ebike_charger",)),
    PlanItem("improved.elevator", "加装电梯", "按规定增设电梯", ("elevator",)),
    PlanItem("improved.accessibility", "无障碍与适老", "坡道、台阶与适老化设施，紧急求助", ("emergency_button",)),
    PlanItem("improved.culture", "文化设施", "宣传栏与社区文化设施"),
    PlanItem("improved.fitness", "活动与健身", "老人、儿童活动场地与健身器材"),
    PlanItem("improved.mailbox", "智能信包箱", "信报投递设施，有条件的为智能信包箱", ("parcel_locker",)),
    PlanItem("improved.parcel", "智能快件箱", "快递、快餐存放用房，有条件的建快件箱", ("parcel_locker",)),
    PlanItem("improved.property_rooms", "物业与党群用房", "物业用房、活动室、警务室、党群服务站点"),
)

_UPGRADED = (
    PlanItem("upgraded.community_services", "社区综合服务", "社区综合服务站、卫生服务站"),
    PlanItem("upgraded.special_services", "社区专项服务", "养老、托育、助餐、家政、便民商业、快递末端等"),
    PlanItem("upgraded.vehicle_gate", "车辆智能识别", "车辆出入口识别管理，监控室", ("vehicle_gate",)),
    PlanItem("upgraded.sensing", "智能感知", "人脸识别与周界防护", ("perimeter",), BODY),
)

PLAN_ITEMS: tuple[PlanItem, ...] = _BASIC + _IMPROVED + _UPGRADED

PLAN_ITEM_BY_ID: dict[str, PlanItem] = {item.id: item for item in PLAN_ITEMS}

PLAN_ITEM_IDS: frozenset[str] = frozenset(PLAN_ITEM_BY_ID)
"""Valid values of the column `plan_item` of an imported device."""
