"""The checklist covers every clause of annex 4 of 鄂府发〔2021〕51号."""

import re

import pytest

from acceptance.checklist import CHECKLIST
from acceptance.plan_items import ANNEX_4, BODY

# The text of annex 4, row by row and clause by clause, each with the lines of the checklist that inspect it.
CLAUSES = {
    "basic": (
        (
            ("实施雨污分流改造。", "drainage.split"),
            ("同步改造与小区雨污管网接驳的市政管网。", "drainage.municipal"),
            ("更换破损窨井盖，", "drainage.covers"),
            ("清淤、改造化粪池。", "drainage.septic"),
        ),
        (
            ("整治翻修小区破损道路，", "roads.inspection"),
            ("对公共停车位、休闲广场、人行道等优先采用透水砖、植草砖铺设。", "roads.paving"),
        ),
        (
            ("取消垃圾道、垃圾房、垃圾池，", "waste.old_facilities"),
            ("按标准配建垃圾收集点，", "waste.sorting_points"),
            ("合理设置密封式垃圾桶（箱）或垃圾分类厢房，", "waste.bins"),
            ("明确大件垃圾、建筑垃圾临时堆放点。", "waste.bulky"),
            ("改造原有垃圾收集点、转运站等设施。", "waste.sorting_points"),
            ("改造提升小区原有附建公厕。", "waste.toilets"),
        ),
        (
            (
                "实施供水、供气、供电“一户一表”改造，三表出户或智能化抄表系统改造；",
                "metering.water.separate metering.electricity.separate metering.gas.separate",
            ),
            ("管道燃气未建设的小区居民用户及店面，安装燃气管道。", "metering.gas.pipes"),
        ),
        (
            ("梳理小区内弱电管线，规整原有线路，", "telecom.lines"),
            ("拆除废弃缆线。", "telecom.abandoned"),
            (
                "新增广电、电信、移动、联通等线路实行统一设计、统一走管，集中设置在街区、室外，",
                "telecom.ducts",
            ),
            ("楼道内设置光纤交换箱和光纤分配箱。", "telecom.fibre_boxes"),
            ("同步建设5G基础设施。", "telecom.mobile"),
        ),
        (
            ("清除消防通道上的障碍物，保障畅通。", "fire.lanes"),
            ("修缮原有小区内及楼内消防设施。", "fire.equipment"),
            ("有条件的小区可增设社区消防设备间。", "fire.room"),
        ),
        (
            ("整修建筑物屋面、外墙、楼梯等；", "building.roof building.walls building.stairs"),
            ("整修楼梯扶手、栏杆、楼道，", "building.stairs"),
            ("修缮、添置楼道路灯。", "building.stair_lamps"),
        ),
        (
            ("修缮存在安全隐患或老化的围墙、大门，", "gates_walls.inspection"),
            ("有条件的小区可将围墙改为通透式栏杆。", "gates_walls.railings"),
        ),
        (
            ("合理布置路灯管线，", "lighting.cables"),
            ("改造或增设高效节能公共照明设施。", "lighting.lamps"),
        ),
        (
            (
                "重要出入口和通道、周界、电梯、公共活动区域、车辆集中停放区域等建设视频监控系统。",
                "video.places",
            ),
            ("楼栋出入口建设智能门禁（楼寓对讲）系统。", "access.installed"),
        ),
    ),
    "improved": (
        (("拆除小区内违法建筑。", "illegal_buildings.inspection"),),
        (("改造或增设屋面防水及保温隔热系统，保持屋面整洁。", "insulation.roof"),),
        (
            ("更换隔音、隔热及气密性不能满足使用要求的老旧窗户以及阳台门，", "windows.inspection"),
            ("更换遮阳棚。", "windows.awnings"),
        ),
        (
            ("规整小区绿化，补植裸露绿化地，", "greening.inspection"),
            ("拆墙透绿，营造绿荫空间。", "greening.shade"),
        ),
        (
            ("合理设置非机动车停车场，", "parking.bicycles"),
            ("配套充电设施。", "charging.ebike.facilities"),
            ("建设机动车停车场或机械式停车设施，", "parking.cars"),
            ("增建电动汽车充电桩。", "charging.car.points"),
        ),
        (("按有关规定增设电梯。", "elevator.installed"),),
        (
            ("修缮住宅单元入口坡道、台阶，", "accessibility.ramps"),
            ("完善无障碍和适老化设施。", "accessibility.fittings"),
        ),
        (
            ("修缮、新增宣传栏，", "culture.inspection"),
            ("完善社区文化、特色文化设施。", "culture.facilities"),
        ),
        (("修缮、新增老年儿童活动、健身器材等场所、设施。", "fitness.inspection fitness.equipment"),),
        (("修缮书信报刊杂志投递设施，有条件的升级为智能信包箱。", "mailbox.delivery"),),
        (("在小区出入口或适当区域设置快递、快餐存放用房，有条件的建设智能快递箱。", "parcel.room"),),
        (
            (
                "修缮、新增物业用房、居民活动室、警务室、党群服务站点。",
                "property_rooms.inspection property_rooms.activity property_rooms.police property_rooms.party",
            ),
        ),
    ),
    "upgraded": (
        (
            (
                "修缮、新增小区或周边的社区综合服务站、卫生服务站。",
                "community_services.inspection community_services.health",
            ),
        ),
        (
            (
                "修缮、新增养老、托幼、助餐、家政保洁、便民市场、便利店、邮政快递末端综合服务站等社区专项公共服务设施。",
                " ".join(
                    f"special_services.{name}"
                    for name in ("elderly", "childcare", "meals", "housekeeping", "markets", "post")
                ),
            ),
        ),
        (
            ("小区车辆出入口建设智能识别车辆安全管理系统。", "vehicle_gate.installed"),
            ("建设小区监控中心（监控室），可与已有的小区监控用房共用。", "vehicle_gate.control_room"),
        ),
    ),
}
LINES = {line.id: line for line in CHECKLIST}
INSPECTED = [
    (clause, f"{plan_class}.{name}")
    for plan_class, rows in CLAUSES.items()
    for row in rows
    for clause, names in row
    for name in names.split()
]


def test_annex_4_has_twenty_five_rows():
    assert {plan_class: len(rows) for plan_class, rows in CLAUSES.items()} == {
        "basic": 10,
        "improved": 12,
        "upgraded": 3,
    }
    assert all("".join(clause for clause, _ in row).endswith("。") for rows in CLAUSES.values() for row in rows)


@pytest.mark.parametrize(("clause", "line"), INSPECTED, ids=[f"{line} {clause}" for clause, line in INSPECTED])
def test_every_clause_of_annex_4_has_a_line_that_shares_its_words(clause, line):
    words = set(re.findall(r"[\u4e00-\u9fff]", clause))
    shared = words & set(LINES[line].title + LINES[line].measure.requirement)
    assert len(shared) >= 2
    assert LINES[line].source == ANNEX_4


def test_every_line_that_cites_annex_4_inspects_a_clause_of_it():
    assert {line.id for line in CHECKLIST if line.source == ANNEX_4} == {line for _, line in INSPECTED}


LOOKED_FOR = (
    "管网 窨井盖 化粪池 收集点 分类厢房 公厕 缆线 光纤 5G 消防通道 坡道 停车 电梯 栏杆 宣传栏 健身 警务室 养老 监控室"
)


@pytest.mark.parametrize("words", LOOKED_FOR.split())
def test_the_checklist_names_what_people_look_for(words):
    assert any(words in line.title + line.measure.requirement for line in CHECKLIST)


def test_every_other_line_names_the_body_or_a_source_of_its_number():
    others = {line.source for line in CHECKLIST} - {ANNEX_4}
    assert BODY in others
    assert all(others)


def test_the_lines_of_one_item_stand_together():
    items = [line.plan_items for line in CHECKLIST]
    assert len({*items}) == sum(before != after for before, after in zip([None, *items], items, strict=False))
