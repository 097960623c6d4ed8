"""Checklist for inspections by people, as data: every line of annex 4, and requirements that no device measures yet.

Requirements restate annex 4 in short sentences, so that a person on site can answer 合格, 不合格 or 不涉及. A line with
a number names the number's source.
"""

from acceptance.criterion import Basis, Inspection, ManualCriterion
from acceptance.plan_items import ANNEX_4, BODY

_CHOSEN = "自定指标，供参考"
_UNCONFIRMED = "出处待核，核实前按自定指标处理"


def _line(
    identifier: str, title: str, requirement: str, source: str = ANNEX_4, basis: Basis = Basis.REGULATION
) -> ManualCriterion:
    """Make a line; its id is the id of its plan item with a name appended."""
    return ManualCriterion(identifier, (identifier.rpartition(".")[0],), title, Inspection(requirement), basis, source)


def _chosen(identifier: str, title: str, requirement: str, source: str = _CHOSEN) -> ManualCriterion:
    """Make a line with a number that Anju chose."""
    return _line(identifier, title, requirement, source, Basis.CHOSEN)


_BASIC = (
    _line("basic.drainage.split", "雨污分流", "雨水、污水管道分开，没有混接、错接"),
    _line("basic.drainage.municipal", "与市政管网接驳", "雨水、污水管与市政管网接通，接驳处通畅、不渗漏"),
    _line("basic.drainage.covers", "窨井盖", "破损的井盖已经更换；井盖齐全、平稳、不松动"),
    _line("basic.drainage.septic", "化粪池", "已清淤、改造，不满溢、不堵塞"),
    _line("basic.drainage.cover_alarm", "井盖开启报警", "井盖开启后30 s内报警送达", "GB/T 41401"),
    _line("basic.roads.inspection", "破损道路", "破损路面已经翻修，平整、不积水"),
    _line("basic.roads.paving", "透水铺装", "公共停车位、休闲广场、人行道优先用透水砖、植草砖铺设"),
    _line("basic.waste.old_facilities", "垃圾道、垃圾房、垃圾池", "已全部取消"),
    _line("basic.waste.sorting_points", "垃圾收集点", "按标准配建；原有收集点、转运站等设施已经改造"),
    _line("basic.waste.bins", "分类容器", "设有密封式垃圾桶（箱）或分类厢房，数量和位置合理"),
    _line("basic.waste.bulky", "大件垃圾、建筑垃圾", "临时堆放点已经明确"),
    _line("basic.waste.toilets", "附建公厕", "小区原有的附建公厕已经改造提升"),
    _chosen("basic.waste.overflow", "垃圾满溢清运", "满溢后24 h内清运"),
    _line("basic.metering.water.separate", "水表", "每户一块水表；不能智能抄表的，水表已移到户外"),
    _chosen("basic.metering.water.bulk_meter", "小区总水表", "总表安装并可读数"),
    _line("basic.metering.electricity.separate", "电表", "每户一块电表；不能智能抄表的，电表已移到户外"),
    _chosen("basic.metering.electricity.bulk_meter", "小区总电表", "总表安装并可读数"),
    _line("basic.metering.gas.separate", "燃气表", "每户一块燃气表；不能智能抄表的，燃气表已移到户外"),
    _line("basic.metering.gas.pipes", "燃气管道", "没有管道燃气的住户和店面已经安装燃气管道"),
    _line("basic.heating.facilities", "供热设施", "小区内部及与小区联系的供热设施已经改造", BODY),
    _chosen("basic.heating.room_temperature", "室内温度", "供暖期室温不低于18 ℃"),
    _line("basic.telecom.lines", "弱电管线", "原有线路已梳理规整，没有飞线"),
    _line("basic.telecom.abandoned", "废弃缆线", "已经拆除"),
    _line("basic.telecom.ducts", "新增线路", "广电、电信、移动、联通等线路统一设计、统一走管，集中设置在街区、室外"),
    _line("basic.telecom.fibre_boxes", "光纤箱", "楼道内设有光纤交换箱和光纤分配箱"),
    _line("basic.telecom.mobile", "5G基础设施", "已经同步建设"),
    _chosen("basic.telecom.link", "光纤链路", "链路可用率不低于99 %"),
    _line("basic.fire.lanes", "消防通道", "障碍物已经清除，通道畅通"),
    _line("basic.fire.equipment", "消防设施", "小区内和楼内的原有消防设施已经修缮，能用"),
    _line("basic.fire.room", "社区消防设备间", "有条件的小区已经增设；没有条件的填不涉及"),
    _chosen("basic.fire.alarm", "火灾报警", "火警10 s内发出", _UNCONFIRMED),
    _line("basic.building.roof", "屋面", "已经整修，不渗漏"),
    _line("basic.building.walls", "外墙", "已经整修，没有脱落、开裂"),
    _line("basic.building.stairs", "楼梯、楼道", "楼梯、扶手、栏杆、楼道已经整修，牢固、完整"),
    _line("basic.building.stair_lamps", "楼道路灯", "已经修缮、添置，每层都亮"),
    _chosen("basic.building.lamps", "楼道灯完好率", "完好率不低于96 %"),
    _line("basic.gates_walls.inspection", "围墙、大门", "有安全隐患或老化的围墙、大门已经修缮"),
    _line("basic.gates_walls.railings", "通透式栏杆", "有条件的小区已把围墙改为通透式栏杆；没有条件的填不涉及"),
    _line("basic.lighting.cables", "路灯管线", "布置合理，没有裸露、私接"),
    _line("basic.lighting.lamps", "公共照明设施", "已经改造或增设，高效节能"),
    _line("basic.lighting.lit", "路灯亮灯率与完好率", "亮灯率不低于96 %，完好率不低于99 %",
          "长沙市关于居住区道路照明的规定（外地，借鉴）"),
    _line("basic.video.places", "监控点位", "重要出入口和通道、周界、电梯、公共活动区域、车辆集中停放区域都有监控"),
    _line("basic.video.intact", "摄像机完好率", "重点公共区域不低于98 %，其他不低于95 %", "发改高技〔2015〕996号"),
    _chosen("basic.video.recording", "录像保存", "录像保存不少于30天"),
    _line("basic.access.installed", "智能门禁（楼寓对讲）", "每个楼栋出入口都已建设，住户能用"),
    _line("basic.access.unlock", "开门响应", "识别后2 s内开门", "GB 50396"),
)  # fmt: skip

_IMPROVED = (
    _line("improved.illegal_buildings.inspection", "违法建筑", "小区内的违法建筑已经拆除"),
    _line("improved.insulation.roof", "屋面防水、保温隔热", "已经改造或增设，屋面整洁"),
    _chosen("improved.insulation.heat", "单位面积耗热量", "按度日折算后低于改造前记录"),
    _line("improved.windows.inspection", "窗户、阳台门", "隔音、隔热、气密性不合要求的已经更换"),
    _line("improved.windows.awnings", "遮阳棚", "已经更换"),
    _line("improved.greening.inspection", "绿化", "绿化已经规整，裸露的绿化地已经补植"),
    _line("improved.greening.shade", "拆墙透绿", "有绿荫空间；没有围墙可拆的填不涉及"),
    _line("improved.parking.bicycles", "非机动车停车场", "设置合理"),
    _line("improved.parking.cars", "机动车停车场", "停车场或机械式停车设施已经建设"),
    _chosen("improved.parking.sensors", "车位检测器", "在线率不低于95 %"),
    _line("improved.charging.car.points", "电动汽车充电桩", "已经增建，能充电"),
    _line("improved.charging.car.uptime", "汽车充电桩可用率", "可用率大于97 %",
          "美国23 CFR 680.116（外国规章，借鉴）"),
    _line("improved.charging.ebike.facilities", "电动自行车充电设施", "非机动车停车场配有充电设施，能充电"),
    _line("improved.elevator.installed", "加装电梯", "按有关规定增设，能用"),
    _chosen("improved.elevator.entrapment", "电梯困人", "困人报警送达，30 min内到场解救", _UNCONFIRMED),
    _line("improved.accessibility.ramps", "单元入口坡道、台阶", "已经修缮，轮椅、婴儿车能通行"),
    _line("improved.accessibility.fittings", "无障碍和适老化设施", "已经完善，能用"),
    _chosen("improved.accessibility.button", "紧急求助按钮", "每次测试求助均送达"),
    _line("improved.culture.inspection", "宣传栏", "已经修缮、新增"),
    _line("improved.culture.facilities", "社区文化、特色文化设施", "已经完善"),
    _line("improved.fitness.inspection", "活动场所", "老年人、儿童的活动场所已经修缮、新增"),
    _line("improved.fitness.equipment", "健身器材", "已经修缮、新增，牢固、安全"),
    _line("improved.mailbox.delivery", "信报投递设施", "书信、报刊的投递设施已经修缮；有条件的已升级为智能信包箱"),
    _chosen("improved.mailbox.online", "智能信包箱在线率", "在线率不低于95 %"),
    _line("improved.parcel.room", "快递、快餐存放用房", "设在小区出入口或适当区域；有条件的已建智能快递箱"),
    _chosen("improved.parcel.online", "智能快递箱在线率", "在线率不低于95 %"),
    _line("improved.property_rooms.inspection", "物业用房", "已经修缮、新增"),
    _line("improved.property_rooms.activity", "居民活动室", "已经修缮、新增"),
    _line("improved.property_rooms.police", "警务室", "已经修缮、新增"),
    _line("improved.property_rooms.party", "党群服务站点", "已经修缮、新增"),
)  # fmt: skip

_UPGRADED = (
    _line("upgraded.community_services.inspection", "社区综合服务站", "小区或周边的已经修缮、新增"),
    _line("upgraded.community_services.health", "卫生服务站", "小区或周边的已经修缮、新增"),
    _line("upgraded.special_services.elderly", "养老", "服务设施已经修缮、新增"),
    _line("upgraded.special_services.childcare", "托幼", "服务设施已经修缮、新增"),
    _line("upgraded.special_services.meals", "助餐", "服务设施已经修缮、新增"),
    _line("upgraded.special_services.housekeeping", "家政保洁", "服务设施已经修缮、新增"),
    _line("upgraded.special_services.markets", "便民市场、便利店", "服务设施已经修缮、新增"),
    _line("upgraded.special_services.post", "邮政快递末端综合服务站", "已经修缮、新增"),
    _line("upgraded.vehicle_gate.installed", "车辆智能识别", "车辆出入口建有智能识别车辆安全管理系统，能用"),
    _line("upgraded.vehicle_gate.control_room", "监控中心（监控室）", "已经建设，或与已有的小区监控用房共用"),
    _chosen("upgraded.vehicle_gate.recognition", "车牌识别率", "不少于24 h、1000次通行中识别率不低于95 %"),
    _line("upgraded.sensing.installed", "人脸识别、周界防护", "已经建设的能用", BODY),
    _chosen("upgraded.sensing.alarm", "周界报警", "测试报警无漏报，5 s内响应", "无漏报取自GB 50394；5 s为自定"),
)  # fmt: skip

CHECKLIST: tuple[ManualCriterion, ...] = _BASIC + _IMPROVED + _UPGRADED
