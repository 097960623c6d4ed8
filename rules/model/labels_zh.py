"""The Chinese words for what an alert can be, by the value that the database holds: one place, whoever tells it."""

from collections.abc import Mapping

SEVERITY: Mapping[str, str] = {"info": "提示", "warning": "一般", "major": "重要", "critical": "紧急"}
PROCESS: Mapping[str, str] = {"active": "发生中", "recovering": "恢复中", "latched": "待人工确认", "ended": "已结束"}
PHASE: Mapping[str, str] = {
    "normal": "正常",
    "pending": "观察中",
    "active": "发生中",
    "recovering": "恢复中",
    "latched": "待人工确认",
    "muted": "已静默",
}
ATTENTION: Mapping[str, str] = {
    "unacknowledged": "未确认",
    "acknowledged": "已确认",
    "assigned": "已派单",
    "in_progress": "处理中",
    "resolved": "已解决",
    "closed": "已关闭",
}
ACT: Mapping[str, str] = {
    "acknowledge": "确认",
    "assign": "派单",
    "start": "开始处理",
    "resolve": "解决",
    "close": "关闭",
    "comment": "备注",
    "shelve": "搁置",
    "unshelve": "取消搁置",
}
SUPPRESSION: Mapping[str, str] = {
    "shelved": "已搁置",
    "maintenance": "维护窗口",
    "caused_by_parent": "另一故障引起",
    "out_of_service": "停用",
    "chattering": "频繁抖动",
}
