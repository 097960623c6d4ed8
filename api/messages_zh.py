"""Chinese texts of API errors, one constant or function for each, for the person who acted."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from devices.local_time import local_time_zh

KEY_REFUSED = "请求里没有 API 密钥，或密钥不对。密钥请找管理员要，写在请求头 Authorization: Bearer 后面。"
ROLE_MAY_NOT = "这个账号的角色不能做这件事；确实需要的话，请找管理员。"
KEY_ONLY_READS = "这个密钥只能读取，不能改动。"
KEY_NOT_CITY_WIDE = "这个密钥只管部分小区，不能看全市的记录。"
LOGIN_UNFINISHED: Mapping[str, str] = {
    "second_factor": "请先输入动态验证码。",
    "enrol_second_factor": "管理员账号要先绑定动态验证码。",
    "change_password": "第一次登录，请先修改初始密码。",
}
ACCOUNT_NOT_FOUND = "没有这个账号，请核对。"
API_KEY_NOT_FOUND = "没有这个密钥，或者它已经停用。"
SECOND_FACTOR_STANDS = "已经绑定了动态验证码；手机丢了的话，请管理员先解除。"
NO_ACCOUNT = "共享密钥和 API 密钥不能这样做，请用账号登录。"
CODE_WRONG = "验证码不对，或者已经用过；请用最新的一个再试。"
DATABASE_UNAVAILABLE = "数据库暂时连不上，请过一会儿再试。"
DATABASE_FULL = "数据库所在磁盘已满，现在存不进任何数据，请马上通知管理员清理或扩容。"
SCHEMA_MISSING = "数据库还没有准备好，请管理员运行 anju migrate。"
INTERNAL_ERROR = "系统内部出错，请稍后再试；还是不行，请管理员查看日志。"
VALUE_NOT_STORABLE = "请求里有数据库存不了的字符，请删掉后再试。"

ALERT_NOT_FOUND = "没有找到这条报警，请刷新列表后再试。"
COMMUNITY_NOT_FOUND = "没有登记这个小区，请核对小区编号。"
DEVICE_NOT_FOUND = "这个小区里没有登记这台设备，请核对小区和设备的编号。"
COMMUNITY_OR_DEVICE_NOT_FOUND = "没有登记这个小区或这台设备，请核对编号。"
MAINTENANCE_NOT_FOUND = "没有找到这个维护窗口，请刷新列表后再试。"
SHIFT_NOT_FOUND = "没有找到这个班次，请刷新列表后再试。"
TEST_NOT_FOUND = "没有找到这次现场测试，请刷新列表后再试。"
REPLACEMENT_NOT_FOUND = "这台设备没有这次换表记录，请刷新列表后再试。"

CURSOR_INVALID = "不是这个列表的翻页位置；去掉它，从第一页开始"
OTHER_PERSON = "操作人就是登录的账号，请去掉 by"
SHARED_KEY_HAS_NONE = "共享密钥不是某一个人，没有“我的”报警；请用账号登录"
MINE_OR_ASSIGNEE = "“我的”和指定负责人只能选一个"
KEY_REUSED = "已经用于另一个操作，请换一个新的"
END_NOT_AFTER_START = "结束时间须晚于开始时间"
INSTANT_OUT_OF_RANGE = "时间须在 2000 年到 2199 年之间"
HANDOVER_PERIOD = "交接的结束时间须晚于开始时间，最长 7 天"
STATISTICS_BUSY = "正在统计的人太多，请稍后再试。"
MONTH_FORM = "月份写成 2026-07 的样子"
BUCKET_WIDTH = "时段写成数字加 m（分钟）、h（小时）、d（天）、w（周）或 mo（月），例如 15m、1h、1d、1w、1mo"
BUCKET_WITHOUT_AGGREGATE = "须和 aggregate 一起给出；要原始读数，两个都不写"
BUCKETS_HAVE_NO_PAGES = "按时段汇总时一次给全，不用翻页"


def too_many_buckets(most: int) -> str:
    """Return the message about a range with more buckets than one answer has."""
    return f"这段时间超过 {most} 个时段：请把时段放宽，或把时间范围缩短"


def one_field_of(fields: str) -> str:
    """Return the message about buckets of several fields; `fields` are the names to choose from."""
    return f"按时段汇总只能选一个读数，请从中选一个：{fields}"


def fields_of(kind_zh: str, fields: str) -> str:
    """Return the message about a field that the kind does not have."""
    return f"{kind_zh}的读数有：{fields}"


def aggregates_of(field_zh: str, aggregates: str) -> str:
    """Return the message about an aggregate that the field does not have."""
    return f"{field_zh}可以用的汇总方式：{aggregates}"


def unknown_rule(rule: str) -> str:
    """Return the message about a rule that is not in force."""
    return f"现在没有名为 {rule} 的规则"


def backtest_too_long(longest: timedelta) -> str:
    """Return the message about a backtest over more time than one request takes."""
    return f"开始时间最早在结束时间之前 {longest.days} 天"


def backtest_too_large(most: int) -> str:
    """Return the message about a backtest over more readings and events than one request takes."""
    return f"这段时间的读数和事件超过 {most:,} 条：请缩短时间、少选几条规则或只选一台设备，或改用 anju rules backtest"


OTHER_HOST = "这个网址不是本系统的。请用登记过的网址访问，或请管理员在 ANJU_HTTP_HOSTS 中登记它。"
OTHER_ORIGIN = "这个请求不是从本系统的页面发出的，没有执行。请打开本系统的页面再操作。"
NO_HTTP = "收到的内容不是完整的 HTTP 请求。"
UNREADABLE_BODY = "请求的内容不是合格的文本，请核对编码。"
CONNECTIONS_TAKEN = "连接数已满，请稍后再试。"
NO_SUCH_FILE = "接口文档没有这个文件。"


def streams_taken(most: int) -> str:
    """Return the message about a stream that finds no place."""
    return f"同时接收报警的页面已达上限 {most} 个，请稍后再试，或请管理员调大 ANJU_HTTP_STREAMS。"


def backtests_running(most: int) -> str:
    """Return the message about a backtest that finds no place."""
    return f"已有 {most} 个回测在运行，请稍后再试，或改用 anju rules backtest。"


def body_too_slow(limit_s: float) -> str:
    """Return the message about a body that did not arrive in time."""
    return f"请求的内容没有在 {limit_s:.0f} 秒内传完，请检查网络后再试。"


def body_too_large(limit_kib: int) -> str:
    """Return the message about a body that is too long."""
    return f"请求的内容最多 {limit_kib} KiB，请缩短后再试。"


def too_many_requests(wait_s: int) -> str:
    """Return the message about too many requests."""
    return f"请求太频繁，请等 {wait_s} 秒后再试。"


def unroutable(status: int) -> tuple[str, str]:
    """Return title and sentence for an address that can't be served."""
    match status:
        case 400:
            return "请求不完整，或者不是发给本系统的", UNREADABLE_BODY
        case 404:
            return "没有这个地址", "没有这个地址，请核对网址。"
        case 405:
            return "这个地址不能这样请求", "这个地址不支持这种请求方法，请核对接口文档。"
        case _:
            return "请求不能处理", "请求不能处理，请核对接口文档。"


CONTACT_NOT_FOUND = "没有这个联系人，或者已经删除。"
ATTACHMENT_NOT_FOUND = "没有这张照片，或者已经删除。"
PHOTOS_BUSY = "正在处理的照片太多，请过几秒再上传。"
TOO_MANY_PHOTOS_EXAMPLE = "这条报警已有 20 张照片，不能再加：请先删除不需要的照片。"
PHOTO_REMOVED_EXAMPLE = "这张照片已由 王师傅 删除。"
TEST_WITHDRAWN = "这次测试已经撤回。"

REPLACEMENT_WITHDRAWN_EXAMPLE = "这次换表记录已由 王师傅 于7月1日 12:05:03撤回。"
_REPLACEMENT_REFUSED = {
    "no_counter": "这种设备没有这个累计读数",
    "out_of_range": "读数超出了表的量程",
    "future": "换表时间晚于现在，请换完表再登记",
    "recorded": "这个时间的换表已经登记过；要更正，请先撤回原来的记录",
}


def replacement_refused(reason: str) -> str:
    """Return the message about a replacement that cannot have been."""
    return _REPLACEMENT_REFUSED[reason]


def replacement_withdrawn(by: str, at: datetime) -> str:
    """Return the message about a replacement that was withdrawn before."""
    return f"这次换表记录已由 {by} 于{local_time_zh(at)}撤回。"
