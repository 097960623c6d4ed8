"""`anju door`: the logins of devices at the broker."""

from prometheus_client import start_http_server

from app.logging import configure_logging
from app.settings import Settings, SettingsError
from app.signals import stop_on_signals
from devices.broker_url import BrokerUrl
from door.accounts import Account
from door.service import Door, DoorSettings


def door() -> None:
    """Answer the broker, for every device, whether it may log in, until SIGTERM.

    The answers come from memory, so that devices can log in while the database is away. Several may run beside each
    other.

    Needs ANJU_DATABASE_URL, and ANJU_DOOR_URL with ANJU_DOOR_SEED, or for other brokers ANJU_DOOR_HTTP_PORT. The
    account in ANJU_PUBLISH_MQTT_URL may speak for simulated devices, the one in ANJU_READ_MQTT_URL read along.

    Example: anju door
    """
    configure_logging()
    settings = Settings.load()
    over_http_alone = settings.door_http_port and not settings.door_url
    work = DoorSettings(
        database_url=settings.need("database_url"),
        url="" if over_http_alone else settings.need("door_url"),
        seed="" if over_http_alone else settings.need("door_seed"),
        partitions=settings.partitions,
        http=(settings.http_host, settings.door_http_port) if settings.door_http_port else None,
        simulators=_account(settings.need("publish_mqtt_url")) if settings.publish_mqtt_url else None,
        observer=_account(settings.need("read_mqtt_url")) if settings.read_mqtt_url else None,
    )
    stop = stop_on_signals()
    try:
        service = Door(work)
    except ValueError as error:
        raise SettingsError(f"ANJU_DOOR_SEED: {error}") from None
    if settings.metrics_port:
        start_http_server(settings.metrics_port, addr=settings.http_host)
    service.run(stop)


def _account(url: str) -> Account:
    broker = BrokerUrl.parse(url)
    return Account(broker.username, broker.password)
