"""`anju secrets show-ca`: what devices and installers need besides a secret."""

from app.output import Exit, fail, say
from app.settings import Settings
from devices.broker_url import BrokerUrl


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
