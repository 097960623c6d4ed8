"""`anju grafana export` and `anju grafana apply`."""

from pathlib import Path
from typing import Annotated

import typer

from app.output import Exit, fail, say
from app.settings import Settings
from grafana.apply import apply as apply_dashboards
from grafana.datasource import Datasource, GrafanaError
from grafana.export import export as export_dashboards


def export(folder: Annotated[Path, typer.Argument(help="where the provisioning files go")]) -> None:
    """Write data source and dashboards as Grafana provisioning files.

    Example: anju grafana export deploy/grafana
    """
    for path in export_dashboards(folder):
        say(str(path))


def apply(
    database_url: Annotated[
        str, typer.Option(help="the database as Grafana sees it, with a role that may only read: anju_grafana")
    ],
) -> None:
    """Bring a running Grafana to these dashboards; a second run changes nothing.

    Needs ANJU_GRAFANA_URL and ANJU_GRAFANA_TOKEN. Example: anju grafana apply --database-url postgresql://anju_grafana:secret@db/anju
    """
    settings = Settings.load()
    try:
        datasource = Datasource.from_url(database_url)
        applied = apply_dashboards(settings.need("grafana_url"), settings.need("grafana_token"), datasource)
    except GrafanaError as error:
        raise fail(str(error), Exit.UNAVAILABLE) from None
    for name, change in applied.changes.items():
        say(f"{change}  {name}")
