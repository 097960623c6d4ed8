"""Chinese labels of reports and summaries."""

from acceptance.coverage import CellState
from acceptance.criterion import Basis, Medium
from acceptance.plan_items import PlanClass
from acceptance.result import Outcome, Reason, Verdict
from acceptance.witnessed import DeliveryResult

DEMO_NOTICE = "模拟数据，不得作为验收依据"
"""Notice in every section of a report with simulated devices."""

PLAN_CLASS: dict[str, str] = {
    PlanClass.BASIC: "基础类",
    PlanClass.IMPROVED: "完善类",
    PlanClass.UPGRADED: "提升类",
}

VERDICT: dict[str, str] = {
    Verdict.PASS: "合格",
    Verdict.FAIL: "不合格",
    Verdict.INSUFFICIENT_DATA: "数据不足",
    Verdict.MANUAL: "人工查验",
    Verdict.NOT_APPLICABLE: "不涉及",
}

OUTCOME: dict[str, str] = {
    Outcome.PASS: "设备实测指标全部合格",
    Outcome.FAIL: "有指标不合格",
    Outcome.INSUFFICIENT_DATA: "数据不足，不能得出结论",
    Outcome.DEMO: DEMO_NOTICE,
}

REASON: dict[str, str] = {
    Reason.NO_DEVICES: "没有可用的设备",
    Reason.NO_HOUSEHOLDS: "没有须覆盖的登记住户",
    Reason.WINDOW_OPEN: "测量时段尚未结束",
    Reason.WINDOW_SHORT: "测量时段短于要求",
    Reason.NO_TESTS: "时段内没有现场测试记录",
    Reason.SAMPLE_SMALL: "样本量不足",
}

BASIS: dict[str, str] = {Basis.REGULATION: "规范", Basis.CONTRACT: "合同", Basis.CHOSEN: "自定"}

BASIS_MEANING: dict[str, str] = {
    Basis.REGULATION: "有来源的规定；注明借鉴的，对本项目没有约束力",
    Basis.CONTRACT: "有来源的合同值；不是本项目合同的，仅供比照",
    Basis.CHOSEN: "本系统选用的参考值，不是规定要求",
}

MEDIUM: dict[str, str] = {Medium.WATER: "水", Medium.ELECTRICITY: "电", Medium.GAS: "气"}

CELL: dict[str, str] = {
    CellState.SMART: "智能表正常",
    CellState.MOVED_OUT: "已出户",
    CellState.MISSING: "缺失",
    CellState.EXEMPT: "豁免",
    CellState.SHARED: "共用",
}

TEST_RESULT: dict[str, str] = {
    DeliveryResult.DELIVERED: "已送达",
    DeliveryResult.WAITING: "等待中",
    DeliveryResult.MISSING: "时限内未送达",
    DeliveryResult.WITHDRAWN: "已撤回",
}

WAITING_NOTICE = "还有{:,}条收到的数据在排队处理，没有计入；处理完再出一次报告"

EXCLUDED: dict[str, str] = {"simulated": "模拟设备不得作为验收依据", "retired": "报废设备不参与核验"}

SIGNATORIES: tuple[str, ...] = (
    "建设单位",
    "街道（城关镇）",
    "住建（房管）部门",
    "社区",
    "业主委员会（业主代表）",
    "设计单位",
    "施工单位",
    "监理单位",
    "管线单位",
    "工程质量监督单位",
)
"""Parties of the joint acceptance, 鄂府发〔2021〕51号 annex 3, part five."""
