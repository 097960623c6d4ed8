"""`anju rules shadow`: the alerts that rules on trial would have raised."""

from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from app.output import Json, say, say_json
from app.settings import Settings
from devices.local_time import CITY
from store.alerts.shadow import list_shadow_alerts
from store.database import connect, translated_errors


def list_shadow(
    days: Annotated[int, typer.Option(min=1, max=3650, help="how many days to look back")] = 7,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many alerts at most")] = 100,
    *,
    as_json: Json = False,
) -> None:
    """List the alerts that rules with `shadow: true` would have raised, newest first. None of them was notified.

    Needs ANJU_DATABASE_URL. Example: anju rules shadow --days 30
    """
    url, since = Settings.load().need("database_url"), datetime.now(UTC) - timedelta(days=days)
    with closing(connect(url, application_name="anju rules shadow")) as connection, translated_errors():
        alerts = list_shadow_alerts(connection, since, limit)
    if as_json:
        say_json([asdict(alert) for alert in alerts])
        return
    for alert in alerts:
        opened = alert.opened_at.astimezone(CITY)
        lasted = alert.ended_at - alert.opened_at if alert.ended_at else "open"
        say(f"{opened:%Y-%m-%d %H:%M:%S}  {alert.rule}  {alert.message}  ({lasted})")
    say(f"{len(alerts)} alerts would have been raised by rules on trial in {days} days")
