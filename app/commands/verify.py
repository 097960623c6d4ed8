"""`anju verify`: verification of the renovation plan of a community by measurements."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from acceptance.document import document
from acceptance.report import to_html, to_json
from acceptance.run import run_verification
from acceptance.summary import exit_code, summary
from app.output import Exit, fail, say
from app.progress import progress
from app.settings import Settings
from devices.local_time import CITY
from local.users import write_private
from store.database import connect, translated_errors
from store.telemetry.evidence import UnknownCommunityError

_DAY_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M"]


def verify(
    community: Annotated[str, typer.Argument(help="id of the community")],
    days: Annotated[int, typer.Option(min=1, max=366, help="length of the window in days")] = 7,
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=_DAY_FORMATS, help="end of the window, local time; by default the full hour that has passed"
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for the reports")] = Path(),
    *,
    include_simulated: Annotated[
        bool,
        typer.Option("--include-simulated", help="a demonstration: count simulated devices, and say so everywhere"),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the JSON report instead of the summary")] = False,
) -> None:
    """Verify a community over a window, print the result and write it as JSON and HTML.

    Exit code: 0 everything passes, 1 something fails, 3 the data do not suffice.

    Example: anju verify yangguang --days 7 --out reports/
    """
    now = datetime.now(UTC)
    end = until.replace(tzinfo=CITY) if until else now.replace(minute=0, second=0, microsecond=0)
    if end > now:
        raise fail("the window has not ended yet: choose an --until that has passed", Exit.USAGE)
    database_url = Settings.load().need("database_url")
    try:
        with (
            progress("verifying"),
            closing(connect(database_url, application_name="anju verify")) as connection,
            translated_errors(),
            connection.transaction(),
        ):
            report = run_verification(
                connection,
                community,
                end - timedelta(days=days),
                end,
                include_simulated=include_simulated,
                generated_at=now,
            )
    except UnknownCommunityError as error:
        raise fail(str(error), Exit.REFUSED) from None
    content = document(report)
    name = f"{community}-{end.astimezone(CITY):%Y%m%d%H%M}"
    out.mkdir(parents=True, exist_ok=True)
    # Both name households.
    write_private(out / f"{name}.json", to_json(content, now))
    write_private(out / f"{name}.html", to_html(content, now))
    if as_json:
        typer.echo(to_json(content, now).decode(), nl=False)
    else:
        say(f"{summary(report)}\n\n{out / name}.json\n{out / name}.html")
    raise typer.Exit(exit_code(report))
