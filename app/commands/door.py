"""`anju door`: the logins of devices at the broker."""

from prometheus_client import start_http_server

from app.logging import configure_logging
from app.settings import Settings, SettingsError
from app.signals import stop_on_signals
from door.service import Door, DoorSettings


def door() -> None:
    """Answer the broker, for every device, whether it may log in, until SIGTERM.

    The answers come from memory, so that devices can log in while the database is away. Several may run beside each
    other.

    Needs ANJU_DATABASE_URL, ANJU_DOOR_URL and ANJU_DOOR_SEED. Example: anju door
    """
    configure_logging()
    settings = Settings.load()
    work = DoorSettings(
        database_url=settings.need("database_url"),
        url=settings.need("door_url"),
        seed=settings.need("door_seed"),
        partitions=settings.partitions,
    )
    stop = stop_on_signals()
    try:
        service = Door(work)
    except ValueError as error:
        raise SettingsError(f"ANJU_DOOR_SEED: {error}") from None
    if settings.metrics_port:
        start_http_server(settings.metrics_port, addr=settings.http_host)
    service.run(stop)
