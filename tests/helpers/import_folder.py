"""Import files of one community in a folder, and the content of the registry."""

from pathlib import Path
from typing import Any

from imports.importer import ImportResult, import_files
from store.database import Connection

COMMUNITIES = "community,name,banner,street,built_year,stage\nyg,阳光小区,东胜区,天骄街道,1998,竣工\n"
HOUSEHOLDS = "community,building,unit,room\nyg,3,2,501\nyg,3,2,502\n"
DEVICES = (
    "community,device,kind,building,unit,room,gateway,plan_item,serial,installed_on,simulated\n"
    "yg,w501,water_meter,3,2,501,gw3,basic.metering.water,SN1,2024-05-01,否\n"
    "yg,gw3,gateway,3,,,,,,,\n"
    "yg,cam1,camera,,,,,basic.video,,,是\n"
)


class Folder:
    """Import files in a folder, one for each name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.secrets = path / "secrets.csv"

    def hand_in(
        self, connection: Connection, *, secrets_out: Path | None = None, dry_run: bool = False, **contents: str
    ) -> ImportResult:
        for name, text in contents.items():
            (self.path / f"{name}.csv").write_text(text)
        names = ("communities", "households", "devices")
        paths = [self.path / f"{name}.csv" if name in contents else None for name in names]
        return import_files(connection, *paths, secrets_out=secrets_out, dry_run=dry_run)

    def whole(self, connection: Connection, *, secrets_out: Path | None = None, dry_run: bool = False) -> ImportResult:
        contents = {"communities": COMMUNITIES, "households": HOUSEHOLDS, "devices": DEVICES}
        return self.hand_in(connection, secrets_out=secrets_out, dry_run=dry_run, **contents)


def content(connection: Connection) -> list[list[tuple[Any, ...]]]:
    """Return the content of every table that an import writes."""
    statements = (
        "SELECT * FROM community ORDER BY id",
        "SELECT * FROM household ORDER BY id",
        "SELECT * FROM device ORDER BY id",
        "SELECT version FROM registry_version",
    )
    return [connection.execute(statement).fetchall() for statement in statements]
