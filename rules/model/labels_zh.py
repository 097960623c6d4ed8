"""Chinese labels of the values that the database stores: the one place for API, notices, dashboards and commands."""

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
    "photo": "添加照片",
    "photo_removed": "删除照片",
    "returned": "再次发生",
}
SUPPRESSION: Mapping[str, str] = {
    "shelved": "已搁置",
    "maintenance": "维护窗口",
    "caused_by_parent": "另一故障引起",
    "out_of_service": "停用",
    "chattering": "频繁抖动",
}
NOTICE_KIND: Mapping[str, str] = {"raised": "报警", "escalated": "升级", "fallback": "转通知", "resolved": "恢复"}
NOTICE_STATE: Mapping[str, str] = {"queued": "待发送", "sent": "已发出", "dead": "发送失败", "dropped": "不再需要"}
NOTICE_DROPPED: Mapping[str, str] = {
    "acknowledged": "报警已有人确认，不用再升级",
    "over": "报警已结束，不用再升级",
    "over_while_suppressed": "暂不通知期间报警已结束，不再通知",
    "told_as_over": "前面那条通知已经写明恢复，不再单独发",
    "not_told": "报警开始时没有发过通知，恢复也不用再发",
    "channel_removed": "通知配置里已没有这个渠道，改按现在的配置通知",
}
MAINTENANCE_PURPOSE: Mapping[str, str] = {"maintenance": "维护", "power_cut": "计划停电"}
MAINTENANCE_STATE: Mapping[str, str] = {"scheduled": "未开始", "active": "进行中", "over": "已结束"}
DEVICE_STATE: Mapping[str, str] = {
    "reporting": "按时上报",
    "silent": "没有数据",
    "never_heard": "从未上报",
    "out_of_service": "不在用",
}
CONNECTION: Mapping[str, str] = {"online": "在线", "offline": "离线", "unknown": "未知"}
CONNECTION_EVENT: Mapping[str, str] = {"online": "上线", "offline": "离线"}
FLAG: Mapping[bool, str] = {True: "是", False: "否"}
