"""`anju secrets show-ca`, `sheet` and `certificate`: what devices and installers need to log in."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.audit import audit_command
from app.database import transaction
from app.output import Exit, fail, say
from app.settings import Settings
from devices.broker_url import BrokerUrl
from devices.local_time import CITY
from imports.enrolment import SheetRefusedError, read_secrets, sheet
from local.certificates import Authority
from local.users import write_private
from store.registry.secrets import enrolled_devices, fingerprint


def show_ca() -> None:
    """Print the authorities by which devices recognise the broker, as PEM.

    Nothing in it is secret. Exit code 1 where devices need none, because MQTT is not encrypted or because the broker
    has a certificate of a public authority.

    Needs ANJU_MQTT_URL. Example: anju secrets show-ca > anju-ca.pem
    """
    broker = BrokerUrl.parse(Settings.load().need("mqtt_url"))
    if not broker.tls:
        raise fail("MQTT is not encrypted here (ANJU_MQTT_URL begins with mqtt://), so devices need none", Exit.REFUSED)
    file = broker.files.get("ca")
    if file is None:
        raise fail(
            "the broker's certificate is checked against the authorities of the system, which devices need as well; "
            "a private one is named in ANJU_MQTT_URL: mqtts://...?ca=FILE",
            Exit.REFUSED,
        )
    try:
        pem = file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"{file}, named in ANJU_MQTT_URL, can't be read: {error}", Exit.UNAVAILABLE) from None
    say(pem.rstrip())


def make_sheet(
    secrets: Annotated[Path, typer.Argument(help="the file of `anju import --secrets-out`, or of `secrets rotate`")],
    host: Annotated[str, typer.Option(help="host name or address under which devices reach the broker")],
    out: Annotated[Path, typer.Option(help="a new HTML file for the sheet")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="port of MQTT with TLS")] = 8883,
) -> None:
    """Make a sheet for the installers (A4), with the login of each device as QR code and text.

    The secrets are checked against the registry: a sheet never shows one that does not work. Remove the file of the
    secrets and the sheet once it is printed; a lost secret is not shown again, but replaced by `anju secrets rotate`.

    Example: anju secrets sheet secrets.csv --host 192.168.1.10 --out sheet.html
    """
    try:
        secret_by_username = read_secrets(secrets)
        with transaction("anju secrets") as connection:
            devices = enrolled_devices(connection, secret_by_username)
            page = sheet(devices, secret_by_username, host, port, datetime.now(UTC).astimezone(CITY))
            audit_command(connection, "print_secrets", ("registry", ""), {"devices": len(devices)})
            out.touch(0o600, exist_ok=False)
            out.write_text(page, encoding="utf-8")
    except SheetRefusedError as error:
        raise fail(str(error), Exit.REFUSED) from None
    except FileExistsError:
        raise fail(f"{out} 已存在，没有覆盖：请换一个文件名", Exit.REFUSED) from None
    except OSError as error:
        raise fail(f"入网单 {out} 无法写入：{error.strerror}", Exit.UNAVAILABLE) from None
    say(f"{len(devices)} 台设备的入网单已写入 {out}：请用浏览器打开并打印，打印后删除这个文件和 {secrets}")


def certificate(
    username: Annotated[str, typer.Argument(help="community/kind/device")],
    out: Annotated[Path, typer.Option(help="a folder for DEVICE.pem and DEVICE.key")],
) -> None:
    """Issue a certificate with which a device logs in, from the private authority of `anju up`.

    It takes the place of the secret where the broker asks for certificates (ANJU_MQTT_TLS=mutual). It lasts 13 months,
    and is void once the device is withdrawn or retired, or its secret is rotated. Run it at the machine and as the user
    of `anju up`.

    Example: anju secrets certificate yangguang/water_meter/b01-u1-0101-water --out certificates
    """
    ca = BrokerUrl.parse(Settings.load().need("mqtt_url")).files.get("ca")
    if ca is None or not ca.with_name("ca.key").exists():
        raise fail("no private authority is kept here: certificates come from your own authority", Exit.REFUSED)
    files = [out / f"{username.rpartition('/')[2]}.{suffix}" for suffix in ("pem", "key")]
    if existing := [str(file) for file in files if file.exists()]:
        raise fail(f"{', '.join(existing)} exists: choose another folder", Exit.REFUSED)
    now = datetime.now(UTC)
    with transaction("anju secrets") as connection:
        devices = enrolled_devices(connection, [username])
        if not devices:
            raise fail(f"no device is registered as {username!r}: <community>/<kind>/<device>", Exit.REFUSED)
        secret_hash = bytes.fromhex(devices[0].secret_hash or "")
        issued = Authority(ca.parent, now).issue_device(username, fingerprint(secret_hash), now)
        audit_command(connection, "issue_certificate", ("device", username), {})
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, content in zip(files, issued, strict=True):
            write_private(file, content)
    except OSError as error:
        raise fail(f"{out} can't be written: {error.strerror}", Exit.UNAVAILABLE) from None
    say(f"{files[0]} and {files[1]}: the device logs in with them, without a password")
