"""`anju notify`: check of the routing file, test messages, and retries."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.audit import audit_command
from app.output import Exit, fail, say
from app.settings import Settings
from notify.channel_check import send_test_message
from notify.routing_file import load_routing
from rules.model.rule import Severity
from store.database import connect, translated_errors
from store.notices.delivery import requeue_dead


def check(file: Annotated[Path | None, typer.Argument(help="instead of ANJU_NOTIFY_FILE")] = None) -> None:
    """Check the file, and list the first channels for each community and severity.

    Example: anju notify check notify.yaml
    """
    routing = load_routing(file or Path(Settings.load().need("notify_file")))
    named = frozenset[str]().union(
        *(contact.communities for contact in routing.contacts), *(route.communities for route in routing.routes)
    )
    for community in (*sorted(named), "elsewhere"):
        for severity in reversed(Severity):
            channels = routing.first_channels(None if community == "elsewhere" else community, severity)
            say(f"{community} {severity}: {', '.join(channel.name for channel in channels) or 'nobody'}")


def try_out(contact: Annotated[str, typer.Argument(help="the name of a contact in ANJU_NOTIFY_FILE")]) -> None:
    """Send a test message through every channel of a contact; exit code 1 if one does not accept it.

    Example: anju notify test 王经理
    """
    settings = Settings.load()
    routing = load_routing(Path(settings.need("notify_file")))
    channels = [channel for each in routing.contacts if each.name == contact for channel in each.channels]
    if not channels:
        raise fail(f"there is no contact {contact}: {', '.join(each.name for each in routing.contacts)}", Exit.USAGE)
    refused = {channel.name: send_test_message(channel, datetime.now(UTC)) for channel in channels}
    for name, reason in refused.items():
        say(f"{'BAD ' if reason else 'ok  '} {name}: {reason or 'accepted'}")
    if any(refused.values()):
        raise fail("", Exit.REFUSED)


def retry() -> None:
    """Queue undelivered notices of open alerts again. Do it when the channel works again.

    Example: anju notify retry
    """
    url = Settings.load().need("database_url")
    with translated_errors(), connect(url, application_name="anju notify") as connection:
        if count := requeue_dead(connection, datetime.now(UTC)):
            audit_command(connection, "retry", ("notices", ""), {"notices": count})
    say(f"{count} notices are sent again")
