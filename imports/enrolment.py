"""The enrolment sheet: each device with its login, to be printed for the installers, as HTML."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import segno
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from devices.catalogue import KIND_BY_NAME
from devices.place import compose_place
from store.registry.secrets import Enrolled, hash_secret

_NAMED = 5
_HEADER = ["username", "secret"]
_NUMBERS = re.compile(r"(\d+)")


class SheetRefusedError(Exception):
    """No sheet can be made of these secrets; the message, in Chinese, says why."""


@dataclass(frozen=True)
class Card:
    """Login of one device on the sheet. `url` is the content of its QR code."""

    place: str
    kind: str
    device: str
    username: str
    secret: str
    client_id: str
    url: str

    @property
    def qr(self) -> Markup:
        """QR code (ISO/IEC 18004) that survives scratches on 15 % of it, as SVG."""
        return Markup(segno.make(self.url, error="m", micro=False).svg_inline(omitsize=True, border=2))  # noqa: S704


def read_secrets(path: Path) -> dict[str, str]:
    """Read the file of `anju import --secrets-out`, or lines of `anju secrets rotate`: the secrets by username.

    A spreadsheet may have added a byte order mark, and a person the header `username,secret`.

    Raises:
        SheetRefusedError: it can't be read, or a line is not `username,secret`.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SheetRefusedError(f"密钥文件 {path} 无法读取：{getattr(error, 'strerror', '不是密钥文件')}") from None
    rows = [(number, row) for number, row in enumerate(csv.reader(lines), 1) if (number, row) != (1, _HEADER)]
    wrong = [number for number, row in rows if not _is_login(row)]
    if wrong or not rows:
        raise SheetRefusedError(
            f"密钥文件 {path} 第 {wrong[0] if wrong else 1} 行有误：每行应为“用户名,密钥”，"
            "即 anju import --secrets-out 或 anju secrets rotate 给出的内容"
        )
    return {username: secret for _, (username, secret) in rows}  # a later line is a newer secret


def _is_login(row: Sequence[str]) -> bool:
    return len(row) == 2 and row[0].count("/") == 2 and row[1] != "" and "".join(row).isascii()


def sheet(devices: Iterable[Enrolled], secrets: Mapping[str, str], host: str, port: int, printed_at: datetime) -> str:
    """Return the sheet of these secrets as HTML for A4, each community on pages of its own and by building.

    Raises:
        SheetRefusedError: a device is not registered, or its secret was replaced.
    """
    known = {device.username: device for device in devices}
    _refuse_unless_empty("没有登记，或已撤销", [username for username in secrets if username not in known])
    old = [username for username, secret in secrets.items() if known[username].secret_hash != hash_secret(secret)]
    _refuse_unless_empty("的密钥已作废，请用新密钥的文件", old)
    groups: dict[tuple[str, str], dict[str, list[Card]]] = defaultdict(lambda: defaultdict(list))
    for device in sorted((known[username] for username in secrets), key=_order):
        building = compose_place(device.building) if device.building else "公共区域"
        community = device.community_name, device.username.partition("/")[0]
        groups[community][building].append(_card(device, secrets[device.username], host, port))
    environment = Environment(
        loader=PackageLoader("imports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("enrolment.html").render(
        communities=groups, address=_address(host, port), printed_at=printed_at.strftime("%Y-%m-%d %H:%M")
    )


def _card(device: Enrolled, secret: str, host: str, port: int) -> Card:
    return Card(
        place=compose_place(device.building, device.unit, device.room, device.location),
        kind=KIND_BY_NAME[device.kind].zh,
        device=device.name,
        username=device.username,
        secret=secret,
        client_id=device.username.replace("/", ":"),
        url=f"mqtts://{quote(device.username, safe='')}:{quote(secret, safe='')}@{_address(host, port)}",
    )


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _order(device: Enrolled) -> tuple[object, ...]:
    """Order as people walk: community, building, unit, room; 2号楼 comes before 10号楼, and no building last."""
    parts = (device.building, device.unit, device.room, device.location, device.name)
    walk = [[(not text.isdigit(), text.rjust(12)) for text in _NUMBERS.split(part)] for part in parts]
    return (device.community_name, device.username.partition("/")[0], not device.building, walk)


def _refuse_unless_empty(reason: str, usernames: list[str]) -> None:
    if usernames:
        more = f"等 {len(usernames)} 台设备" if len(usernames) > _NAMED else ""
        raise SheetRefusedError(f"{'、'.join(usernames[:_NAMED])} {more}{reason}")
