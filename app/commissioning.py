"""What a device has just sent, and why it was refused, in lines for its installer."""

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from app.output import Exit, fail, say
from app.signals import stop_on_signals
from devices.catalogue import KIND_BY_NAME
from devices.kind import Counter, Field, Gauge, Value
from devices.local_time import CITY
from devices.schema import REASON_ZH
from door.decision import Refusal
from ingest.broker_log import RefusalReason, refusals
from rules.model.kind_labels import value_label
from store.database import Connection, connect, translated_errors
from store.registry.devices import DeviceRow, find_device
from store.telemetry.events import list_events
from store.telemetry.newest import newest_values
from store.telemetry.rejections import RejectionFilter, list_rejections

_MOST = 100
_LOG_END = 2**20
_LATELY = timedelta(minutes=10)
_EVERY_S = 1.0

LOGIN_ZH: Mapping[str, str] = {
    Refusal.UNKNOWN_DEVICE: "没有登记这台设备，或已停用、撤销",
    Refusal.NO_SECRET: "还没有密钥，请管理员用 anju secrets rotate 生成",
    Refusal.WRONG_SECRET: "密钥不对，或已换成新的",
    Refusal.OTHER_CERTIFICATE: "客户端证书是另一台设备的",
    Refusal.OLD_CERTIFICATE: "客户端证书是换密钥之前签发的，已作废，请重新签发",
    Refusal.WRONG_CLIENT_ID: "客户端 ID 不对，应为用户名把 / 换成 :",
    Refusal.FOREIGN_CLIENT_ID: "客户端 ID 是别的设备的",
    Refusal.NOT_MQTT: "用的不是 MQTT 协议",
}
"""Words for the reasons of the door; any other reason is shown as it stands."""

_BROKER_ZH = {
    RefusalReason.TOPIC: "发到了不属于本设备的主题，已被丢弃",
    RefusalReason.SIZE: "消息超过 1 MiB，连接已被断开",
    RefusalReason.CHARACTER: "主题里有空格，连接已被断开",
    RefusalReason.CLIENT_ID: "登录被拒：客户端 ID 里有空格、点或通配符",
    RefusalReason.PROTOCOL: "登录被拒：用了 MQTT 5，请改成 3.1.1",
}
_CONNECTION_ZH = {"online": "设备上报：上线", "offline": "设备已离线"}
# The broker writes the reason of the door in a line of its own, just before the name of the client.
_REASON = re.compile(r"Auth callout service returned an error: (?P<reason>.*)")
_USER = re.compile(r"(?P<at>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)\.\d+ .* - authentication error - User \"(?P<user>[^\"]*)\"")


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """Something that happened to a device, in Chinese."""

    at: datetime
    text: str

    def __str__(self) -> str:
        return f"{self.at.astimezone(CITY):%H:%M:%S} {self.text}"


def stored_lines(
    connection: Connection, device: DeviceRow, since: datetime, shown_ts: datetime | None = None
) -> Iterator[Line]:
    """Yield what was stored and rejected of a device since a time of arrival, in no order.

    The newest reading is left out if it is the one of `shown_ts`.
    """
    kind = KIND_BY_NAME[device.kind]
    if device.last_seen and device.last_seen >= since and device.last_ts != shown_ts:
        newest = [
            (each, field)
            for each in newest_values(connection, kind, device.id, device.last_values)
            if each.ts and each.ts == device.last_ts and (field := kind.field(each.field))
        ]
        if newest:
            values = "，".join(f"{field.zh} {_shown(field, each.value)}" for each, field in newest)
            yield Line(device.last_seen, f"已入库：{values}（设备时间 {_clock(device.last_ts)}）")
    names = {event.name: event.zh for event in kind.events}
    for event in list_events(connection, device.id, start=None, end=None, event=None, before=None, limit=_MOST):
        if event.received_at >= since:
            words = names.get(event.event) or _CONNECTION_ZH.get(event.event, event.event)
            yield Line(event.received_at, f"已入库：{words}（设备时间 {_clock(event.ts)}）")
    conditions = RejectionFilter(community=device.community, device=device.name, since=since)
    for rejection in list_rejections(connection, conditions, None, _MOST):
        reason = REASON_ZH.get(rejection.reason, rejection.reason)
        times = f"，共 {rejection.times} 次" if rejection.times > 1 else ""
        yield Line(rejection.last_received_at, f"被拒收：{reason}{times}（{rejection.detail}）")


def refused_lines(log: Iterable[str], device: DeviceRow, since: datetime) -> Iterator[Line]:
    """Yield the logins and messages of a device that the broker refused since a time, out of its log."""
    username = f"{device.community}/{device.kind}/{device.name}"
    own_id, lines = username.replace("/", ":"), list(log)
    for before, line in pairwise(lines):
        reason, user = _REASON.search(before), _USER.search(line)
        if reason and user and user["user"] == username:
            at = datetime.strptime(user["at"], "%Y/%m/%d %H:%M:%S").astimezone()
            if at >= since:
                yield Line(at, f"登录被拒：{LOGIN_ZH.get(reason['reason'].strip(), reason['reason'].strip())}")
    for refusal in refusals(lines, since):
        if refusal.reason in _BROKER_ZH and (refusal.client == own_id or refusal.client.startswith(f"{own_id}:")):
            topic = f"（{refusal.topic}）" if refusal.topic else ""
            yield Line(refusal.newest, f"{_BROKER_ZH[refusal.reason]}{topic}")


class Watch:
    """Lines about a device that were not shown yet."""

    def __init__(self, device: DeviceRow, logs: Iterable[Path], since: datetime) -> None:
        """Prepare for the device, with the log files of the broker, from a time on."""
        self._device = device
        self._logs = tuple(logs)
        self._since = since
        self._shown: set[Line] = set()
        self._shown_ts: datetime | None = None

    def look(self, connection: Connection) -> list[Line]:
        """Return the new lines, oldest first.

        Raises:
            OSError: a log can't be read.
        """
        device = find_device(connection, self._device.community, self._device.name) or self._device
        lines = set(stored_lines(connection, device, self._since, self._shown_ts))
        self._shown_ts = device.last_ts
        for log in self._logs:
            lines |= set(refused_lines(_end_of(log), device, self._since.replace(microsecond=0)))
        new = sorted(lines - self._shown)
        self._shown |= lines
        return new


def _end_of(log: Path) -> list[str]:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_END))
        return file.read().decode(errors="replace").splitlines()


def _shown(field: Field, value: Value) -> str:
    unit = field.unit if isinstance(field, Gauge | Counter) else ""
    return value_label(field, value) or f"{value} {unit}".strip()


def _clock(at: datetime | None) -> str:
    return f"{at.astimezone(CITY):%H:%M:%S}" if at else "未知"


def commission(database_url: str, name: str, logs: str | None, *, watch: bool) -> None:
    """Print what a device, given as `community/device`, sent of late and why it was refused; with `watch` go on.

    Raises:
        Exit: no such device is registered, or a log of the broker can't be read.
    """
    files = [Path(log) for log in (logs or "").split(",") if log and log != "-"]
    stop = stop_on_signals() if watch else threading.Event()
    community, _, device_name = name.partition("/")
    with closing(connect(database_url, application_name="anju doctor")) as connection, translated_errors():
        device = find_device(connection, community, device_name)
        if device is None:
            raise fail(
                f"没有登记设备 {name}：请写“小区编号/设备编号”，没有登记的设备先用 anju import 导入", Exit.REFUSED
            )
        say(f"{device.place or device.name}　{KIND_BY_NAME[device.kind].zh} {device.name}：{_heard(device)}")
        if not files:
            say("看不到 broker 的日志（ANJU_BROKER_LOG），登录被拒和发错主题不会显示")
        shown = Watch(device, files, datetime.now(UTC) - _LATELY)
        while True:
            try:
                lines = shown.look(connection)
            except OSError as error:
                raise fail(f"broker 的日志 {error.filename} 无法读取：{error.strerror}", Exit.UNAVAILABLE) from None
            connection.rollback()
            for line in lines:
                say(str(line))
            if not watch or stop.wait(_EVERY_S):
                return


def _heard(device: DeviceRow) -> str:
    return (
        f"最近一次收到消息 {device.last_seen.astimezone(CITY):%m-%d %H:%M:%S}"
        if device.last_seen
        else "还没有收到过消息"
    )
